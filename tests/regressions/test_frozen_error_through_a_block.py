"""An exception that is a frozen dataclass, raised in the body of a block of ours: ``FrozenInstanceError`` left instead.

Cause: the blocks were made by `contextlib.asynccontextmanager`, which writes ``__traceback__`` to the error that leaves
by the error's own ``__setattr__``.
"""

import traceback
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from tests.support.hostile import FAULTS, METHODS, hostile_error

from turnkeeper_trio import Interval, RecurringJobRequest, Scheduler, open_scheduler
from turnkeeper_trio._runtime.blocks import block as make_block

pytestmark = pytest.mark.anyio

Block = Callable[[Scheduler], AbstractAsyncContextManager[Any]]
BLOCKS: dict[str, Block] = {
    "open_scheduler": lambda _: open_scheduler(max_workers=1),
    "scheduled": lambda scheduler: scheduler.scheduled(RecurringJobRequest("job", Interval(seconds=9)), anyio.sleep, 1),
    "paused": lambda scheduler: scheduler.paused(),
    "events": lambda scheduler: scheduler.events(),
}
blocks = pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)


@dataclass(frozen=True)
class NotFound(Exception):
    status: int


async def raised_through(block: Block, error: BaseException) -> BaseException:
    """Return what leaves a block in whose body ``error`` is raised."""
    async with open_scheduler(max_workers=1) as scheduler:
        try:
            async with block(scheduler):
                raise error
        except BaseException as exc:
            return exc
    raise AssertionError("nothing left")


@blocks
async def test_it_leaves_as_what_it_is(block: Block) -> None:
    error = NotFound(404)
    assert await raised_through(block, error) is error
    assert traceback.extract_tb(error.__traceback__)[-1].line == "raise error"


@blocks
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("method", METHODS)
async def test_so_does_one_whose_methods_raise(block: Block, method: str, fault: type[BaseException]) -> None:
    error = hostile_error(method, fault)()
    assert await raised_through(block, error) is error


@blocks
@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration, RuntimeError, GeneratorExit])
async def test_so_does_one_that_means_something_to_a_generator(block: Block, kind: type[BaseException]) -> None:
    error = kind("of the body")
    assert await raised_through(block, error) is error


@blocks
async def test_a_block_is_entered_once(block: Block) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        once = block(scheduler)
        async with once:
            pass
        with pytest.raises(RuntimeError, match="cannot be entered again"):
            await once.__aenter__()


async def test_what_has_two_steps_is_no_block() -> None:
    async def twice() -> AsyncGenerator[int]:
        yield 1
        yield 2

    steps = twice()
    with pytest.raises(RuntimeError, match="one yield"):
        async with make_block(lambda: steps)():
            await anyio.lowlevel.checkpoint()
    await steps.aclose()
