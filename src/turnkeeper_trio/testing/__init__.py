"""Tools for testing schedules and jobs in virtual time. Fixtures and markers are in `turnkeeper_trio.pytest_plugin`."""

from turnkeeper_trio.testing._asyncio_loop import VirtualEventLoop
from turnkeeper_trio.testing._cancel_sweep import SweepError, cancel_sweep
from turnkeeper_trio.testing._faults import FaultPlan, InjectedFault
from turnkeeper_trio.testing._harness import SchedulerTimeError
from turnkeeper_trio.testing._inline import InlineAttempt, InlineRun, run_inline
from turnkeeper_trio.testing._run import run
from turnkeeper_trio.testing._run_log import assert_run_log, runs
from turnkeeper_trio.testing._runs import Runs
from turnkeeper_trio.testing._scheduler_time import SchedulerTime, current_scheduler_time
from turnkeeper_trio.testing._store_conformance import StoreConformance

__all__ = [
    "FaultPlan",
    "InjectedFault",
    "InlineAttempt",
    "InlineRun",
    "Runs",
    "SchedulerTime",
    "SchedulerTimeError",
    "StoreConformance",
    "SweepError",
    "VirtualEventLoop",
    "assert_run_log",
    "cancel_sweep",
    "current_scheduler_time",
    "run",
    "run_inline",
    "runs",
]

for _name in __all__:
    globals()[_name].__module__ = __name__  # the module to import it from; the private module may change
