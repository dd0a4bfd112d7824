"""`run`: runs an async function in virtual time, from a plain test function, without a plugin."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple

import anyio

from turnkeeper_trio import _validation
from turnkeeper_trio._runtime.clock import VIRTUAL_START
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.testing._backends import Backend, seeded_schedule, virtual_by_default
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
    """Check the settings of a test, which `run` documents, and return them.

    Raises:
        ConfigurationError: A value makes no sense.
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

    Each scheduler that is opened in it runs in that time, also in code that knows nothing of the test. After the
    function, each scheduler that has ended is checked: its books balance, and no task of its jobs is left alive. Then
    each planned fault must have struck. The same arguments give the same steps, in each process.

    Args:
        async_fn: The function to run.
        *args: Its arguments.
        start: The wall time at the beginning: an instant, or a label in ``timezone``.
        timezone: The timezone of labels, in which `current_scheduler_time` also shows instants.
        backend: The kind of event loop.
        seed: Chooses the order in which trio runs tasks (asyncio has only one order), and the jitter.
        mode: With ``"auto"``, time passes whenever everything waits. With ``"explicit"``, it passes only where the test
            moves it.
        horizon: How long time may pass by itself. A test that lasts longer fails, because it probably waits for ever.
        faults: The plan of the calls of jobs, observers and stores that are to fail.

    Raises:
        SchedulerTimeError: The function waits for something that cannot come.
        AssertionError: A scheduler has not ended as it must, or a planned fault has not struck.
        ConfigurationError: A parameter makes no sense.
    """
    session = Session(settings(start=start, timezone=timezone, mode=mode, horizon=horizon, seed=seed, faults=faults))

    async def guarded() -> _T:
        with session.harness.guarded():
            return await async_fn(*args)
        raise AssertionError  # pragma: no cover  (guarded() suppresses no error, but type checkers do not know)

    options: dict[str, Any] = {"debug": False} if backend == "asyncio" else {}
    with seeded_schedule(seed), virtual_by_default(session.bind):
        value = anyio.run(guarded, backend=backend, backend_options=options)
    session.settings.faults.assert_reached()
    return value
