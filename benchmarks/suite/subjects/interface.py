"""What a case may ask of a subject."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

TIMEOUT = 60.0
"""Seconds a run may take: given to every subject that knows timeouts, and never reached."""

YIELD_EVERY = 128
"""A subject whose submission never waits lets others run after so many: as often as a full staging stream does."""

Job = Callable[[], Awaitable[None]]


class Opened(Protocol):
    """A scheduler that runs. What a subject cannot do raises `NotImplementedError`."""

    def submitter(
        self, job: Job, *, at: float | None = None, every: float | None = None
    ) -> Callable[[], Awaitable[Any]]:
        """Return what submits ``job`` once each time it is called and awaited, and returns the id.

        Args:
            job: What is to run.
            at: The instant at which it is due, as wall time; ``None`` for now.
            every: Run it again after so many seconds, for ever; ``None`` for once.
        """
        ...

    async def settle(self) -> None:
        """Wait until the outcome of every run that has ended is in the books."""
        ...


class Changeable(Opened, Protocol):
    """One whose pending jobs can be cancelled and changed."""

    async def cancel(self, job_id: Any) -> None:
        """Cancel a pending job."""
        ...

    async def update(self, job_id: Any) -> None:
        """Put a pending job off by a minute."""
        ...
