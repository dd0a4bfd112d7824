"""To skip an occurrence, the engine asks the schedule for the next one: if it fails then, its job is halted."""

from datetime import timedelta

from engine_driver import Driver

from turnkeeper_trio import JobState
from turnkeeper_trio._engine import control


class FailsTheSecondTime:
    asked = 0

    def next_after(self, after):
        self.asked += 1
        if self.asked > 1:
            raise ValueError("no more")
        return after + timedelta(seconds=10)


def test_a_job_is_halted_whose_schedule_fails_when_an_occurrence_is_skipped():
    driver = Driver()
    job = driver.add(schedule=FailsTheSecondTime())
    driver.ask(control.skip_next_run, job.job_id)
    assert job.state is JobState.HALTED
    assert "no more" in job.reason
    driver.check()
