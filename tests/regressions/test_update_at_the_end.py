"""A job that was staged again before a shutdown, to be updated, kept a run that the shutdown did not end.

Cause: an update has the runs that wait for a worker wait for their turn again, by the new rules. At the end of the
scheduler nobody gets a turn any more, and what waits for one had been ended when the shutdown began.
"""

from engine_driver import Driver

from turnkeeper_trio import After, Outcome, RecurringJobRequest


def test_a_run_of_a_job_that_is_updated_during_a_shutdown_is_ended():
    driver = Driver(max_workers=1, dispatch_buffer=0)
    driver.add(schedule=After(0))
    request = RecurringJobRequest("job", After(0), key="job")
    driver.submit(request)
    [running] = driver.begin(1)
    driver.engine.begin_shutdown(driver.now, forced=False)
    driver.submit(request.replace(max_retries=1))  # It was staged before.
    driver.turn()
    assert list(driver.state.active) == [running.run]
    assert [record.outcome for record in driver.history()] == [Outcome.NEVER_STARTED]
