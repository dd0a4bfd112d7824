"""`runs`, the records of a scheduler, and `assert_run_log`, which compares them with the lines that a test expects."""

from turnkeeper_trio._runtime.scheduler import Scheduler
from turnkeeper_trio.testing._harness import LoopHarness, harness_of_loop
from turnkeeper_trio.testing._inspect import Opened
from turnkeeper_trio.testing._runs import Runs
from turnkeeper_trio.testing._scheduler_time import SchedulerTime

__all__ = ["assert_run_log", "runs"]


def runs(scheduler: Scheduler | SchedulerTime, name: str | None = None, *, timezone: str | None = None) -> Runs:
    """Return the records of all occurrences so far, the oldest first. The scheduler may have ended.

    Args:
        scheduler: A scheduler; or the virtual time of a test, for all its schedulers.
        name: Return only the records of jobs with this name.
        timezone: The timezone in which to show instants; if it is not given, that of the test, or UTC without one.

    Raises:
        AssertionError: The scheduler has forgotten records (``history_limit``, ``history_per_job``, a deleted job).
    """
    if isinstance(scheduler, SchedulerTime):
        return Runs(scheduler.runs(name), timezone=timezone or scheduler.timezone)
    return Runs(Opened(scheduler).records(), timezone=timezone or _timezone_here()).of(name)


def _timezone_here() -> str:
    """Return the timezone of the test on the running event loop; UTC if there is none."""
    try:
        harness: LoopHarness | None = harness_of_loop()
    except RuntimeError:
        return "UTC"
    return "UTC" if harness is None else harness.settings.local.timezone


def assert_run_log(scheduler: Scheduler | SchedulerTime, expected: str, *, timezone: str | None = None) -> None:
    """Assert that the occurrences so far have the expected records, one line for each, in the order of time.

    A line has the time at which the run began (or the instant of an occurrence that did not run), the name of the job,
    the outcome and, if you wish, details and a part of the error or reason. Details that a line does not have are not
    compared::

        2026-03-30 09:00 weekly ok
        2026-03-30 09:05 fetch failed attempts=3 late=1m OSError
        2026-03-30 09:10 fetch skipped count=2
        ...

    The details are ``attempts=``, ``count=``, ``late=`` and ``took=``. Outcomes are ``ok`` and those of `Outcome`.
    ``...`` stands for any number of lines. Blank lines and lines that begin with ``#`` are ignored.

    Args:
        scheduler: A scheduler; or the virtual time of a test, for all its schedulers.
        expected: The expected lines.
        timezone: The timezone of the expected lines; if it is not given, that of the test, or UTC without one.

    Raises:
        AssertionError: The lines differ, and the message is the difference; or the scheduler has forgotten records.
        ConfigurationError: A line cannot be read.
    """
    __tracebackhide__ = True
    runs(scheduler, timezone=timezone).assert_log(expected)
