"""Without observers and subscribers no event is made, except those that the log needs."""

from engine_driver import Driver

from turnkeeper_trio import After, Interval
from turnkeeper_trio.events import JobHalted, RunFinished, Wanted


def test_only_failures_and_halted_jobs_are_told():
    driver = Driver(listening=False)
    job = driver.add(schedule=Interval(seconds=10), halt_after=1, max_retries=1)
    driver.skip(job)
    driver.pause(job)
    driver.resume(job)
    driver.update(job, priority=1)
    driver.pause_all()
    driver.resume_all()
    once = driver.add(schedule=After(0))
    driver.end(driver.begin()[0])
    driver.delete(once)
    driver.cancel(driver.add(schedule=Interval(seconds=1)))
    for seconds in (35, 100):
        driver.fail(driver.begin(seconds)[0])
    driver.shut_down()
    driver.shut_down(forced=True)
    driver.turn()
    assert [type(event) for event in driver.events] == [RunFinished, JobHalted]


def test_only_events_of_kinds_that_are_wanted_are_made_and_numbered():
    asked = []

    def ask(kind):
        asked.append(kind)
        return kind is RunFinished

    driver = Driver(listening=False)
    driver.state.listening = Wanted(ask)
    for _ in range(2):
        driver.add(schedule=After(0))
        driver.end(driver.begin()[0])
    driver.turn()
    assert [(type(event), event.sequence) for event in driver.events] == [(RunFinished, 1), (RunFinished, 2)]
    assert sorted(kind.__name__ for kind in asked) == ["JobAdded", "JobFinished", "RunFinished", "RunStarted"]


def test_what_happens_after_an_event_does_not_change_its_record():
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10), name="before")
    driver.end(driver.begin(10)[0], value=1)
    driver.update(job, name="after")
    driver.end(driver.begin(10)[0], value=2)
    driver.turn()
    finished = driver.told(RunFinished)
    assert [(event.record.name, event.record.value) for event in finished] == [("before", 1), ("after", 2)]
