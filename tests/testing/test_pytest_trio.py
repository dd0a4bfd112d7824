"""pytest-trio's tests are pytest-trio's, with its own clock; anyio's plugin keeps away from them."""

import anyio
import pytest
import trio


@pytest.mark.trio
async def test_autojump_clock(autojump_clock: trio.testing.MockClock) -> None:
    await anyio.sleep(86_400)
    assert trio.current_time() == autojump_clock.current_time() == 86_400
