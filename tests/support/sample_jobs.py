"""A request and functions that are the same in many tests."""

import anyio

from turnkeeper_trio import After, RecurringJobRequest

NOW = RecurringJobRequest("now", After(0))
"""It is due as soon as it is accepted."""


async def nothing(*_: object, **__: object) -> None:
    """Take any arguments, and end at once."""


async def fail(after: float = 0) -> None:
    """Raise an error after some seconds."""
    await anyio.sleep(after)
    raise ValueError("no")


async def clean_up(seconds: float, ended: list[float] | None = None) -> None:
    """Go on until it is cancelled, clean up for some seconds whatever comes, and note the time at which it ended."""
    try:
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(seconds)
        if ended is not None:
            ended.append(anyio.current_time())
