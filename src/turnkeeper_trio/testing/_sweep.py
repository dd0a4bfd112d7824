"""A scenario, run again and again in virtual time, and cancelled each time one step later.

A step is the resumption of a task, or a moment at which all tasks wait and time is about to jump.
Cancellation comes just before it. So all steps together visit every place where cancellation can arrive on
one schedule: in a task that waits, in one that is about to be given what it waited for, in one that has yet
to wait. Seeds add schedules.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, Literal, NoReturn, TypeVar, final

import anyio
import trio

from turnkeeper_trio.testing._loop import VirtualEventLoop
from turnkeeper_trio.testing._runs import Backend, seeded_schedule, virtual_options
from turnkeeper_trio.testing._tasks import AnyTask, alive, name, stack, trio_tasks

__all__ = ["SweepError", "cancel_sweep"]

S = TypeVar("S")

How = Literal["scope", "task"]


_PATIENCE: Final = 30 * 86_400.0
_NEVER: Final = 0  # a step that does not come: the first counts 1


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


def cancel_sweep(
    scenario: Callable[[S], Awaitable[object]],
    invariant: Callable[[S], object],
    *,
    state: Callable[[], S],
    backend: Backend = "trio",
    how: How = "scope",
    seed: object = 0,
    stride: int = 1,
    allow: type[BaseException] | tuple[type[BaseException], ...] = (),
    patience: float = _PATIENCE,
) -> int:
    """Run ``scenario(state())`` undisturbed, then cancel it at step 1, at step 2, ... as far as it has steps.

    Each run must end, by the cancellation or as if nothing had been, must leave no task alive that it
    started, and must then pass ``invariant(state)``, an ordinary function or an async one. A scenario that
    waits for a thread must hold time meanwhile, or is taken for one that hangs; the scheduler's own does.

    Args:
        scenario: The function under test. All that it shares with the invariant, it keeps in the state.
        invariant: Raises if the state is not as it must be.
        state: Makes the state of one run.
        backend: The kind of event loop.
        how: What is cancelled: ``"scope"``, an anyio scope around the scenario; ``"task"`` (asyncio only),
            the scenario's task, natively and once, as foreign asyncio code does.
        seed: Which of trio's schedules to take.
        stride: Cancel at every ``stride``-th step only, to save time.
        allow: Errors that may leave the scenario.
        patience: The virtual seconds that a run may take. Time jumps when nothing else can happen, so that
            this finds a run that hangs, whatever it waits for, without delay.

    Returns:
        How many steps the undisturbed run has.

    Raises:
        SweepError: Something was found.
    """
    if how == "task" and backend != "asyncio":
        msg = "only asyncio has native cancellation of tasks"
        raise ValueError(msg)
    step = _NEVER
    steps = 0
    while True:
        attempt = _Attempt(scenario, invariant, state(), allow=allow, patience=patience, how=how, step=step)
        problem = attempt.run(backend, seed)
        if problem is not None:
            error = SweepError(problem, backend=backend, how=how, seed=seed, step=step, where=attempt.where)
            raise error from attempt.cause
        if step == _NEVER:
            steps, step = attempt.steps, 1
        elif attempt.reached:
            step += stride
        else:
            return steps


class _Attempt(Generic[S]):
    """One run of the scenario."""

    def __init__(
        self,
        scenario: Callable[[S], Awaitable[object]],
        invariant: Callable[[S], object],
        state: S,
        *,
        allow: type[BaseException] | tuple[type[BaseException], ...],
        patience: float,
        how: How,
        step: int,
    ) -> None:
        self.scenario, self.invariant, self.state = scenario, invariant, state
        self.allow, self.patience, self.how, self.step = allow, patience, how, step
        self.steps = 0
        self.reached = False
        self.where = ""
        self.cause: BaseException | None = None
        self.problem: str | None = None
        self.strangers: set[int] = set()
        self.host: AnyTask | None = None
        self.cancel: Callable[[], object] | None = None

    def run(self, backend: Backend, seed: object) -> str | None:
        """Run it, and return what is wrong."""
        options = virtual_options(backend)
        main = self.on_trio if backend == "trio" else self.on_asyncio
        if backend == "trio":
            options["instruments"] = [_Steps(self)]
        else:
            options["loop_factory"] = self.watched_loop
        try:
            with seeded_schedule(seed):
                anyio.run(main, backend=backend, backend_options=options)
        except Exception as error:  # noqa: BLE001  (the finding is passed on)
            self.blame("the run broke", error)
        return self.problem

    def blame(self, problem: str, cause: BaseException | None = None) -> None:
        """Note what is wrong; the first finding counts, later ones follow from it."""
        if self.problem is None:
            self.problem, self.cause = problem, cause
            if cause is not None:
                self.problem += f": {type(cause).__name__}: {cause}"

    def watched_loop(self) -> VirtualEventLoop:
        """Make the loop of a run on asyncio."""
        loop = VirtualEventLoop()

        def before_call(handle: asyncio.Handle) -> None:
            owner: Any = getattr(getattr(handle, "_callback", None), "__self__", None)
            number = id(owner)
            if isinstance(owner, asyncio.Task) and not handle.cancelled():
                self.before_step(number)

        loop.watch(before_call, self.step_comes)
        return loop

    def before_step(self, task: int) -> None:
        """Count the step of a task, given by its id, unless it is none of the scenario's."""
        if task not in self.strangers:
            self.step_comes()

    def step_comes(self) -> None:
        """Count a step that is about to happen, and cancel before the one that was asked for."""
        if self.cancel is None or self.host is None:
            return
        self.steps += 1
        if self.steps == self.step:
            self.where = f"while the scenario stood at\n{stack(self.host)}"
            self.reached = self.cancel() is not False

    async def on_trio(self) -> None:
        """Be the main task of a run on trio."""
        trio.lowlevel.spawn_system_task(self.watch_trio)
        await self.scoped(trio.lowlevel.current_task())

    async def watch_trio(self) -> None:
        """Break a run that hangs: every task in it fails, shielded or not."""
        await trio.sleep(self.patience)
        stuck: list[Any] = [task for task in trio_tasks() if id(task) not in self.strangers]
        self.give_up(stuck)
        for task in stuck:
            task._attempt_abort(_hang)  # noqa: SLF001  (as Ctrl-C does: no public call passes a shield)

    async def on_asyncio(self) -> None:
        """Be the main task of a run on asyncio."""
        main: Any = asyncio.current_task()
        watch = asyncio.get_running_loop().call_later(self.patience, self.watch_asyncio)
        try:
            await (self.scoped(main) if self.how == "scope" else self.native())
        finally:
            watch.cancel()

    def watch_asyncio(self) -> None:
        """Break a run that hangs: stop the loop, and its runner will cancel every task, shielded or not."""
        self.give_up([task for task in asyncio.all_tasks() if id(task) not in self.strangers])
        asyncio.get_running_loop().stop()

    def give_up(self, stuck: list[Any]) -> None:
        """Note that the run hangs, and where."""
        self.blame(f"the run hangs: it has not ended after {self.patience:.0f} s of virtual time")
        self.where += "".join(f"\n{name(task)} waits at\n{stack(task)}" for task in stuck)
        self.cancel = None

    async def scoped(self, host: AnyTask) -> None:
        """Run the scenario in a scope, in this task."""
        before = set(alive())
        self.host, self.strangers = host, before - {id(host)}
        try:
            with anyio.CancelScope() as scope:
                self.cancel = scope.cancel
                await self.scenario(self.state)
        except self.allow:
            pass
        except Exception as error:  # noqa: BLE001  (the finding is passed on)
            self.blame("an error left the scenario", error)
        finally:
            self.cancel = None
        await self.conclude(before)

    async def native(self) -> None:
        """Run the scenario in a task of its own."""

        async def host() -> None:
            await self.scenario(self.state)

        before = self.strangers = set(alive())
        task = self.host = asyncio.get_running_loop().create_task(host(), name="the scenario")
        self.cancel = task.cancel
        await asyncio.wait({task})
        self.cancel = None
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, self.allow):
            self.blame("an error left the scenario", error)
        await self.conclude(before)

    async def conclude(self, before: set[int]) -> None:
        """Look for what is left beyond the tasks there were ``before``, and at the state."""
        left = [name for number, name in alive().items() if number not in before]
        if left:
            self.blame(f"still alive: {', '.join(sorted(left))}")
        try:
            verdict = self.invariant(self.state)
            if inspect.isawaitable(verdict):
                await verdict
        except Exception as error:  # noqa: BLE001  (the finding is passed on)
            self.blame("the invariant does not hold", error)


class _Steps(trio.abc.Instrument):
    """Tells a run on trio of each step."""

    def __init__(self, attempt: _Attempt[Any]) -> None:
        self._attempt = attempt
        self._scheduled = 0

    def task_scheduled(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002
        self._scheduled += 1

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._scheduled -= 1
        self._attempt.before_step(id(task))

    def before_io_wait(self, timeout: float) -> None:  # noqa: ARG002
        if not self._scheduled:
            self._attempt.step_comes()


def _hang() -> NoReturn:
    raise TimeoutError
