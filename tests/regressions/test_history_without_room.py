"""With ``history_limit=0``, deleting a job ended the scheduler, and ids of what did not run stayed for ever.

Causes: to delete a job is to cancel it first, and a history without room forgets a cancelled job at once. So the job
was not in the table any more when it was to be removed. And an occurrence that did not run was entered in the table of
ids after the history had removed it.
"""

from engine_driver import Driver

from turnkeeper_trio import Interval, JobState


def test_a_job_can_be_deleted():
    driver = Driver(history_limit=0)
    job = driver.add(schedule=Interval(seconds=1))
    driver.delete(job)
    assert job.state is JobState.CANCELLED
    assert driver.state.jobs == {}


def test_no_id_is_kept():
    for option in ("history_limit", "history_per_job"):
        driver = Driver(**{option: 0})
        job = driver.add(schedule=Interval(seconds=1))
        for _ in range(5):
            run_id = driver.details(job).next_run_instance
            assert driver.skip(job).run_id == run_id
            assert run_id not in driver.state.by_id
        assert len(driver.state.by_id) == 0
