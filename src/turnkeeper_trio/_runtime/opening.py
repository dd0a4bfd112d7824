"""Opening a scheduler: the one ``async with`` block that owns every task, and the exception that leaves it."""

import random
from collections.abc import AsyncGenerator, Iterable
from datetime import timedelta
from typing import TypeGuard

import anyio
from anyio.lowlevel import checkpoint

from turnkeeper_trio import _validation
from turnkeeper_trio._engine.engine import Options
from turnkeeper_trio._model import deferred, guard
from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._model.times import seconds
from turnkeeper_trio._runtime.blocks import block
from turnkeeper_trio._runtime.clock import choose_clock
from turnkeeper_trio._runtime.hooks import attached
from turnkeeper_trio._runtime.runner import Runner
from turnkeeper_trio._runtime.scheduler import Scheduler
from turnkeeper_trio._runtime.signals import sigint_together
from turnkeeper_trio.abc import ArgumentCodec, Clock, Storable, Store
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.jobs import JobDefaults
from turnkeeper_trio.jobs._codec import checked_kinds
from turnkeeper_trio.jobs._defaults import Defaults
from turnkeeper_trio.jobs._stored_definition import DefinitionCodec
from turnkeeper_trio.policies import PriorityQueueType


@block
async def open_scheduler(
    *,
    max_workers: int,
    priority_queue: PriorityQueueType = PriorityQueueType.HANDLE_BASED,
    staging_buffer_size: int = 128,
    command_buffer_size: int = 128,
    job_dispatch_buffer_size: int = 1,
    shutdown_grace: float | timedelta | None = None,
    cleanup_grace: float | timedelta = 30.0,
    clock: Clock | None = None,
    observers: Iterable[object] = (),
    history_limit: int = 10_000,
    history_ttl: float | timedelta | None = None,
    history_per_job: int = 100,
    rng: random.Random | None = None,
    store: Store | None = None,
    store_timeout: float | timedelta = 10.0,
    job_defaults: JobDefaults | None = None,
    kinds: Iterable[type[Storable]] = (),
    codec: ArgumentCodec | None = None,
) -> AsyncGenerator[Scheduler]:
    """Open a scheduler for the time of an ``async with`` block.

    All tasks of the scheduler live inside the block. When the block has been left, none of them is alive.

    A scheduler does not wait for future occurrences when the block is left: they stay unrun, and the shutdown report
    counts them. It knows of no other process: if N processes open one scheduler each, with the same jobs in memory,
    each job runs N times. A ``store`` keeps jobs: what has not begun when the block is left goes on when a scheduler is
    opened with the store again.

    Args:
        max_workers: How many runs may execute at once.
        priority_queue: The kind of queue that holds the planned occurrences.
        staging_buffer_size: How many submissions may wait for the coordinator. Beyond that, `Scheduler.add_job` waits.
        command_buffer_size: How many commands and questions may wait for the coordinator. Beyond that, callers wait.
        job_dispatch_buffer_size: How many runs are assigned ahead, so that a worker begins the next run at once; at
            least 1.
        shutdown_grace: How long executing runs may go on when the block is left, in seconds or as a ``timedelta``:
            ``None`` or ``math.inf`` for as long as they take, 0 to cut them off at once.
        cleanup_grace: How long a run that was asked to end may take before it counts as stuck, in seconds or as a
            ``timedelta``; with ``math.inf`` it never does.
        clock: The clock that the scheduler reads. The default is a `VirtualClock` if the time of the event loop is
            virtual, else a `SystemClock`.
        observers: Objects with some of the methods ``on_job_added``, ``on_run_finished`` and so on, one for each kind
            of event. They are called synchronously, after the event happened, and must not block.
        history_limit: How many runs that ended are remembered. The same limit holds for the jobs that ended, and for
            the occurrences that did not run.
        history_ttl: How long they are remembered, in seconds or as a ``timedelta``; ``None`` or ``math.inf`` for no
            limit.
        history_per_job: How many runs of one job are remembered, and how many of its occurrences that did not run.
        rng: The source of chance for jitter. Give a seeded one to make tests repeatable.
        store: Where jobs are kept beyond this process; ``None`` for memory only.
        store_timeout: How long to wait for a store that is unavailable, in seconds or as a ``timedelta``: before
            `Scheduler.add_job` raises `StoreUnavailable`, and before the block is left with `StoreUnavailable` after
            the last run has ended.
        job_defaults: Values for fields that a request does not give, such as ``{"timeout": 30, "max_retries": 2}``.
            All fields of `RecurringJobRequest` are allowed except those that make a job what it is (its name, key,
            schedule and initial run). A value in the request, or in the defaults of a `JobSet`, takes precedence.
        kinds: Your own classes of schedules and retry policies, for a durable store: each a
            `~turnkeeper_trio.abc.Storable`, such as ``[OpeningHours]``.
        codec: How arguments of jobs that are no JSON values are written and read, for a durable store: an
            `~turnkeeper_trio.abc.ArgumentCodec`. ``None``: arguments are JSON values.

    When the block is left, the shutdown is graceful for ``shutdown_grace``, and then forced. An exception or a
    cancellation that passes through the block forces it at once. `Scheduler.shutdown_report` says afterwards what the
    shutdown did.

    Always one bare exception leaves the block: the scheduler puts no group around it. If there are several, the first
    in this order leaves. Each of the others becomes a note of it, and can be reached from it by causes and contexts:

    1. `InternalError`, from its cause: a fault of this library; or `StoreError`: the store failed, or it was still
       unavailable after ``store_timeout`` when the block was left;
    2. the ``KeyboardInterrupt`` or ``SystemExit`` that a job or an observer raised (the body is cancelled then), or the
       ``KeyboardInterrupt`` of a Ctrl-C that came while the block was being left;
    3. the exception of the body;
    4. `CriticalJobFailed`, from the exception of the job (the body is cancelled then);
    5. a cancellation, as a cancellation. It goes before an `InternalError` that only says that a task of the scheduler
       was cancelled.

    The failure of a job that is not critical never leaves the block.

    Entering and leaving are checkpoints.

    Raises:
        ConfigurationError: an option has a value that makes no sense; ``parameter`` names the option.
        StoreError: the store cannot be opened; a subclass says why.
    """
    grace = _validation.limit("shutdown_grace", shutdown_grace)
    definitions = _definitions(store, kinds, codec)
    options = Options(
        max_workers=_validation.integer("max_workers", max_workers, least=1),
        dispatch_buffer=_validation.integer("job_dispatch_buffer_size", job_dispatch_buffer_size, least=1),
        queue=_validation.member("priority_queue", priority_queue, PriorityQueueType),
        cleanup_grace=_validation.duration_or_inf("cleanup_grace", cleanup_grace),
        history_limit=_validation.integer("history_limit", history_limit, least=0),
        history_per_job=_validation.integer("history_per_job", history_per_job, least=0),
        history_ttl=_validation.limit("history_ttl", history_ttl),
        horizon=_horizon(store),
    )
    defaults = Defaults("job_defaults", job_defaults)
    await checkpoint()
    deferred.load()
    hooks = attached()
    runner = Runner(
        options,
        staging_size=_validation.integer("staging_buffer_size", staging_buffer_size, least=1),
        command_size=_validation.integer("command_buffer_size", command_buffer_size, least=1),
        shutdown_grace=None if grace is None else seconds(grace),
        clock=choose_clock(hooks.clock() if clock is None else clock),
        observers=hooks.observers(_observers(observers)),
        rng=_validation.instance("rng", hooks.rng() if rng is None else rng, random.Random, "a random.Random"),
        store=hooks.store(store),
        hooks=hooks,
        defaults=defaults,
        definitions=definitions,
        store_timeout=seconds(_validation.duration("store_timeout", store_timeout)),
    )
    await runner.open_store()
    hooks.opened(runner.scheduler)
    body_error: BaseException | None = None
    error: BaseException | None = None
    try:
        with sigint_together(), anyio.CancelScope() as host:
            try:
                async with anyio.create_task_group() as tasks:
                    runner.open(tasks, host)
                    try:
                        yield runner.scheduler
                    except BaseException as exc:  # noqa: BLE001, ASYNC103  (it leaves below, once everything has ended)
                        body_error = exc
                    interruption = await runner.wait_until_ended(host, failed=body_error is not None)
                    body_error = interruption if body_error is None else body_error
            except BaseExceptionGroup as struck:
                # The body's error is noted before; a Ctrl-C may strike any line of Python, and this time one of these.
                runner.abort(*guard.members(struck))
            except anyio.get_cancelled_exc_class() as exc:  # noqa: ASYNC103  (it leaves below)
                # The watcher let it through, or it came while the last tasks ended.
                body_error = exc if body_error is None else body_error
            finally:
                runner.close_streams()
                await runner.close_store()  # noqa: ASYNC102  (it is shielded)
            if body_error is not None:
                raise body_error  # noqa: TRY301  (the host scope removes its own cancellation, also from a group)
    except BaseException as exc:  # noqa: BLE001, ASYNC103  (it leaves below)
        error = exc
    if _is_cancellation(error):
        if not runner.ends_program:
            raise error  # A cancellation leaves as what it is, without a note.
        error = None
    leaving = _first(runner.internal_error, runner.fatal, error, runner.critical_failure)
    if leaving is not None:
        context = guard.context_of(leaving)
        try:
            raise leaving
        finally:
            # Python has set the exception that was being handled as the context. It is in a note already, or it is a
            # cancellation that is over.
            guard.replace_context(leaving, context)


