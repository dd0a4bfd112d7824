"""Opening a scheduler: each option is checked, and opening and leaving have no other effects."""

import random
from datetime import timedelta
from typing import Any

import anyio
import pytest

from turnkeeper_trio import (
    After,
    ConfigurationError,
    PriorityQueueType,
    RecurringJobRequest,
    SystemClock,
    VirtualClock,
    open_scheduler,
)

pytestmark = pytest.mark.anyio


class Deaf:
    """An observer without a method."""


class Storeless:
    """An object without the methods of a store."""


WRONG: list[tuple[str, list[Any]]] = [
    ("max_workers", [0, -1, 1.0, True, None, "4"]),
    ("priority_queue", ["handle_based", None, 1]),
    ("staging_buffer_size", [0, -1, 1.5, None]),
    ("command_buffer_size", [0, -1, 1.5, None]),
    ("job_dispatch_buffer_size", [-1, 0, 0.5, None, False]),
    ("shutdown_grace", [-1, float("nan"), float("-inf"), "5", timedelta(seconds=-1), True]),
    ("cleanup_grace", [-1, None, float("nan"), "5"]),
    ("clock", [3, object(), SystemClock, VirtualClock]),
    ("observers", [3, "on_run_finished", None, Deaf(), Deaf, [Deaf]]),
    ("history_limit", [-1, 1.0, None]),
    ("history_ttl", [-1, "5"]),
    ("history_per_job", [-1, 1.0, None]),
    ("rng", [3, random, random.Random]),
    ("store", [3, Storeless(), "sqlite:///"]),
]


@pytest.mark.parametrize(("option", "value"), [(name, value) for name, values in WRONG for value in values])
async def test_a_wrong_option_is_refused_by_its_name(option: str, value: Any) -> None:
    options = {"max_workers": 1} | {option: value}
    with pytest.raises(ConfigurationError, match=option) as refused:
        async with open_scheduler(**options):
            pytest.fail("it opened")
    assert refused.value.parameter == option
    assert isinstance(refused.value, ValueError)


async def test_max_workers_is_required() -> None:
    with pytest.raises(TypeError, match="max_workers"):
        open_scheduler()  # type: ignore[call-arg]


async def test_options_are_given_by_name() -> None:
    with pytest.raises(TypeError):
        open_scheduler(4)  # type: ignore[misc]


async def test_each_option_takes_its_right_values() -> None:
    async with open_scheduler(
        max_workers=2,
        priority_queue=PriorityQueueType.BINARY_HEAP,
        staging_buffer_size=1,
        command_buffer_size=1,
        job_dispatch_buffer_size=1,
        shutdown_grace=timedelta(seconds=5),
        cleanup_grace=timedelta(seconds=5),
        clock=VirtualClock(),
        observers=(observer for observer in [Deaf()]),
        history_limit=0,
        history_ttl=timedelta(hours=1),
        history_per_job=0,
        rng=random.Random(1),
        store=None,
    ) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", After(1)), anyio.sleep, 1)
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert record.attempts == 1


async def test_entering_is_a_checkpoint_that_opens_nothing_when_cancelled() -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with open_scheduler(max_workers=1):
            pytest.fail("it opened")
    assert scope.cancelled_caught


async def test_leaving_is_a_checkpoint() -> None:
    with anyio.CancelScope() as scope:
        async with open_scheduler(max_workers=1) as scheduler:
            scope.cancel()
        pytest.fail("it left")
    assert scope.cancelled_caught
    assert scheduler.shutdown_report is not None


async def test_a_scheduler_describes_itself() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.get_run_history()
        assert repr(scheduler) == "<Scheduler open, 0 jobs, 0 active>"
        job_id = await scheduler.add_job(RecurringJobRequest("job", After(0)), anyio.sleep, 5)
        await anyio.sleep(1)
        assert repr(scheduler) == "<Scheduler open, 1 jobs, 1 active>"
        await scheduler.wait_job(job_id)
    assert repr(scheduler) == "<Scheduler closed, 1 jobs, 0 active>"


async def test_two_schedulers_side_by_side_know_nothing_of_each_other() -> None:
    async with open_scheduler(max_workers=1) as one, open_scheduler(max_workers=1) as two:
        job_id = await one.add_job(RecurringJobRequest("job", After(1)), anyio.sleep, 1)
        await one.wait_job(job_id)
        assert one.get_metrics_snapshot().books.succeeded == 1
        assert two.get_metrics_snapshot().books.planned == 0


async def test_ten_schedulers_in_a_row_leave_nothing_behind() -> None:
    before = {task.id for task in anyio.get_running_tasks()}
    for _ in range(10):
        async with open_scheduler(max_workers=3) as scheduler:
            await scheduler.add_job(RecurringJobRequest("job", After(0)), anyio.sleep, 1)
    assert {task.id for task in anyio.get_running_tasks()} == before
