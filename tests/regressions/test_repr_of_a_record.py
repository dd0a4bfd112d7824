"""``print(await scheduler.get_run_history())`` raised what the ``repr`` of a job's value or error raised.

Cause: a dataclass writes its own ``repr``, which asks that of each field. Lists show what is in them by it.
"""

from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from tests.support.hostile import FAULTS, hostile, hostile_error

from turnkeeper_trio import After, Outcome, RecurringJobRequest, open_scheduler
from turnkeeper_trio._model.run import FailedAttempt
from turnkeeper_trio.events import Event
from turnkeeper_trio.jobs import JobSetEntry

pytestmark = pytest.mark.anyio


class Timid:
    """A schedule whose text raises."""

    def next_after(self, after: object) -> None:
        return None

    def __repr__(self) -> str:
        raise OSError("gone")


@pytest.mark.parametrize("fault", FAULTS)
async def test_it_shows_what_can_be_shown(fault: type[BaseException]) -> None:
    events: list[Event] = []

    async def gives(value: Any) -> Any:
        return value

    async def fails() -> None:
        raise hostile_error("__repr__", fault)

    observer = SimpleNamespace(on_run_finished=events.append)
    async with open_scheduler(max_workers=1, observers=[observer]) as scheduler:
        await scheduler.add_job(RecurringJobRequest("gives", After(0)), gives, hostile("__repr__", fault)())
        await scheduler.add_job(RecurringJobRequest("fails", After(0)), fails)
        await scheduler.add_job(RecurringJobRequest("never", Timid()), anyio.sleep, 1)
        await scheduler.wait_idle()
        history = await scheduler.get_run_history()
        jobs = [await scheduler.get_job_details(each.job_id) for each in await scheduler.list_all_jobs()]
    assert all(f"whose repr raises {fault.__name__}" in repr(record) for record in history)
    assert f"whose repr raises {fault.__name__}" in repr(events)
    assert "schedule=<Timid whose repr raises OSError>" in repr(jobs)
    assert repr(history[0]).startswith("RunRecord(run_id=")


async def test_it_is_as_that_of_a_dataclass() -> None:
    request = RecurringJobRequest("job", After(0), tags=("a",))
    assert repr(request).startswith("RecurringJobRequest(name='job', schedule=After(seconds=0), max_retries=0, ")
    assert repr(request).endswith("tags=('a',), on_crash=<OnCrash.RERUN: 'rerun'>, crash_limit=3)")
    assert "timeout_us" not in repr(request)


@pytest.mark.parametrize("fault", FAULTS)
async def test_so_do_the_values_that_are_no_records(fault: type[BaseException]) -> None:
    bad = hostile("__repr__", fault)()
    entry = JobSetEntry(RecurringJobRequest("job", After(0)), anyio.sleep, (bad,))
    assert f"args=<tuple whose repr raises {fault.__name__}>" in repr(entry)
    failed = FailedAttempt(1, Outcome.FAILED, hostile_error("__repr__", fault)(), 2.0)
    assert repr(failed).startswith("FailedAttempt(number=1, outcome=")
    assert f"whose repr raises {fault.__name__}>, elapsed=2.0)" in repr(failed)
