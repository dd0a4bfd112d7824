"""`cancel_sweep`: runs a scenario again and again in virtual time, and cancels it one step later each time.

A step is the resumption of a task, or a moment at which all tasks wait and time is about to jump. The cancellation
comes just before the step. So a sweep over all steps tries each place where a cancellation can arrive, for one order of
the tasks: in a task that waits, in a task that is about to get what it waits for, and in a task that does not wait yet.
Seeds give different orders.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, TypeVar, final, overload

from turnkeeper_trio._runtime.clock import VIRTUAL_START
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.testing._backends import Backend
from turnkeeper_trio.testing._cancel_sweep_run import NO_STATE, NO_STEP, How, SweepRun
from turnkeeper_trio.testing._harness import Session
from turnkeeper_trio.testing._run import settings

__all__ = ["SweepError", "cancel_sweep"]


S = TypeVar("S")


_PATIENCE: Final = 30 * 86_400.0  # 30 days, in seconds


@final
class SweepError(AssertionError):
    """A sweep has found an error. The message says at which step; the same seed and step find it again."""

    def __init__(self, problem: str, *, backend: Backend, how: How, seed: object, step: int, where: str) -> None:
        when = f"cancelled ({how}) at step {step}" if step else "not cancelled at all"
        super().__init__(f"{problem}\n{backend}, seed {seed!r}, {when}\n{where}".rstrip())
        self.backend = backend
        """The kind of event loop on which it was found."""
        self.how = how
        """What was cancelled: ``"scope"`` or ``"task"``, as in `cancel_sweep`."""
        self.seed = seed
        """The seed of the run."""
        self.step = step
        """The step before which the scenario was cancelled; 0 if the error is found without a cancellation."""


@overload
def cancel_sweep(
    scenario: Callable[[S], Awaitable[object]],
    invariant: Callable[[S], object],
    *,
    state: Callable[[], S],
    backend: Backend | None = ...,
    how: How = ...,
    seed: int = ...,
    start: datetime | str = ...,
    timezone: str = ...,
    stride: int = ...,
    allow: type[BaseException] | tuple[type[BaseException], ...] = ...,
    patience: float = ...,
) -> int: ...


@overload
def cancel_sweep(
    scenario: Callable[[], Awaitable[object]],
    invariant: Callable[[], object] = ...,
    *,
    backend: Backend | None = ...,
    how: How = ...,
    seed: int = ...,
    start: datetime | str = ...,
    timezone: str = ...,
    stride: int = ...,
    allow: type[BaseException] | tuple[type[BaseException], ...] = ...,
    patience: float = ...,
) -> int: ...


def cancel_sweep(
    scenario: Callable[..., Awaitable[object]],
    invariant: Callable[..., object] = lambda: None,
    *,
    state: Callable[[], Any] | None = None,
    backend: Backend | None = None,
    how: How = "scope",
    seed: int = 0,
    start: datetime | str = VIRTUAL_START,
    timezone: str = "UTC",
    stride: int = 1,
    allow: type[BaseException] | tuple[type[BaseException], ...] = (),
    patience: float = _PATIENCE,
) -> int:
    """Run ``scenario(state())`` without a cancellation; then again, cancelled at step 1, at step 2, and so on.

    Each run must end, by the cancellation or as if there were none. It must leave no task alive that it started, and
    the books of each scheduler that it opened must balance. Then ``invariant(state)`` must pass. A scenario that waits
    for a thread must hold time while it waits, because it seems to hang otherwise; a scheduler does this for its jobs.

    Args:
        scenario: The async function under test. Everything that it shares with the invariant is in the state.
        invariant: Raises if the state is wrong; a plain or an async function.
        state: Makes the state of one run. Without it, both functions are called without arguments.
        backend: The kind of event loop; if it is not given, first trio, then asyncio.
        how: What is cancelled. With ``"scope"``, an anyio scope around the scenario; with ``"task"`` (asyncio only),
            the scenario's task, natively and once, as asyncio code without anyio does.
        seed: Chooses the order in which trio runs tasks (asyncio has only one order), and the jitter.
        start: The wall time at the beginning: an instant, or a label in ``timezone``.
        timezone: The timezone of labels.
        stride: Cancel only at every ``stride``-th step, to save time.
        allow: The errors that may leave the scenario.
        patience: The virtual seconds that a run may take. A run that hangs, whatever it waits for, is found without
            delay, because time jumps when nothing else can happen.

    Returns:
        The number of steps of a run without a cancellation; if no back end was chosen, the sum of both.

    Raises:
        SweepError: An error was found.
        ConfigurationError: ``how="task"`` on trio, or a parameter makes no sense.
    """
    if how == "task" and backend == "trio":
        raise ConfigurationError("how='task' is for asyncio: only asyncio has native cancellation", parameter="how")
    backends: tuple[Backend, ...] = ("trio", "asyncio") if how == "scope" else ("asyncio",)
    asked = settings(start=start, timezone=timezone, seed=seed)
    make_state = (lambda: NO_STATE) if state is None else state

    def sweep_one(backend: Backend) -> int:
        step, steps = NO_STEP, 0
        while True:
            sweep_run = SweepRun(
                scenario,
                invariant,
                make_state(),
                session=Session(asked),
                allow=allow,
                patience=patience,
                how=how,
                step=step,
            )
            problem = sweep_run.run(backend, seed)
            if problem is not None:
                error = SweepError(problem, backend=backend, how=how, seed=seed, step=step, where=sweep_run.where)
                raise error from sweep_run.cause
            if step == NO_STEP:
                steps, step = sweep_run.steps, 1
            elif sweep_run.reached:
                step += stride
            else:
                return steps

    return sum(sweep_one(each) for each in ((backend,) if backend else backends))
