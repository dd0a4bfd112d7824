"""The keeper: it carries between the engine and a store, in the task of the coordinator.

What the engine decided is committed, and jobs that are due soon or that somebody named are claimed. The engine decides
about all of it, and the store only keeps it.
"""

import logging
import os
import platform
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast, final
from uuid import UUID, uuid4

import anyio
from anyio.lowlevel import checkpoint

from turnkeeper_trio._engine.engine import Engine, LoadedJob, Submission
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.kept import record_of_row
from turnkeeper_trio._model.run import Outcome, RunRecord
from turnkeeper_trio._model.stored import (
    Batch,
    Claim,
    Claimed,
    JobChange,
    JobQuery,
    Refusal,
    RunQuery,
    StoredJob,
    StoredRun,
    StoreNode,
)
from turnkeeper_trio._model.times import MICROSECONDS, Now
from turnkeeper_trio._runtime.clock import time_is_virtual
from turnkeeper_trio._runtime.commands import CommandQueue, Needs, Reply, is_native
from turnkeeper_trio._runtime.functions import Functions
from turnkeeper_trio._runtime.logs import write
from turnkeeper_trio.abc import Store
from turnkeeper_trio.errors import ConfigurationError, SchedulerClosed, StoreError, StoreUnavailable, TurnKeeperError
from turnkeeper_trio.jobs import JobSummary
from turnkeeper_trio.jobs._stored_definition import DefinitionCodec
from turnkeeper_trio.jobs.details import summary_of_row

FIRST_RETRY: Final = 0.2
LONGEST_RETRY: Final = 5.0
"""Seconds after which a batch is offered again to a store that was unavailable: at first, and at most."""

RETRY_AT_SHUTDOWN: Final = 0.5
"""The same at most during a shutdown: nobody says when the last body has ended, after which it is not waited for."""

CLAIMED_AT_ONCE: Final = 500
"""How many due jobs are claimed in one turn: some milliseconds of work, so that other tasks run."""

T = TypeVar("T")


