"""Observers: they get each event, in order, once it is committed; and what happens to a faulty or a slow one."""

import logging
import time
from typing import Any

import anyio
import pytest
from sample_jobs import NOW, nothing

from turnkeeper_trio import (
    After,
    FixedRetryDelay,
    Interval,
    Outcome,
    RecurringJobRequest,
    current_run,
    open_scheduler,
)
from turnkeeper_trio._engine import state
from turnkeeper_trio.events import (
    JobAdded,
    JobCancelled,
    JobDeleted,
    JobFinished,
    OccurrenceMissed,
    OccurrenceSkipped,
    RunFinished,
    RunRetrying,
    RunStarted,
    SchedulerStopped,
    ShutdownStarted,
)

pytestmark = pytest.mark.anyio


async def test_an_observer_is_told_each_event_with_what_it_is_about(heard: Any) -> None:
    async def job() -> None:
        await anyio.sleep(1)
        if current_run().attempt == 1:
            raise ValueError("first")

    async with open_scheduler(max_workers=1, observers=[heard]) as scheduler:
        begin = scheduler.now()
        request = RecurringJobRequest("job", Interval(seconds=10), 1, retry=FixedRetryDelay(2))
        job_id = await scheduler.add_job(request, job)
        await anyio.sleep(15)
        await scheduler.skip_next_run(job_id)
        await scheduler.cancel_job(job_id, reason="enough")
        await scheduler.delete_job(job_id)
    added, started, retrying, again, finished, skipped, cancelled, gone, deleted, shutdown, stopped = heard.events
    assert isinstance(added, JobAdded)
    assert (added.name, added.job_id, added.run_id) == ("job", job_id, None)
    assert added.next_run_time == begin.add(seconds=10)
    assert isinstance(started, RunStarted)
    assert (started.name, started.attempt, started.lateness, started.job_id) == ("job", 1, 0, job_id)
    assert isinstance(retrying, RunRetrying)
    assert (retrying.attempt, retrying.reason, retrying.delay) == (1, "it raised ValueError", 2)
    assert str(retrying.error) == "first"
    assert isinstance(again, RunStarted)
    assert (again.attempt, again.run_id) == (2, started.run_id)
    assert isinstance(finished, RunFinished)
    assert (finished.record.outcome, finished.record.run_id) == (Outcome.SUCCEEDED, started.run_id)
    assert isinstance(skipped, OccurrenceSkipped)
    assert (skipped.outcome, skipped.reason) == (Outcome.SKIPPED, "skipped by hand")
    assert skipped.scheduled_at == begin.add(seconds=20)
    assert isinstance(cancelled, JobCancelled)
    assert cancelled.reason == "enough"
    assert isinstance(gone, OccurrenceSkipped)
    assert (gone.outcome, gone.scheduled_at) == (Outcome.CANCELLED, begin.add(seconds=30))
    assert isinstance(deleted, JobDeleted)
    assert isinstance(shutdown, ShutdownStarted)
    assert isinstance(stopped, SchedulerStopped)
    assert [event.sequence for event in heard.events] == list(range(1, 12))
    assert [event.at for event in heard.events] == sorted(event.at for event in heard.events)
    assert finished.at == begin.add(seconds=14)


async def test_an_observer_hears_only_what_it_has_methods_for() -> None:
    class Narrow:
        def __init__(self) -> None:
            self.finished: list[Any] = []
            self.on_run_started = "no method"

        def on_job_finished(self, event: JobFinished) -> None:
            self.finished.append(event.name)

    narrow = Narrow()
    async with open_scheduler(max_workers=1, observers=[narrow, object()]) as scheduler:
        await scheduler.wait_job(await scheduler.add_job(NOW, nothing))
    assert narrow.finished == ["now"]


async def test_observers_are_told_in_their_order() -> None:
    told: list[str] = []

    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        def on_job_added(self, event: JobAdded) -> None:
            told.append(self.name)

    async with open_scheduler(max_workers=1, observers=[Named("one"), Named("two"), Named("three")]) as scheduler:
        await scheduler.add_job(NOW, nothing)
        await scheduler.wait_idle()
    assert told == ["one", "two", "three"]


