"""A store was given an interval without its anchor, and was not informed that a job had been resumed.

Causes: the definition was written before the schedule was bound to the instant of the acceptance, so that after a
restart the instants would have been others. And `resume_job` noted no change if no occurrence was planned. Besides, for
a job whose schedule is faulty from the beginning, the change to halted came before the change that adds the job.
"""

import json

from engine_driver import START, Driver, stored
from user_schedules import CannotBind

from turnkeeper_trio import Interval, JobState, Never
from turnkeeper_trio.events import JobAdded, JobHalted
from turnkeeper_trio.schedules import schedule_from_json


def test_the_schedule_in_force_is_told_bound_beside_the_one_that_was_asked_for():
    driver = stored()
    driver.add(schedule=Interval(seconds=7))
    driver.add(schedule=Never())
    driver.turn()
    bound, unbound = (change.definition for change in driver.changes)
    assert driver.codec.read_bound(Interval(seconds=7), bound.bound) == Interval(seconds=7, anchor=START)
    assert schedule_from_json(json.loads(bound.text)["request"]["schedule"]) == Interval(seconds=7)
    assert unbound.bound is None
    assert [change.change_id for change in driver.changes] == [1, 2]


def test_it_learns_that_a_job_was_resumed():
    driver = stored()
    job = driver.add()
    driver.pause(job)
    driver.turn()
    driver.changes.clear()
    driver.resume(job)
    driver.turn()
    (change,) = driver.changes
    assert (change.image.state, change.image.pending) == (JobState.ACTIVE, None)


def test_a_faulty_job_is_added_before_it_is_halted():
    driver = Driver()
    driver.add(schedule=CannotBind())
    driver.turn()
    assert [type(event) for event in driver.events] == [JobAdded, JobHalted]
