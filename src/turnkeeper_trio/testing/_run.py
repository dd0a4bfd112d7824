"""`run`: an async function in virtual time, from a plain test, without any plugin."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple

import anyio

from turnkeeper_trio import _validation
from turnkeeper_trio._runtime.clock import VIRTUAL_START
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.testing._backends import Backend, born_virtual, seeded_schedule
from turnkeeper_trio.testing._faults import FaultPlan
from turnkeeper_trio.testing._harness import HORIZON, Session, Settings
from turnkeeper_trio.testing._log_lines import Local
from turnkeeper_trio.testing._virtual_time import Mode

__all__ = ["run"]


_T = TypeVar("_T")


_Ts = TypeVarTuple("_Ts")


def settings(
    *,
    start: datetime | str = VIRTUAL_START,
    timezone: str = "UTC",
    mode: Mode = "auto",
    horizon: timedelta = HORIZON,
    seed: int = 0,
    faults: FaultPlan | None = None,
) -> Settings:
    """Check what a test asks of its virtual time.

    Raises:
        ConfigurationError: a value makes no sense.
    """
    local = Local(timezone)
    if mode not in {"auto", "explicit"}:
        raise ConfigurationError(f"mode must be 'auto' or 'explicit', not {mode!r}", parameter="mode")
    _validation.instance("horizon", horizon, timedelta, "a timedelta")
    return Settings(
        start=local.instant("start", start),
        local=local,
        mode=mode,
        horizon=horizon,
        seed=seed,
        faults=FaultPlan() if faults is None else faults,
    )


def run(
    async_fn: Callable[[*_Ts], Awaitable[_T]],
    *args: *_Ts,
    start: datetime | str = VIRTUAL_START,
    timezone: str = "UTC",
    backend: Backend = "trio",
    seed: int = 0,
    mode: Mode = "auto",
    horizon: timedelta = HORIZON,
    faults: FaultPlan | None = None,
) -> _T:
    """Run ``async_fn(*args)`` on a fresh event loop in virtual time, and return what it returns.

    Every scheduler that is opened in it, in unchanged code too, goes by that time. When it has ended, the schedulers
    that ended are checked: that their books balance, and that no task of a job is left alive. The same arguments give
    the same trace, in any process.

    Args:
        async_fn: The function to run.
        *args: Its arguments.
        start: What the wall clock shows first: an instant, or a label in ``timezone``.
        timezone: The timezone of labels; inside, `current_scheduler_time` shows instants in it, too.
        backend: The kind of event loop.
        seed: Which of trio's schedules to take (asyncio has but one), and which jitter.
        mode: ``"auto"``: time passes whenever everything waits. ``"explicit"``: only where the test moves it.
        horizon: How long time may pass by itself before the test is taken to wait for what never comes.
        faults: Which calls of jobs, observers and stores are to fail.

    Raises:
        SchedulerTimeError: it waits for what never comes.
        AssertionError: a scheduler has not ended as it must.
        ConfigurationError: a parameter makes no sense.
    """
    session = Session(settings(start=start, timezone=timezone, mode=mode, horizon=horizon, seed=seed, faults=faults))

    async def guarded() -> _T:
        with session.harness.guarded():
            return await async_fn(*args)
        raise AssertionError  # pragma: no cover  (the guard swallows nothing)

    options: dict[str, Any] = {"debug": False} if backend == "asyncio" else {}
    with seeded_schedule(seed), born_virtual(session.bind):
        value = anyio.run(guarded, backend=backend, backend_options=options)
    session.settings.faults.assert_reached()
    return value
