"""A store that a test can have refuse, wait or be unavailable."""

from collections.abc import Sequence

import anyio
from turnkeeper_trio._model.change import Change, ChangeKind, Refusal

from turnkeeper_trio.errors import StoreUnavailable


class FakeStore:
    """Keeps the changes it was given, and refuses, delays or is unavailable as the test says."""

    def __init__(self, *, durable: bool = False) -> None:
        self.durable = durable
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
