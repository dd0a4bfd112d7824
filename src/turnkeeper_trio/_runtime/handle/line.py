"""The line from the handle to the coordinator, which all facets share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Concatenate, Final, NoReturn, ParamSpec, TypeVar, final
from uuid import UUID

import anyio
from anyio.lowlevel import checkpoint

from turnkeeper_trio._engine.control import job_id_of
from turnkeeper_trio._engine.engine import Engine
from turnkeeper_trio._engine.intake import Submission
from turnkeeper_trio._engine.now import Now
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.waiting import Wait
from turnkeeper_trio._runtime.callers import Callers
from turnkeeper_trio._runtime.commands import Command, Reply
from turnkeeper_trio._runtime.context import CURRENT_RUN, RunContext, current_run
from turnkeeper_trio._runtime.coordinator import Coordinator
from turnkeeper_trio._runtime.functions import Functions
from turnkeeper_trio._runtime.place import Place
from turnkeeper_trio._runtime.streams import Inlet
from turnkeeper_trio._runtime.telling import Teller
from turnkeeper_trio.abc import Clock, Store
from turnkeeper_trio.errors import SchedulerClosed, TurnKeeperError, WouldDeadlock
from turnkeeper_trio.jobs.defaults import Defaults

P = ParamSpec("P")
R = TypeVar("R")

Decision = Callable[Concatenate[State, Now, P], "Wait | TurnKeeperError | R"]
"""A function of the engine's ring: it decides at once, or says what its answer waits for; an error is raised."""


@final
@dataclass(frozen=True, slots=True)
class Parts:
    """What the handle talks to."""

    engine: Engine
    place: Place
    clock: Clock
    read: Callable[[], Now]
    coordinator: Coordinator
    staging: Inlet[Submission]
    commands: Inlet[Command]
    callers: Callers
    functions: Functions
    new_id: Callable[[], UUID]
    teller: Teller
    store: Store | None
    shutdown_grace: float | None
    defaults: Defaults


class Line:
    """The way to the coordinator."""

    def __init__(self, parts: Parts) -> None:
        """Make a handle of these parts; `open_scheduler` does."""
        self._parts: Final = parts
        self._rejected = 0

    async def _ask(self, decide: "Decision[P, R]", /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Ask for a decision that changes nothing; after the end it is answered from the final state."""
        answer: R = await self._send(decide, args, kwargs, changes=False)
        return answer

    async def _command(self, decide: "Decision[P, R]", /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Ask for a decision that changes something; after the end it is refused."""
        answer: R = await self._send(decide, args, kwargs, changes=True)
        return answer

    async def _send(self, decide: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, changes: bool) -> Any:
        parts = self._parts
        parts.place.check()
        reply = Reply()
        command = Command(decide, args, kwargs, reply=reply, after=parts.staging.sent, changes=changes)
        try:
            await parts.commands.put(command)
        except anyio.ClosedResourceError:
            await checkpoint()
            reply.answer(parts.callers.answer_after_end(command, parts.coordinator.last_turn))
        return await reply.get()

    def _own_run(self) -> RunContext | None:
        """Return the run of this scheduler that the calling code belongs to, while it is being executed."""
        self._parts.place.check()
        run = CURRENT_RUN.get(None)
        return run if run is not None and run.host is self and run.executing else None

    def _refuse_inside_job(self, what: str) -> None:
        run = self._own_run()
        if run is not None:
            raise WouldDeadlock(
                f"{what} was called from inside the job {run.name!r}, and would wait for that job to end"
            )

    def _refuse_own_run(self, run_id: UUID) -> None:
        run = self._own_run()
        if run is not None and run.run_id == run_id:
            raise WouldDeadlock(f"the job {run.name!r} would wait for its own run to end")

    def _is_own_job(self, job: UUID | str) -> bool:
        run = self._own_run()
        return run is not None and run.job_id == job_id_of(self._parts.engine.state, job)

    def _refuse_own_job(self, job: UUID | str) -> None:
        if self._is_own_job(job):
            raise WouldDeadlock(f"the job {current_run().name!r} would wait for itself to end")

    def _refuse_only_worker(self, what: str) -> None:
        """A job that holds the only worker, and waits for another run, waits for ever."""
        run = self._own_run()
        if run is not None and self._parts.engine.state.options.max_workers == 1:
            raise WouldDeadlock(f"{what} was called from inside the job {run.name!r}, which holds the only worker")

    def _closed(self, **submission: Any) -> NoReturn:
        raise SchedulerClosed("the scheduler is shutting down or has ended: it takes nothing new", **submission)
