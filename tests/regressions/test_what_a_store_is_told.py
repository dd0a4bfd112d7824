"""A store was given an interval without its anchor, and was not informed that a job had been resumed.

Causes: the definition was written before the schedule was bound to the instant of the acceptance, so that after a
restart the instants would have been others. And `resume_job` noted no change if no occurrence was planned. Besides, for
a job whose schedule is faulty from the beginning, the change to halted came before the change that adds the job.
"""

from engine_driver import START, Driver
from user_schedules import CannotBind

from turnkeeper_trio import Interval, JobState
from turnkeeper_trio._model.change import ChangeKind
from turnkeeper_trio.events import JobAdded, JobHalted
from turnkeeper_trio.schedules import schedule_from_json


def test_the_schedule_in_the_definition_is_bound():
    driver = Driver(store_asks=True)
    driver.add(schedule=Interval(seconds=7))
    driver.turn()
    accepted, planned = driver.changes
    assert accepted.kind is ChangeKind.JOB_ACCEPTED
    assert schedule_from_json(accepted.data["schedule"]) == Interval(seconds=7, anchor=START)
    assert planned.kind is ChangeKind.JOB_CHANGED
    assert [change.change_id for change in driver.changes] == [1, 2]


def test_it_learns_that_a_job_was_resumed():
    driver = Driver(store_asks=True)
    job = driver.add()
    driver.pause(job)
    driver.turn()
    driver.changes.clear()
    driver.resume(job)
    driver.turn()
    (change,) = driver.changes
    assert change.kind is ChangeKind.JOB_CHANGED
    assert change.data == {"state": JobState.ACTIVE, "next": None}


def test_a_faulty_job_is_added_before_it_is_halted():
    driver = Driver()
    driver.add(schedule=CannotBind())
    driver.turn()
    assert [type(event) for event in driver.events] == [JobAdded, JobHalted]
