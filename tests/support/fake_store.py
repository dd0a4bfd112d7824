"""A store that a test can have refuse, wait, be unavailable or raise anything."""

import copy
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import anyio

from turnkeeper_trio.abc import (
    Batch,
    Claim,
    Claimed,
    JobChange,
    JobQuery,
    Opened,
    Refusal,
    RunImage,
    RunQuery,
    RunState,
    StoreCounts,
    StoredJob,
    StoredRun,
    StoreNode,
)
from turnkeeper_trio.errors import StoreUnavailable
from turnkeeper_trio.stores.memory import MemoryStore


class FakeStore:
    """Keeps rows as `MemoryStore` does, and fails as the test says."""

    def __init__(self, *, horizon: float = math.inf) -> None:
        self.rows = MemoryStore(horizon=horizon)
        self.refuse: Callable[[JobChange], str | None] = lambda change: None
        """Returns why a change is refused. From then on the job is a different scheduler's."""
        self.unavailable = False
        """Whether each method but those that open and close says that it is unavailable."""
        self.doubtful = False
        """Whether it is unavailable only after a batch was committed, so that nobody knows."""
        self.delays: defaultdict[str, float] = defaultdict(float)
        """How many seconds each method takes, by its name."""
        self.raises: dict[str, BaseException] = {}
        """What each method raises, by its name."""
        self.calls: Counter[str] = Counter()
        """How often each method was called, by its name."""
        self.batches: list[Batch] = []
        """The batches that were offered, also those that were offered again."""
        self.changes: list[JobChange] = []
        """The changes that were committed, in order."""
        self.claims: list[Claim] = []
        self.nodes: list[StoreNode] = []
        self.closed: list[bool] = []
        """Whether everything was committed, each time it was closed."""
        self._number = -1
        self._refusals: list[Refusal] = []

    @property
    def horizon(self) -> float:
        """As it was given."""
        return self.rows.horizon

    @property
    def delay(self) -> float:
        """How many seconds a commit takes."""
        return self.delays["apply"]

    @delay.setter
    def delay(self, seconds: float) -> None:
        self.delays["apply"] = seconds

    async def _enter(self, name: str) -> None:
        self.calls[name] += 1
        await anyio.sleep(self.delays[name])
        if name in self.raises:
            raise self.raises[name]
        if self.unavailable and name not in {"open", "close"}:
            raise StoreUnavailable("no route to the database")

    async def open(self, node: StoreNode, /) -> Opened:
        await self._enter("open")
        self._number = -1
        opened = await self.rows.open(node)
        self.nodes.append(node)
        return opened

    async def apply(self, batch: Batch, /) -> Sequence[Refusal]:
        self.batches.append(batch)
        await self._enter("apply")
        if batch.number > self._number:
            why = {change.change_id: self.refuse(change) for change in batch.changes}
            left = [change for change in batch.changes if why[change.change_id] is None]
            own = await self.rows.apply(Batch(batch.number, batch.at, left, batch.settings))
            self._refusals = [Refusal(change_id, text) for change_id, text in why.items() if text is not None]
            self._refusals += own
            refused = {refusal.change_id for refusal in self._refusals}
            self.changes += [change for change in left if change.change_id not in refused]
            self._number = batch.number
        if self.doubtful:
            raise StoreUnavailable("the answer was lost")
        return self._refusals

    async def claim(self, claim: Claim, /) -> Claimed:
        self.claims.append(claim)
        await self._enter("claim")
        return await self.rows.claim(claim)

    async def read_jobs(self, query: JobQuery, /) -> Sequence[StoredJob]:
        await self._enter("read_jobs")
        return await self.rows.read_jobs(query)

    async def read_runs(self, query: RunQuery, /) -> Sequence[StoredRun]:
        await self._enter("read_runs")
        return await self.rows.read_runs(query)

    async def read_upcoming(self, *, limit: int) -> Sequence[StoredJob]:
        await self._enter("read_upcoming")
        return await self.rows.read_upcoming(limit=limit)

    async def count(self) -> StoreCounts:
        await self._enter("count")
        return await self.rows.count()

    async def close(self, *, clean: bool) -> None:
        self.closed.append(clean)
        try:
            await self._enter("close")
        finally:
            await self.rows.close(clean=clean)

    # -- what a test asks

    def after_a_crash(self) -> "FakeStore":
        """Return the store as the next process finds it if this one dies now."""
        found = FakeStore(horizon=self.horizon)
        found.rows = copy.deepcopy(self.rows)
        found.rows._node = None
        return found

    def told(self) -> list[RunImage]:
        """Return the rows of runs that were committed, each as often as it was."""
        return [run for change in self.changes for run in change.runs]

    def states(self) -> list[RunState]:
        """Return their states."""
        return [run.state for run in self.told()]
