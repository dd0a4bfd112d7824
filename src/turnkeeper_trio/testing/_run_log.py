"""The log of a scheduler, as an assertion with a readable difference."""

from turnkeeper_trio._runtime.scheduler import Scheduler
from turnkeeper_trio.testing._harness import LoopHarness, harness_of_loop
from turnkeeper_trio.testing._inspect import Opened
from turnkeeper_trio.testing._runs import Runs
from turnkeeper_trio.testing._scheduler_time import SchedulerTime

__all__ = ["assert_run_log", "runs"]


def runs(scheduler: Scheduler | SchedulerTime, name: str | None = None, *, timezone: str | None = None) -> Runs:
    """Return what has become of a job's occurrences so far, or of all jobs', the oldest first. Also after the end.

    Args:
        scheduler: A scheduler, or the virtual time of a test for all schedulers in it.
        name: The name of a job.
        timezone: In which to show instants; the test's if not given, else UTC.

    Raises:
        AssertionError: the scheduler has forgotten records (``history_limit``, ``history_per_job``).
    """
    if isinstance(scheduler, SchedulerTime):
        return Runs(scheduler.runs(name), timezone=timezone or scheduler.timezone)
    return Runs(Opened(scheduler).records(), timezone=timezone or _timezone_here()).of(name)


def _timezone_here() -> str:
    try:
        harness: LoopHarness | None = harness_of_loop()
    except RuntimeError:
        return "UTC"
    return "UTC" if harness is None else harness.settings.local.timezone


def assert_run_log(scheduler: Scheduler | SchedulerTime, expected: str, *, timezone: str | None = None) -> None:
    """Assert what has become of all occurrences so far, one line each, in the order of time.

    A line is when it began (for what did not run: its instant), the name of the job, the outcome, and what you want to
    say beyond that; what a line does not mention is not compared::

        2026-03-30 09:00 weekly ok
        2026-03-30 09:05 fetch failed attempts=3 late=1m OSError
        2026-03-30 09:10 fetch skipped count=2
        ...

    Outcomes are ``ok`` and those of `Outcome`. ``...`` stands for any number of lines; blank lines and lines that begin
    with ``#`` are left out.

    Args:
        scheduler: A scheduler, or the virtual time of a test for all schedulers in it.
        expected: The log.
        timezone: In which it is written; the test's if not given, else UTC.

    Raises:
        AssertionError: it is another log; the message is the difference. Or records have been forgotten.
        ConfigurationError: a line cannot be read.
    """
    __tracebackhide__ = True
    runs(scheduler, timezone=timezone).assert_log(expected)
