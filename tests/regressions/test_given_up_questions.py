"""A program that asked with a timeout, again and again, for something that did not come about grew without bound.

Cause: the coordinator kept each unanswered reply until it was answered; one whose caller had given up never was.
"""

import anyio
import pytest

from turnkeeper_trio import After, RecurringJobRequest, open_scheduler

pytestmark = pytest.mark.anyio


async def test_a_question_that_is_given_up_is_forgotten():
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("later", After(hours=1)), anyio.sleep, 0)
        details = await scheduler.get_job_details(job_id)
        assert details.next_run_instance is not None
        for _ in range(50):
            for ask, subject in (
                (scheduler.wait_job, job_id),
                (scheduler.wait_run, details.next_run_instance),
                (scheduler.wait_idle, None),
            ):
                with anyio.move_on_after(1):
                    await (ask() if subject is None else ask(subject))
        parts = scheduler._parts
        assert not parts.command_queue._replies
        assert not len(parts.engine.state.waits)
