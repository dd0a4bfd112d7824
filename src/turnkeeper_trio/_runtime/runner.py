"""The runner: it makes the parts of one open scheduler, starts its tasks, and waits for their end.

The tasks live in the task group around the body. The coordinator and the workers are shielded, so they always reach
their own end. A cancellation from outside reaches the body, and the watcher, which is not shielded and has the
coordinator cut off the runs. So no exception but that of the body leaves the task group.
"""

import logging
import random
import time
from collections.abc import Callable, Iterable
from contextvars import copy_context
from importlib.metadata import version
from typing import Final, final

import anyio
from anyio.abc import TaskGroup

from turnkeeper_trio._engine.engine import Engine, Options, Submission
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.ids import TimeOrderedIds
from turnkeeper_trio._runtime.affinity import Affinity
from turnkeeper_trio._runtime.clock import BoundClock
from turnkeeper_trio._runtime.commands import Command, CommandQueue, internal_error, is_native
from turnkeeper_trio._runtime.completer import Completer
from turnkeeper_trio._runtime.coordinator import Coordinator
from turnkeeper_trio._runtime.dispatcher import Dispatcher
from turnkeeper_trio._runtime.functions import Functions
from turnkeeper_trio._runtime.hooks import TestHooks
from turnkeeper_trio._runtime.inbox import Inbox, Wakeup
from turnkeeper_trio._runtime.keeper import StoreKeeper
from turnkeeper_trio._runtime.logs import write
from turnkeeper_trio._runtime.loops import asyncio, defer_ctrl_c, in_trio, is_cancellation
from turnkeeper_trio._runtime.publisher import EventPublisher
from turnkeeper_trio._runtime.run_context import Completing
from turnkeeper_trio._runtime.scheduler import Parts, Scheduler
from turnkeeper_trio._runtime.signals import sigint_forces
from turnkeeper_trio._runtime.worker import Worker
from turnkeeper_trio._runtime.worker_pool import WorkerPool, first_steps, start
from turnkeeper_trio.abc import Clock, Store, TransactionalStore
from turnkeeper_trio.errors import CriticalJobFailed, InternalError, StoreError
from turnkeeper_trio.jobs._defaults import Defaults
from turnkeeper_trio.jobs._stored_definition import DefinitionCodec


