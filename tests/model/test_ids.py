"""Ids: they begin with the time, and are never the same from two sources."""

import os
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from uuid import RFC_4122, UUID

import anyio
import pytest

from turnkeeper_trio import After, RecurringJobRequest, open_scheduler
from turnkeeper_trio._model.ids import TimeOrderedIds
from turnkeeper_trio.testing import run

MANY = 10_000


def test_they_are_uuids_of_version_7():
    new_id = TimeOrderedIds(time.time_ns)
    for _ in range(MANY):
        made = new_id()
        assert type(made) is UUID
        assert made.version == 7
        assert made.variant == RFC_4122


def test_they_begin_with_the_milliseconds_since_the_epoch():
    new_id = TimeOrderedIds(time.time_ns)
    before = time.time_ns() // 1_000_000
    made = [new_id().int >> 80 for _ in range(MANY)]
    assert made == sorted(made)
    assert before <= made[0]
    assert made[-1] <= time.time_ns() // 1_000_000


def test_no_two_are_the_same_and_none_of_another_source():
    sources = [TimeOrderedIds(time.time_ns) for _ in range(10)]
    assert len({source() for source in sources for _ in range(MANY)}) == 10 * MANY


def test_every_bit_behind_the_time_that_is_free_varies():
    new_id, ones, zeros = TimeOrderedIds(time.time_ns), 0, 0
    for _ in range(1_000):
        made = new_id().int
        ones |= made
        zeros |= ~made
    fixed = ~(ones & zeros) & ((1 << 80) - 1)
    assert fixed == (0xF << 76) | (0b11 << 62)


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_jobs_and_runs_of_schedulers_in_one_process_have_ids_of_their_own(backend):
    """The same seed of a test gives the same trace, but never the same ids."""
    ids: list[UUID] = []

    async def main():
        async with AsyncExitStack() as stack:
            for _ in range(3):
                scheduler = await stack.enter_async_context(open_scheduler(max_workers=1))
                for _ in range(20):
                    job_id = await scheduler.add_job(RecurringJobRequest("job", After(1)), anyio.sleep, 0)
                    record = await scheduler.wait_job(job_id)
                    ids.extend((job_id, record.run_id))

    for _ in range(2):
        run(main, backend=backend, seed=1)
    assert len(set(ids)) == len(ids) == 240
    assert {each.version for each in ids} == {7}


def ids_of_the_child(make: Callable[[], list[UUID]]) -> list[UUID]:
    """Return what ``make`` returns in a forked process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover  (in the other process)
        try:
            os.write(writing, b"".join(each.bytes for each in make()))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    return [UUID(bytes=data[at : at + 16]) for at in range(0, len(data), 16)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_that_opens_its_own_scheduler_makes_other_ids():
    """The generator is seeded by the system when a scheduler opens, and is not the one that ``random`` shares."""
    TimeOrderedIds(time.time_ns)

    def make() -> list[UUID]:
        new_id = TimeOrderedIds(time.time_ns)
        return [new_id() for _ in range(100)]

    of_child, of_parent = ids_of_the_child(make), make()
    assert len(of_child) == 100
    assert not set(of_child) & set(of_parent)