@final
class StoreKeeper:
    """Commits what the engine decided, and claims jobs for it."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        functions: Functions,
        definitions: DefinitionCodec,
        *,
        horizon: int | None,
        timeout: float,
        refuse: Callable[[StoreUnavailable], None],
    ) -> None:
        """Make it.

        Args:
            store: What keeps the jobs.
            engine: What decides about them.
            functions: The functions that are registered.
            definitions: What reads the definitions of jobs.
            horizon: How long before it is due a job is claimed, in microseconds; ``None``: at once.
            timeout: Seconds after which callers that submitted jobs do not wait any longer for an unavailable store.
            refuse: Answers these callers.
        """
        self.store: Final = store
        self._timeout = timeout
        self._refuse = refuse
        self._engine = engine
        self._functions = functions
        self._definitions = definitions
        self._batch = 0
        self._known: frozenset[str] = frozenset()
        """The names of functions for which jobs were claimed last."""
        self._claim_at: int | None = 0
        """The wall time at which to claim jobs that are due soon; ``None``: no other job has anything to do."""
        self._horizon = _ALL if horizon is None else min(horizon, _ALL)
        self._unreadable: set[UUID] = set()
        """Jobs that are claimed, but of which the definition cannot be read here."""
        self._closed = False
        self._longest_retry = LONGEST_RETRY
        self._hurry: anyio.Event | None = None
        self.unavailable: StoreUnavailable | None = None
        """Why the store cannot commit now, if it cannot."""
        self._forced: bool | None = None
        """Whether the shutdown is forced; ``None`` before a shutdown."""
        self._given_up_at: float | None = None
        """The loop time after which an unavailable store is not waited for any longer."""

    async def open(self, now: Now, version: str) -> None:
        """Open the store, and go on where the scheduler before ended.

        Raises:
            StoreError: it cannot be opened.
            ConfigurationError: an option of it makes no sense.
        """
        node = StoreNode(
            node_id=uuid4(),
            host=platform.node(),
            pid=os.getpid(),
            version=version,
            at=now.wall,
            inline=time_is_virtual(),
        )
        try:
            opened = await self._call(self.store.open, node)
        except StoreError as exc:
            if type(exc.__cause__) is ConfigurationError:
                raise exc.__cause__ from None
            raise
        _, fault = guard.call(self._engine.resume, opened)
        if fault is not None:
            await self.close(clean=False)
            raise StoreError(f"the store cannot be read: {guard.described(fault)}") from fault
        for warning in opened.warnings:
            write(logging.WARNING, "the store says: %s", warning)

    def hurry(self, *, forced: bool) -> None:
        """Look at once, and then often, whether an unavailable store is still waited for: the shutdown has begun."""
        self._forced = forced
        self._longest_retry = RETRY_AT_SHUTDOWN
        if self._hurry is not None:
            self._hurry.set()

    def _waits_no_longer(self) -> bool:
        """Return whether an unavailable store is not waited for any longer: all bodies have ended some time ago."""
        if self._forced is None or any(attempt.scope is not None for attempt in self._engine.assigned):
            self._given_up_at = None
            return False
        now = anyio.current_time()
        if self._given_up_at is None:
            self._given_up_at = now + self._timeout
        return self._forced or now >= self._given_up_at

    async def close(self, *, clean: bool) -> None:
        """Close the store. Nothing is read of it from now on."""
        self._closed = True
        await self._call(self.store.close, clean=clean)

    @property
    def next_claim(self) -> int | None:
        """The wall time at which jobs are to be claimed, as far as it is known."""
        return 0 if self._functions.names != self._known else self._claim_at

    def clock_stepped(self) -> None:
        """Ask the store again which jobs are due soon: an instant that was chosen by the clock before may be far."""
        self._claim_at = None if self._claim_at is None else 0

    async def claim_due(self, now: Now) -> None:
        """Claim the jobs that are due soon, if it is time for that."""
        at = self.next_claim
        if at is None or at > now.wall:
            return  # noqa: ASYNC910  (part of the coordinator's task)
        known = self._functions.names
        if known != self._known:
            self._known = known  # Before the claim: if that fails, the next one comes later, and not at once.
            self._engine.resolve(known)
        claim = Claim(now=now.wall, until=now.wall + self._horizon, limit=CLAIMED_AT_ONCE, targets=known)
        try:
            claimed = await self._call(self.store.claim, claim)
        except StoreUnavailable as exc:
            self._is_unavailable(exc)
            self._claim_at = now.wall + round(LONGEST_RETRY * MICROSECONDS)
            return  # noqa: ASYNC910  (part of the coordinator's task)
        self._is_available()
        self._admit(now, claimed.jobs)
        if len(claimed.jobs) >= CLAIMED_AT_ONCE:
            self._claim_at = now.wall
        else:
            # Not sooner than after half of the horizon, so that jobs that come one after the other come together.
            at = claimed.next_at
            self._claim_at = None if at is None else max(at - self._horizon, now.wall + self._horizon // 2)
        self._engine.note_elsewhere(elsewhere=self._claim_at is not None)

    async def load(self, now: Now, needs: Needs) -> tuple[Mapping[UUID, StoredRun], TurnKeeperError | None]:
        """Claim what a command needs; return the rows of the runs that it names, and why it cannot be carried out."""
        if not self._unreadable.isdisjoint(needs.job_ids):
            return {}, ConfigurationError(UNREADABLE)  # noqa: ASYNC910  (part of the coordinator's task)
        self._engine.let_go(needs.job_ids)
        claim = Claim(
            now=now.wall,
            targets=self._known,
            job_ids=needs.job_ids,
            run_ids=needs.run_ids,
            job_sets=needs.job_sets,
        )
        try:
            claimed = await self._call(self.store.claim, claim)
        except StoreUnavailable as exc:
            self._is_unavailable(exc)
            return {}, exc  # noqa: ASYNC910  (part of the coordinator's task)
        self._is_available()
        self._take_over(now, claimed)
        return claimed.runs, None

    async def load_keys(self, now: Now, submissions: Iterable[Submission]) -> None:  # noqa: ASYNC910  (mostly none)
        """Claim the jobs that have the keys of jobs that were submitted, so that the engine decides about both.

        Raises:
            StoreUnavailable: it was not waited for any longer.
            StoreError: the store failed in a different way.
        """
        keys = [each.job_id for each in submissions if each.request.key is not None]
        missing = tuple(job_id for job_id in keys if not self._engine.knows(job_id))
        if missing:
            self._engine.let_go(missing)
            claim = Claim(now=now.wall, targets=self._known, job_ids=missing)
            self._take_over(now, await self.until_available(self.store.claim, claim))

    async def load_for_commands(self, now: Now, queue: CommandQueue) -> None:  # noqa: ASYNC910  (mostly none)
        """Claim what commands need; each is carried out in the next turn, or answered why it cannot be."""
        commands, queue.to_load = queue.to_load, []
        for command in commands:
            assert command.needs is not None
            found, fault = await self.load(now, command.needs)
            if fault is None:
                queue.loaded(command, found)
            else:
                self._engine.answer(command.reply, fault)

    def _take_over(self, now: Now, claimed: Claimed) -> None:
        """Admit jobs that were named. The last that had something to do elsewhere may be among them."""
        self._admit(now, claimed.jobs)
        if claimed.jobs and self._claim_at is not None:
            at = claimed.next_at
            self._claim_at = None if at is None else max(at - self._horizon, self._claim_at)
            self._engine.note_elsewhere(elsewhere=self._claim_at is not None)

    def _admit(self, now: Now, jobs: Iterable[StoredJob]) -> None:
        for stored in jobs:
            loaded, fault = guard.call(self.read, stored)
            if loaded is not None:
                self._engine.admit(now, loaded)
                continue
            assert fault is not None
            self._unreadable.add(stored.job_id)
            why = guard.text(fault)
            write(logging.ERROR, "the job %r of the store cannot be read, and waits: %s", stored.definition.name, why)

    def read(self, stored: StoredJob) -> LoadedJob:
        """Read the definition of a job."""
        definition = self._definitions.decode(stored.definition.text)
        request, target = definition.request, stored.definition.target
        schedule = self._definitions.read_bound(request.schedule, stored.definition.bound)
        resolved = target in self._functions.names
        return LoadedJob(stored, request, schedule, target, definition.args, definition.kwargs or None, resolved)

    async def commit(self, now: Now) -> None:  # noqa: ASYNC910  (part of the coordinator's task)
        """Have the store commit what was decided since the last call.

        While the store is unavailable, the same batch is offered again and again.

        Raises:
            StoreUnavailable: it was not waited for any longer. It is unknown whether the batch was committed.
            StoreError: the store failed in a different way.
        """
        changes, settings = self._engine.take_changes(now), self._engine.take_settings()
        refusals: Sequence[Refusal] = ()
        if changes or settings:
            self._batch += 1
            batch = Batch(self._batch, now.wall, changes, settings)
            try:
                refusals = await self.until_available(self.store.apply, batch)
            except BaseException:
                self._engine.give_up(changes)
                raise
        refusals = [self._explained(each, changes) for each in refusals]
        self._engine.settle(now, refusals)
        for change in changes:
            self._note_release(change)

    def _explained(self, refusal: Refusal, changes: Iterable[JobChange]) -> Refusal:
        job_id = next((change.job_id for change in changes if change.change_id == refusal.change_id), None)
        return Refusal(refusal.change_id, UNREADABLE) if job_id in self._unreadable else refusal

    async def until_available(self, method: Callable[..., Awaitable[T]], argument: object) -> T:
        """Call the store; while it is unavailable, again and again."""
        delay, away_since = FIRST_RETRY, anyio.current_time()
        while True:
            try:
                result = await self._call(method, argument)
            except StoreUnavailable as exc:
                away = self._is_unavailable(exc)
                if self._waits_no_longer():
                    raise
            else:
                self._is_available()
                return result
            if (left := away_since + self._timeout - anyio.current_time()) <= 0:
                left = LONGEST_RETRY
                self._refuse(away)
            self._hurry = anyio.Event()
            # Shielded, because the deadline of the coordinator's sleep may pass, and the batch would be lost.
            with anyio.move_on_after(min(delay, left), shield=True):
                await self._hurry.wait()
            delay = min(2 * delay, self._longest_retry)

    def _is_available(self) -> None:
        if self.unavailable is not None:
            self.unavailable = None
            write(logging.INFO, "the store is available again")

    def _note_release(self, change: JobChange) -> None:
        image = change.image
        if change.release and image is not None and image.wake_at is not None:
            at = image.wake_at - self._horizon
            self._claim_at = at if self._claim_at is None else min(self._claim_at, at)
            self._engine.note_elsewhere(elsewhere=True)

    def _is_unavailable(self, exc: StoreUnavailable) -> StoreUnavailable:
        if self.unavailable is None:
            write(logging.WARNING, "the store is unavailable: %s; it is tried again and again", guard.text(exc))
        self.unavailable = exc
        return exc

    async def _call(self, method: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Call the store. A call is never cut off, because nobody would know then what was done."""
        result: T | None = None
        with anyio.CancelScope(shield=True):
            try:
                result = await method(*args, **kwargs)
            except StoreError:
                raise
            except Exception as exc:
                message = f"the store failed: {guard.described(exc)}"
                raise StoreError(message) from exc
        return cast("T", result)

    async def _read(self, method: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Call a method of the store that only reads.

        Raises:
            SchedulerClosed: the store is closed.
        """
        if self._closed:
            await checkpoint()
            raise SchedulerClosed("the scheduler has ended, and its store is closed")
        return await self._call(method, *args, **kwargs)

    # In the tasks of callers -----------------------------------------------------------------------------

    async def until_committed(self, reply: Reply) -> None:
        """Wait until a submission is answered: when the store has committed it.

        A commit takes milliseconds, and cannot be taken back. So a cancellation waits for it, unless the store is
        unavailable.

        Raises:
            StoreUnavailable: it was unavailable for too long.
        """
        try:
            await reply.until_answered()
        except anyio.get_cancelled_exc_class() as exc:  # noqa: ASYNC103  (it comes again at the next checkpoint)
            await self._finish(reply)  # noqa: ASYNC102  (it is shielded, and bounded where the store is away)
            if reply.open or is_native(exc):
                reply.give_up()
                raise
        reply.result()

    async def _finish(self, reply: Reply) -> None:  # noqa: ASYNC910  (the answer may be there)
        """Wait for the answer, while the store is not unavailable."""
        while reply.open and self.unavailable is None:
            with anyio.move_on_after(COMMIT_TAKES, shield=True):
                await reply.until_answered()

    async def list_jobs(
        self, states: Collection[JobState] | None, tags: Collection[str] | None, after: int, limit: int
    ) -> list[JobSummary]:
        """Return jobs in the order of submission, as the store keeps them."""
        query = JobQuery(
            states=None if states is None else frozenset(states),
            tags=None if tags is None else frozenset(tags),
            after=after,
            limit=limit,
        )
        return [summary_of_row(stored) for stored in await self._read(self.store.read_jobs, query)]

    async def history(
        self, job_id: UUID | None, since: int | None, outcomes: Collection[Outcome] | None, limit: int
    ) -> list[RunRecord]:
        """Return the records of runs that have ended, the newest first, as the store keeps them."""
        query = RunQuery(
            job_id=job_id, outcomes=None if outcomes is None else frozenset(outcomes), since=since, limit=limit
        )
        return [record_of_row(stored) for stored in await self._read(self.store.read_runs, query)]

    async def upcoming(self, limit: int) -> list[LoadedJob]:
        """Return the jobs that nobody has claimed and that come next."""
        jobs: list[LoadedJob] = []
        for stored in await self._read(self.store.read_upcoming, limit=limit):
            loaded, _ = guard.call(self.read, stored)
            if loaded is not None:
                jobs.append(loaded)
        return jobs


UNREADABLE: Final = "the definition of the job that is in the store cannot be read here; the log says why"

COMMIT_TAKES: Final = 0.5
"""Seconds for which a commit is waited for before it is asked whether the store is unavailable."""


_ALL: Final = 100 * 365 * 86400 * MICROSECONDS
"""A horizon behind which nothing is planned."""
