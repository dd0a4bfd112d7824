"""A scenario, run again and again in virtual time, and cancelled each time one step later.

A step is the resumption of a task, or a moment at which all tasks wait and time is about to jump.
Cancellation comes just before it. So all steps together visit every place where cancellation can arrive on
one schedule: in a task that waits, in one that is about to be given what it waited for, in one that has yet
to wait. Seeds add schedules.
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


_PATIENCE: Final = 30 * 86_400.0


@final
class SweepError(AssertionError):
    """What a sweep found, and where: the same seed and step find it again."""

    def __init__(self, problem: str, *, backend: Backend, how: How, seed: object, step: int, where: str) -> None:
        """Describe a finding."""
        when = f"cancelled ({how}) at step {step}" if step else "not cancelled at all"
        super().__init__(f"{problem}\n{backend}, seed {seed!r}, {when}\n{where}".rstrip())
        self.backend = backend
        """The event loop on which it happened."""
        self.how = how
        """What was cancelled: the scope around the scenario, or its native task."""
        self.seed = seed
        """The seed of the schedule."""
        self.step = step
        """The step before which cancellation came; 0 if it happens without any."""


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
    """Run ``scenario(state())`` undisturbed, then cancel it at step 1, at step 2, ... as far as it has steps.

    Each run must end, by the cancellation or as if nothing had been; must leave no task alive that it
    started; the books of each scheduler that was opened in it must balance; and then ``invariant(state)``
    must pass. A scenario that waits for a thread must hold time meanwhile, or is taken for one that hangs; a
    scheduler does for its jobs.

    Args:
        scenario: The function under test. All that it shares with the invariant, it keeps in the state.
        invariant: Raises if the state is not as it must be; an ordinary function or an async one.
        state: Makes the state of one run. Without it, both functions are called without arguments.
        backend: The kind of event loop; both, one after the other, if not given.
        how: What is cancelled: ``"scope"``, an anyio scope around the scenario; ``"task"`` (asyncio only),
            the scenario's task, natively and once, as foreign asyncio code does.
        seed: Which of trio's schedules to take, and which jitter.
        start: What the wall clock shows first: an instant, or a label in ``timezone``.
        timezone: The timezone of labels.
        stride: Cancel at every ``stride``-th step only, to save time.
        allow: Errors that may leave the scenario.
        patience: The virtual seconds that a run may take. Time jumps when nothing else can happen, so that
            this finds a run that hangs, whatever it waits for, without delay.

    Returns:
        How many steps the undisturbed run has; on both back ends together, if none was chosen.

    Raises:
        SweepError: Something was found.
        ConfigurationError: ``how="task"`` on trio, or another parameter makes no sense.
    """
    if how == "task" and backend == "trio":
        raise ConfigurationError("how='task' is for asyncio: only asyncio has native cancellation", parameter="how")
    backends: tuple[Backend, ...] = ("trio", "asyncio") if how == "scope" else ("asyncio",)
    asked = settings(start=start, timezone=timezone, seed=seed)
    make_state = (lambda: NO_STATE) if state is None else state

    def sweep_one(backend: Backend) -> int:
        step, steps = NO_STEP, 0
        while True:
            attempt = SweepRun(
                scenario,
                invariant,
                make_state(),
                session=Session(asked),
                allow=allow,
                patience=patience,
                how=how,
                step=step,
            )
            problem = attempt.run(backend, seed)
            if problem is not None:
                error = SweepError(problem, backend=backend, how=how, seed=seed, step=step, where=attempt.where)
                raise error from attempt.cause
            if step == NO_STEP:
                steps, step = attempt.steps, 1
            elif attempt.reached:
                step += stride
            else:
                return steps

    return sum(sweep_one(each) for each in ((backend,) if backend else backends))