def _definitions(store: object, kinds: Iterable[type[Storable]], codec: ArgumentCodec | None) -> DefinitionCodec | None:
    """Check the options about stores; return what writes definitions of jobs, or ``None`` if no store is durable."""
    own_kinds = checked_kinds("kinds", kinds)
    if codec is not None:
        _validation.instance("codec", codec, ArgumentCodec, "an object with methods dumps and loads")  # type: ignore[type-abstract]  # a protocol
    if store is None:
        return None
    expected = "an object with the methods of turnkeeper_trio.abc.Store, such as SQLiteStore('jobs.db')"
    _validation.instance("store", store, Store, expected)  # type: ignore[type-abstract]  # a protocol
    return DefinitionCodec(own_kinds, codec)


def _horizon(store: Store | None) -> int | None:
    """Return how long before it is due a job is claimed, in microseconds; ``None``: all jobs are claimed."""
    return None if store is None else _validation.limit("store.horizon", guard.attribute(store, "horizon", "nothing"))


def _is_cancellation(error: BaseException | None) -> TypeGuard[BaseException]:
    return guard.is_a(error, anyio.get_cancelled_exc_class())


def _first(*errors: BaseException | None) -> BaseException | None:
    """Return the first error. Each of the others becomes a note of it, and is shown before it."""
    first: BaseException | None = None
    for error in errors:
        if first is None:
            first = error
        elif error is not None and error is not first:
            guard.put_before(first, error)
            guard.add_note(first, f"besides, there was {guard.described(error)}")
    return first


def _observers(observers: object) -> tuple[object, ...]:
    several = _validation.several("observers", observers, "objects, such as [mine]")
    for observer in several:
        if guard.is_a(observer, type):
            message = f"observers must hold objects, not the class {guard.shown(observer)}"
            raise ConfigurationError(message, parameter="observers")
    return several


set_public_path(open_scheduler)