@final
class Runner:
    """The parts and the tasks of one open scheduler."""

    def __init__(
        self,
        options: Options,
        *,
        staging_size: int,
        command_size: int,
        shutdown_grace: float | None,
        clock: Clock,
        observers: Iterable[object],
        rng: random.Random,
        store: Store | None,
        hooks: TestHooks,
        defaults: Defaults,
        definitions: DefinitionCodec | None,
        store_timeout: float,
    ) -> None:
        """Make the parts. No task runs yet."""
        wakeup, functions, bound, new_id = Wakeup(), Functions(), BoundClock(clock), TimeOrderedIds(time.time_ns)
        self._options = options
        self._grace = shutdown_grace
        """Seconds."""
        self._context = copy_context()
        """The context in which the scheduler was opened: jobs run in copies of it."""
        self._affinity = Affinity()
        self._engine: Final = Engine(options, new_id=new_id, rng=rng, definitions=definitions)
        self._staging: Inbox[Submission] = Inbox(staging_size, wakeup)
        self._commands: Inbox[Command] = Inbox(command_size, wakeup)
        publisher = EventPublisher(observers)
        self._dispatcher = Dispatcher(
            max_workers=options.max_workers,
            dispatch_buffer=options.dispatch_buffer,
            clock=bound,
            wakeup=wakeup,
            functions=functions,
            hooks=hooks,
        )
        command_queue = CommandQueue(self._engine, self._commands, loads=store is not None)
        self._clock = bound
        self._keeper: StoreKeeper | None = None
        self._complete: Completing | None = None
        if store is not None:
            assert definitions is not None
            self._keeper = StoreKeeper(
                store,
                self._engine,
                functions,
                definitions,
                horizon=options.horizon,
                timeout=store_timeout,
                refuse=command_queue.refuse_submissions,
            )
            functions.on_register = wakeup.wake
        self._coordinator = Coordinator(
            self._engine,
            clock=bound,
            wakeup=wakeup,
            dispatcher=self._dispatcher,
            staging=self._staging,
            command_queue=command_queue,
            publisher=publisher,
            keeper=self._keeper,
        )
        if self._keeper is not None and isinstance(store, TransactionalStore):
            completer = Completer(self._engine, self._keeper, store, command_queue, wakeup)
            self._coordinator.completer, self._complete = completer, completer.complete
        self.scheduler: Final = Scheduler(
            Parts(
                engine=self._engine,
                affinity=self._affinity,
                clock=clock,
                read=bound.read,
                coordinator=self._coordinator,
                staging=self._staging,
                commands=self._commands,
                command_queue=command_queue,
                functions=functions,
                new_id=new_id,
                publisher=publisher,
                keeper=self._keeper,
                definitions=definitions,
                shutdown_grace=shutdown_grace,
                defaults=defaults,
            )
        )
        self._watching = anyio.CancelScope()
        """The scope in which the watcher sleeps: cancelled when all else has ended."""
        self._watcher_begun = False
        """Whether the watcher's task has taken its first step."""
        self._drop_coordinator: Callable[[], None]
        self._drop_watcher: Callable[[], None]
        self._pool = WorkerPool(self._dispatcher, self._make_worker, self._coordinator.abort)

    def open(self, tasks: TaskGroup, body: anyio.CancelScope) -> None:
        """Start the tasks. ``body`` is the scope of the body, which is cancelled when the program is to end."""
        defer_ctrl_c(Runner._watch)
        self._coordinator.body = body
        self._drop_coordinator = start(tasks, self._coordinator.run(), "turnkeeper coordinator")
        self._pool.open(tasks, self._options.max_workers)
        self._drop_watcher = start(tasks, self._watch(), "turnkeeper watcher")

    def _make_worker(self) -> Worker:
        return Worker(self._dispatcher, self._engine, self._context, self.scheduler, self._complete)

    async def _watch(self) -> None:  # noqa: ASYNC910  (it sleeps for ever, unless it is cancelled)
        """Force the shutdown at a cancellation from outside, also while the body is shielded or does not await."""
        self._watcher_begun = True
        if not in_trio():
            # The watcher is started last, so each of the other tasks has had time for its first step.
            self._check_started()
        with self._watching:
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class() as exc:  # noqa: ASYNC103  (natively, it is a fault)
                if not is_native(exc):
                    raise
                self._coordinator.abort(exc)  # If it passed, it would cancel the body, and the cause would be lost.
            finally:
                if not self._watching.cancel_called:
                    self._coordinator.close(forced=True)

    def _check_started(self) -> None:
        """Abort if a task never begins, because it was cancelled natively before its first step.

        To be called when each task has had time for its first step.
        """
        if not self._coordinator.begun:
            self._drop_coordinator()
            self._coordinator.abort(asyncio.CancelledError())
            self._coordinator.end()
        self._pool.check_started()
        if not self._watcher_begun:
            self._drop_watcher()
            self._coordinator.abort(asyncio.CancelledError())

    async def wait_until_ended(self, host: anyio.CancelScope, *, failed: bool) -> BaseException | None:
        """Shut down, and wait for the end, whatever happens. Return a cancellation that came meanwhile.

        On trio, a Ctrl-C is raised in the main task wherever it waits, also if it is protected or shielded: so it may
        be raised here. Then it ends the program, as one that a job raises does. If it left this call, the task group
        would put it into an exception group.
        """
        with sigint_forces(self._interrupted):
            return await self._wait_until_ended(host, failed=failed)

    def abort(self, *errors: BaseException) -> None:
        """What is not of the body's has struck while the block was being left: a Ctrl-C, or what must not happen."""
        for error in errors:
            if not is_cancellation(error):  # The watcher's, which passes on one from outside.
                self._coordinator.abort(error)

    def _interrupted(self, interrupt: KeyboardInterrupt | None) -> None:
        coordinator = self._coordinator
        coordinator.fatal = interrupt if coordinator.fatal is None else coordinator.fatal
        coordinator.close(forced=True)

    async def _wait_until_ended(self, host: anyio.CancelScope, *, failed: bool) -> BaseException | None:
        coordinator = self._coordinator
        coordinator.close(forced=failed)
        cancelled: BaseException | None = None
        if not in_trio() and not (self._coordinator.begun and self._pool.all_begun and self._watcher_begun):
            cancelled = await first_steps() or cancelled
            self._check_started()
        if not failed:
            try:
                with anyio.move_on_after(self._grace):
                    await coordinator.ended.wait()
                coordinator.close(forced=not coordinator.ended.is_set())
                await coordinator.ended.wait()
            except anyio.get_cancelled_exc_class() as exc:  # noqa: ASYNC103  (it leaves the block, later)
                cancelled = exc
            except KeyboardInterrupt as exc:
                coordinator.fatal = exc
        host.shield = True
        over = False
        while not over:
            if not coordinator.ended.is_set():
                coordinator.close(forced=True)
            with anyio.CancelScope(shield=True):
                try:
                    await coordinator.ended.wait()
                    await self._affinity.finish_calls()
                    over = True
                except anyio.get_cancelled_exc_class() as exc:  # noqa: ASYNC103  (it leaves the block, later)
                    # Only a native cancellation of asyncio passes the shields. The shutdown is forced already.
                    cancelled = exc
                except KeyboardInterrupt as exc:
                    coordinator.fatal = exc
        self._watching.cancel()
        return cancelled  # noqa: ASYNC910  (leaving the task group is one)

    def close_streams(self) -> None:
        """Take what is left in the streams, and close them. To be called when no task is left.

        Synchronous, so that it is never left half done.
        """
        self._coordinator.finish()
        self._staging.release()
        self._commands.release()
        self._dispatcher.release()
        self._affinity.mark_left()

    @property
    def ends_program(self) -> bool:
        """Whether an error that ends the program goes before a cancellation of the body.

        The `InternalError` for a cancelled task of the scheduler does not: probably every task of the loop was
        cancelled, and then the task with the block ends by its own cancellation.
        """
        coordinator = self._coordinator
        fatal = coordinator.fatal is not None or coordinator.critical is not None
        return fatal or (coordinator.crash is not None and not is_cancellation(coordinator.crash))

    @property
    def internal_error(self) -> InternalError | StoreError | None:
        """The error for what ended the coordinator before its time."""
        cause = self._coordinator.crash
        if cause is None or isinstance(cause, StoreError):
            return cause
        return internal_error(cause)

    async def open_store(self) -> None:  # noqa: ASYNC910  (there may be no store)
        """Open the store, if there is one. If that fails, close the streams.

        Raises:
            StoreError: it cannot be opened.
            ConfigurationError: an option of it makes no sense.
        """
        if self._keeper is None:
            return  # noqa: ASYNC910  (there may be no store)
        try:
            await self._keeper.open(self._clock.read(), version("turnkeeper-trio"))
        except BaseException:
            self.close_streams()
            raise

    async def close_store(self) -> None:  # noqa: ASYNC910  (there may be no store)
        """Close the store. What it raises is logged: everything that was promised is committed."""
        if self._keeper is None:
            return  # noqa: ASYNC910  (there may be no store)
        try:
            await self._keeper.close(clean=self._coordinator.crash is None)
        except StoreError as exc:
            write(logging.ERROR, "the store could not be closed: %s", guard.text(exc))

    @property
    def fatal(self) -> BaseException | None:
        """The ``KeyboardInterrupt`` or ``SystemExit`` that a job or an observer raised, or that of a Ctrl-C."""
        return self._coordinator.fatal

    @property
    def critical_failure(self) -> CriticalJobFailed | None:
        """The failure of a critical job, from the job's exception."""
        record = self._coordinator.critical
        if record is None:
            return None
        error = CriticalJobFailed(record)
        error.__cause__ = record.error
        return error