@pytest.mark.parametrize("error", [ValueError, BaseException, pytest.fail.Exception])
async def test_a_faulty_observer_is_logged_once_and_told_nothing_more(
    error: type[BaseException], heard: Any, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[str] = []

    class Faulty:
        def on_run_started(self, event: RunStarted) -> None:
            calls.append("started")

        def on_run_finished(self, event: RunFinished) -> None:
            calls.append("finished")
            raise error("faulty")

    async with open_scheduler(max_workers=1, observers=[Faulty(), heard]) as scheduler:
        for _ in range(3):
            await scheduler.wait_job(await scheduler.add_job(NOW, nothing))
    assert calls == ["started", "finished"]
    assert heard.names().count("RunFinished") == 3
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "raised at RunFinished, and is told nothing more" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[0] is error


async def test_what_an_observer_returns_is_of_no_account() -> None:
    heard: list[str] = []

    class Chatty:
        def on_run_finished(self, event: RunFinished) -> int:
            heard.append(event.record.name)
            return len(heard)

    async with open_scheduler(max_workers=1, observers=[Chatty()]) as scheduler:
        for _ in range(2):
            await scheduler.wait_job(await scheduler.add_job(NOW, nothing))
    assert len(heard) == 2


async def test_a_slow_observer_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Slow:
        def on_job_added(self, event: JobAdded) -> None:
            time.sleep(0.012)

    async with open_scheduler(max_workers=1, observers=[Slow()]) as scheduler:
        await scheduler.wait_job(await scheduler.add_job(NOW, nothing))
    [line] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "Slow object" in line
    assert "ms at JobAdded; the scheduler stood still meanwhile" in line


async def test_an_observer_may_use_the_scheduler_as_far_as_it_does_not_wait(heard: Any) -> None:
    class Chaining:
        def on_run_finished(self, event: RunFinished) -> None:
            if event.record.name == "now":
                scheduler.try_add_job(RecurringJobRequest("child", After(1)), nothing)
            books.append(scheduler.get_metrics_snapshot().books.balanced)

    books: list[bool] = []
    async with open_scheduler(max_workers=1, observers=[Chaining(), heard]) as scheduler:
        await scheduler.add_job(NOW, nothing)
        await anyio.sleep(5)
        names = [job.name for job in await scheduler.list_all_jobs()]
    assert names == ["now", "child"]
    assert books == [True, True]


async def test_what_was_missed_is_told(heard: Any, wall: Any) -> None:
    async with open_scheduler(max_workers=1, observers=[heard], clock=wall) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=60)), nothing)
        await anyio.sleep(30)
        wall.step(300)
        await anyio.sleep(15)
    [missed] = heard.of(OccurrenceMissed)
    assert (missed.job_id, missed.name, missed.count) == (job_id, "job", 4)
    assert heard.names().count("RunStarted") == 1


async def test_each_event_can_be_shown_as_json(heard: Any) -> None:
    async with open_scheduler(max_workers=1, observers=[heard]) as scheduler:
        await scheduler.wait_job(await scheduler.add_job(NOW, nothing))
    for event in heard.events:
        shown = event.to_json()
        assert shown["sequence"] == event.sequence
        assert shown["at"].endswith("Z")


async def test_no_event_is_made_of_a_kind_that_nobody_receives(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    unread = state.unread

    def noted(kind: Any, fields: Any) -> Any:
        made.append(kind.__name__)
        return unread(kind, fields)

    monkeypatch.setattr(state, "unread", noted)
    monkeypatch.setattr(logging.getLogger("turnkeeper_trio"), "level", logging.WARNING)

    class Counter:
        finished = 0

        def on_run_finished(self, event: RunFinished) -> None:
            self.finished += 1

    counter = Counter()
    async with open_scheduler(max_workers=1, observers=[counter]) as scheduler:
        await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=10), max_runs=2), nothing)
        await scheduler.wait_idle()
        async with scheduler.events(RunStarted) as events:
            await scheduler.add_job(RecurringJobRequest("job", After(seconds=0)), nothing)
            await scheduler.wait_idle()
            started = await anext(events)
        await scheduler.wait_job(await scheduler.add_job(RecurringJobRequest("job", After(seconds=0)), nothing))
    assert made == ["RunFinished"] * 2 + ["RunStarted", "RunFinished"] + ["RunFinished"]
    assert (counter.finished, started.sequence) == (4, 3)


async def test_the_log_gets_each_event_from_the_turn_on_in_which_its_level_allows(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        with caplog.at_level(logging.WARNING, "turnkeeper_trio"):
            await scheduler.wait_job(await scheduler.add_job(RecurringJobRequest("quiet", After(seconds=0)), nothing))
        with caplog.at_level(logging.INFO, "turnkeeper_trio"):
            await scheduler.wait_job(await scheduler.add_job(RecurringJobRequest("told", After(seconds=0)), nothing))
        with caplog.at_level(logging.WARNING, "turnkeeper_trio"):
            await scheduler.wait_job(await scheduler.add_job(RecurringJobRequest("quiet", After(seconds=0)), nothing))
    assert {record.getMessage().split()[0] for record in caplog.records} == {"told"}
