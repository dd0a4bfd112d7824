"""What the tests of the runtime share."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from turnkeeper_trio import SystemClock, VirtualClock
from turnkeeper_trio._model.change import Change, ChangeKind, Refusal
from turnkeeper_trio.errors import StoreUnavailable


class FakeWall:
    """`SystemClock`, but the test sets the wall time: it steps, and the time of the event loop does not."""

    def __init__(self) -> None:
        self.start = round(datetime(2024, 6, 1, 12, tzinfo=UTC).timestamp() * 1_000_000)
        self.sleeps: list[float] = []

    def wall(self) -> int:
        return self.start + self.loop()

    def loop(self) -> int:
        return VirtualClock().loop()

    def deadline(self, wall: int, /) -> float:
        deadline = SystemClock.deadline(self, wall)  # type: ignore[arg-type]
        self.sleeps.append(deadline - anyio.current_time())
        return deadline

    def hold(self) -> AbstractContextManager[object]:
        return VirtualClock().hold()

    def step(self, seconds: float) -> None:
        self.start += round(seconds * 1_000_000)


class FakeStore:
    """Keeps the changes it was given, and refuses, delays or is unavailable as the test says."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.refused: set[ChangeKind] = set()
        self.unavailable = False
        self.delay = 0.0
        self.calls = 0

    async def apply(self, changes: Sequence[Change], /) -> Sequence[Refusal]:
        self.calls += 1
        await anyio.sleep(self.delay)
        if self.unavailable:
            raise StoreUnavailable("no route to the database")
        refusals = [Refusal(change.change_id, "not ours") for change in changes if change.kind in self.refused]
        ids = {refusal.change_id for refusal in refusals}
        self.changes += [change for change in changes if change.change_id not in ids]
        return refusals

    def kinds(self) -> list[str]:
        return [change.kind.value for change in self.changes]


class Heard:
    """An observer that keeps all events."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("on_"):
            return self.events.append
        raise AttributeError(name)

    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.events]

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def wall() -> FakeWall:
    return FakeWall()


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def heard() -> Heard:
    return Heard()
