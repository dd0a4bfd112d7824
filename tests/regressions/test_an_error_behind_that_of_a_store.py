"""The exception of the body was lost if the store was away when the block was left.

What leaves is a `StoreUnavailable`, raised from an error of the disk. The error of the body became the context of what
leaves only if that had none, and an error that is raised from another always has one: so there was nothing but a note,
without a traceback.
"""

import anyio
import pytest
from fake_store import FakeStore

from turnkeeper_trio import After, RecurringJobRequest, open_scheduler
from turnkeeper_trio._model import guard
from turnkeeper_trio.errors import StoreError, StoreUnavailable

pytestmark = pytest.mark.anyio


async def nothing() -> None:
    pass


def from_the_disk(kind: type[StoreError]) -> StoreError:
    try:
        try:
            raise OSError("no space left")
        except OSError as exc:
            raise kind("the store is away") from exc
    except StoreError as exc:
        return exc


@pytest.mark.parametrize("kind", [StoreUnavailable, StoreError])
async def test_the_error_of_the_body_is_reached_from_what_leaves(kind: type[StoreError]) -> None:
    store, mine = FakeStore(), ValueError("mine")
    with pytest.raises(kind) as left:
        async with open_scheduler(max_workers=1, store=store, store_timeout=1) as scheduler:
            scheduler.register("nothing", nothing)
            store.raises["apply"] = from_the_disk(kind)
            scheduler.try_add_job(RecurringJobRequest("job", After(0)), "nothing")
            try:
                await anyio.sleep(5)
            finally:
                raise mine
    disk = left.value.__cause__
    assert isinstance(disk, OSError)
    assert guard.is_in_chain(mine, disk)
    assert mine.__traceback__ is not None
    assert left.value.__notes__ == ["besides, there was ValueError: mine"]
