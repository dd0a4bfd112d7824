"""The suite's own fixtures: both back ends, virtual time unless told otherwise, no mixing of plugins."""

import asyncio
import threading
import time

import anyio
import anyio.to_thread
import pytest
import sniffio
import trio
import trio.testing
from back_ends import TRIO
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.anyio


async def test_virtual_time_is_the_default(anyio_backend_name: str) -> None:
    before = time.monotonic()
    assert sniffio.current_async_library() == anyio_backend_name
    assert anyio.current_time() < 1
    await anyio.sleep(86_400)
    assert time.monotonic() - before < 10


async def test_each_test_has_a_fresh_clock() -> None:
    assert anyio.current_time() < 1


@pytest.mark.real_time
async def test_real_time_on_demand(anyio_backend_name: str) -> None:
    before = time.monotonic()
    await anyio.sleep(0.01)
    assert time.monotonic() - before >= 0.009
    if anyio_backend_name == "asyncio":
        assert not getattr(asyncio.get_running_loop(), "is_virtual", False)
    else:
        assert not isinstance(trio.lowlevel.current_clock(), trio.testing.MockClock)


@TRIO
async def test_one_back_end_only() -> None:
    assert sniffio.current_async_library() == "trio"


async def an_async_fixture_value() -> str:
    await anyio.sleep(3600)
    return "value"


@pytest.fixture
async def value() -> str:
    return await an_async_fixture_value()


async def test_async_fixtures_share_the_loop_of_the_test(value: str) -> None:
    assert value == "value"
    assert anyio.current_time() == 3600


@given(delay=st.floats(0.5, 1e6))
async def test_each_example_of_hypothesis_runs_in_virtual_time(delay: float) -> None:
    before = anyio.current_time()
    await anyio.sleep(delay)
    assert anyio.current_time() - before == pytest.approx(delay)


async def test_a_thread_can_be_waited_for() -> None:
    def work() -> int:
        time.sleep(0.001)
        return threading.get_ident()

    assert await anyio.to_thread.run_sync(work) != threading.get_ident()


def test_a_plain_test_is_left_alone(request: pytest.FixtureRequest) -> None:
    """It is run once, outside of any event loop."""
    assert not hasattr(request.node, "callspec")
    assert "anyio_backend" not in request.fixturenames
    with pytest.raises(sniffio.AsyncLibraryNotFoundError):
        sniffio.current_async_library()
