"""How the floors sleep."""

import time

import anyio


async def rung(wakeup: anyio.Event, heap: list) -> None:
    """Wait until the bell is rung, or until the first entry of the heap is due; without one, no scope is made."""
    if not heap:
        await wakeup.wait()
    else:
        with anyio.CancelScope(deadline=anyio.current_time() + heap[0][0] - time.time()):
            await wakeup.wait()
