"""`SweepRun`: one run of a scenario in virtual time, which is cancelled before one of its steps."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, NoReturn

import anyio
import trio

from turnkeeper_trio.testing._asyncio_loop import VirtualEventLoop
from turnkeeper_trio.testing._backends import Backend, seeded_schedule, virtual_options
from turnkeeper_trio.testing._harness import Session
from turnkeeper_trio.testing._task_inspection import AnyTask, alive, name, stack, trio_tasks

How = Literal["scope", "task"]
"""What is cancelled: an anyio scope around the scenario, or the scenario's task, natively."""


NO_STATE: Final = object()
"""Stands for the state of a scenario that takes none."""


NO_STEP: Final = 0
"""A step that never comes, because the first step is 1."""


class SweepRun:
    """One run of the scenario. `cancel_sweep` documents the arguments; ``step`` is the step before which to cancel."""

    def __init__(
        self,
        scenario: Callable[..., Awaitable[object]],
        invariant: Callable[..., object],
        state: object,
        *,
        session: Session,
        allow: type[BaseException] | tuple[type[BaseException], ...],
        patience: float,
        how: How,
        step: int,
    ) -> None:
        self.args = () if state is NO_STATE else (state,)
        self.scenario, self.invariant, self.session = scenario, invariant, session
        self.allow, self.patience, self.how, self.step = allow, patience, how, step
        self.steps = 0
        """The number of steps so far."""
        self.reached = False
        """Whether the scenario has been cancelled."""
        self.where = ""
        """Where the scenario, or each task of a run that hangs, was suspended."""
        self.cause: BaseException | None = None
        """The error behind the problem."""
        self.problem: str | None = None
        """What is wrong, in words."""
        self.foreign_tasks: set[int] = set()
        """The ids of the tasks that are not the scenario's."""
        self.host: AnyTask | None = None
        """The task in which the scenario runs."""
        self.cancel: Callable[[], object] | None = None
        """Cancels the scenario; ``None`` while there is nothing to cancel."""

    def run(self, backend: Backend, seed: object) -> str | None:
        """Run the scenario, and return what is wrong, or ``None``."""
        options = virtual_options(backend)
        main = self.on_trio if backend == "trio" else self.on_asyncio
        if backend == "trio":
            options["instruments"] = [_Steps(self)]
            self.session.bind(options["clock"])
        else:
            options["loop_factory"] = self.watched_loop
        try:
            with seeded_schedule(seed):
                anyio.run(main, backend=backend, backend_options=options)
        except Exception as error:  # noqa: BLE001  (it becomes the problem)
            self.blame("the run broke", error)
        return self.problem

    def blame(self, problem: str, cause: BaseException | None = None) -> None:
        """Note what is wrong. Only the first problem is kept, because later ones may follow from it."""
        if self.problem is None:
            self.problem, self.cause = problem, cause
            if cause is not None:
                self.problem += f": {type(cause).__name__}: {cause}"

    def watched_loop(self) -> VirtualEventLoop:
        """Make the event loop of a run on asyncio."""
        loop = VirtualEventLoop()
        self.session.bind(loop)

        def before_call(handle: asyncio.Handle) -> None:
            owner: Any = getattr(getattr(handle, "_callback", None), "__self__", None)
            number = id(owner)
            if isinstance(owner, asyncio.Task) and not handle.cancelled():
                self.before_step(number)

        loop.watch(before_call, self.step_comes)
        return loop

    def before_step(self, task: int) -> None:
        """Count the step of a task, given by its id, if the task is the scenario's."""
        if task not in self.foreign_tasks:
            self.step_comes()

    def step_comes(self) -> None:
        """Count a step that is about to happen; cancel the scenario if it is the step that was asked for."""
        if self.cancel is None or self.host is None:
            return
        self.steps += 1
        if self.steps == self.step:
            self.where = f"while the scenario stood at\n{stack(self.host)}"
            self.reached = self.cancel() is not False

    async def on_trio(self) -> None:
        """Run the scenario on trio: this is the main task."""
        trio.lowlevel.spawn_system_task(self.watch_trio)
        await self.scoped(trio.lowlevel.current_task())

    async def watch_trio(self) -> None:
        """End a run that hangs, after ``patience``: each of its tasks fails, even if it is shielded."""
        await trio.sleep(self.patience)
        stuck: list[Any] = [task for task in trio_tasks() if id(task) not in self.foreign_tasks]
        self.give_up(stuck)
        for task in stuck:
            task._attempt_abort(_hang)  # noqa: SLF001  (as Ctrl-C does; nothing public reaches a shielded task)

    async def on_asyncio(self) -> None:
        """Run the scenario on asyncio: this is the main task."""
        main: Any = asyncio.current_task()
        watch = asyncio.get_running_loop().call_later(self.patience, self.watch_asyncio)
        try:
            await (self.scoped(main) if self.how == "scope" else self.native())
        finally:
            watch.cancel()

    def watch_asyncio(self) -> None:
        """End a run that hangs: when the loop stops, its runner cancels each task, even if it is shielded."""
        self.give_up([task for task in asyncio.all_tasks() if id(task) not in self.foreign_tasks])
        asyncio.get_running_loop().stop()

    def give_up(self, stuck: list[Any]) -> None:
        """Note that the run hangs, and where its tasks are suspended."""
        self.blame(f"the run hangs: it has not ended after {self.patience:.0f} s of virtual time")
        self.where += "".join(f"\n{name(task)} waits at\n{stack(task)}" for task in stuck)
        self.cancel = None

    async def scoped(self, host: AnyTask) -> None:
        """Run the scenario in this task, ``host``, within a scope."""
        before = set(alive())
        self.host, self.foreign_tasks = host, before - {id(host)}
        try:
            with anyio.CancelScope() as scope:
                self.cancel = scope.cancel
                await self.scenario(*self.args)
        except self.allow:
            pass
        except Exception as error:  # noqa: BLE001  (it becomes the problem)
            self.blame("an error left the scenario", error)
        finally:
            self.cancel = None
        await self.check_end(before)

    async def native(self) -> None:
        """Run the scenario in a new task, which can be cancelled natively."""

        async def host() -> None:
            await self.scenario(*self.args)

        before = self.foreign_tasks = set(alive())
        task = self.host = asyncio.get_running_loop().create_task(host(), name="the scenario")
        self.cancel = task.cancel
        await asyncio.wait({task})
        self.cancel = None
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, self.allow):
            self.blame("an error left the scenario", error)
        await self.check_end(before)

    async def check_end(self, before: set[int]) -> None:
        """Check what the scenario leaves: no task but those that were alive ``before``, its schedulers, its state."""
        left = [name for number, name in alive().items() if number not in before]
        if left:
            self.blame(f"still alive: {', '.join(sorted(left))}")
        try:
            self.session.harness.check_ended()
        except AssertionError as error:
            self.blame("a scheduler has not ended as it must", error)
        try:
            verdict = self.invariant(*self.args)
            if inspect.isawaitable(verdict):
                await verdict
        except Exception as error:  # noqa: BLE001  (it becomes the problem)
            self.blame("the invariant does not hold", error)


class _Steps(trio.abc.Instrument):
    """Reports each step of a run on trio to its `SweepRun`."""

    def __init__(self, sweep_run: SweepRun) -> None:
        self._sweep_run = sweep_run
        self._scheduled = 0  # the number of tasks that are ready

    def task_scheduled(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002  (trio's signature)
        self._scheduled += 1

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._scheduled -= 1
        self._sweep_run.before_step(id(task))

    def before_io_wait(self, timeout: float) -> None:  # noqa: ARG002  (trio's signature)
        if not self._scheduled:
            self._sweep_run.step_comes()


def _hang() -> NoReturn:
    """Raise, in a task that hangs."""
    raise TimeoutError
