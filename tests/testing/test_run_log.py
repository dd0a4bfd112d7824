"""The run log tells what has become of each occurrence, and an assertion about it explains itself."""

from datetime import UTC, datetime, timedelta
from textwrap import dedent
from typing import Any

import anyio
import pytest

from turnkeeper_trio import (
    ConfigurationError,
    FixedRetryDelay,
    Interval,
    Outcome,
    RecurringJobRequest,
    Scheduler,
    open_scheduler,
)
from turnkeeper_trio.testing import SchedulerTime, assert_run_log, current_scheduler_time, runs

pytestmark = [pytest.mark.anyio, pytest.mark.scheduler_time(start="2026-10-25 01:00", timezone="Europe/Berlin")]


async def nothing() -> int:
    return 7


async def failing() -> None:
    await anyio.sleep(0.25)
    raise OSError("no route")


async def eventful(scheduler: Scheduler, time: SchedulerTime) -> None:
    hourly = RecurringJobRequest("hourly", Interval(hours=1))
    await scheduler.add_job(hourly, nothing)
    fetch = RecurringJobRequest("fetch the news", Interval(hours=2), max_retries=1, retry=FixedRetryDelay(60))
    await scheduler.add_job(fetch, failing)
    slow = await scheduler.add_job(RecurringJobRequest("slow", Interval(minutes=70)), anyio.sleep, 3600 * 3)
    await time.advance(hours=2, minutes=30)
    await scheduler.cancel_job(slow, cancel_running=True, reason="too slow")
    time.suspend(hours=3, minutes=15)
    await time.advance(minutes=30)


LOG = """
    2026-10-25 02:00+02:00 hourly ok
    2026-10-25 02:10+02:00 slow cancelled took=1h20m too slow
    2026-10-25 02:00+01:00 hourly ok
    2026-10-25 02:00+01:00 fetch the news failed attempts=2 took=0.5s OSError: no route
    2026-10-25 02:20+01:00 slow skipped the run before it had not ended
    2026-10-25 03:30 slow cancelled too slow
    # the machine slept
    2026-10-25 04:00:00 hourly missed count=2 its instant passed

    2026-10-25 05:45 hourly succeeded late=45m
    2026-10-25 05:45 fetch the news failed attempts=2 late=1h45m
    2026-10-25 06:00 hourly ok
    2026-10-25 06:00 fetch the news failed
"""


async def test_the_log_is_as_expected(scheduler: Scheduler, scheduler_time: SchedulerTime) -> None:
    await eventful(scheduler, scheduler_time)
    assert_run_log(scheduler, LOG)
    assert_run_log(scheduler_time, LOG)
    assert_run_log(scheduler_time, "\n".join(scheduler_time.runs().lines))
    assert_run_log(scheduler, "...")
    assert_run_log(scheduler, "...\n2026-10-25 03:30 slow cancelled\n...\n2026-10-25 06:00 hourly ok\n...")
    assert_run_log(scheduler, "...\n2026-10-25T05:00 fetch the news failed\n...", timezone="UTC")
    scheduler_time.runs("hourly").with_outcome(Outcome.SUCCEEDED).assert_on_time(tolerance=2700)


@pytest.mark.parametrize(
    "expected",
    [
        "",
        "...\n2026-10-25 03:30 slow cancelled",
        "2026-10-25 02:00+01:00 hourly ok\n...",
        "...\n2026-10-25 03:31 slow cancelled\n...",
        "...\n2026-10-25 03:30 slow ok\n...",
        "...\n2026-10-25 03:30 slowly cancelled\n...",
        "...\n2026-10-25 03:30 slow cancelled too fast\n...",
        "...\n2026-10-25 05:45 hourly ok late=44m\n...",
        "...\n2026-10-25 06:00 hourly ok attempts=2\n...",
    ],
)
async def test_another_log_is_told(scheduler: Scheduler, scheduler_time: SchedulerTime, expected: str) -> None:
    await eventful(scheduler, scheduler_time)
    with pytest.raises(AssertionError, match="the run log is not as expected"):
        assert_run_log(scheduler, expected)


async def test_the_difference_shows_both_logs_and_common_lines_once(
    scheduler: Scheduler, scheduler_time: SchedulerTime
) -> None:
    await scheduler.add_job(RecurringJobRequest("hourly", Interval(hours=1)), nothing)
    await scheduler_time.advance(hours=5)
    expected = """
        2026-10-25 02:00+02:00 hourly ok
        2026-10-25 03:00 hourly ok late=1h
        2026-10-25 03:30 hourly ok
        ...
    """
    with pytest.raises(AssertionError) as found:
        assert_run_log(scheduler, expected)
    assert str(found.value) == dedent("""\
        the run log is not as expected (Europe/Berlin; - expected, + happened):
            2026-10-25 02:00+02:00 hourly ok
          + 2026-10-25 02:00+01:00 hourly ok
          - 2026-10-25 03:00 hourly ok late=1h
          + 2026-10-25 03:00 hourly ok
          - 2026-10-25 03:30 hourly ok
            ...
          + 2026-10-25 04:00 hourly ok
          + 2026-10-25 05:00 hourly ok""")


@pytest.mark.parametrize("line", ["hourly ok", "2026-10-25 02:00 hourly fine", "2026-10-25 25:00 hourly ok", ".."])
async def test_a_line_that_cannot_be_read_is_told(scheduler: Scheduler, line: str) -> None:
    with pytest.raises(ConfigurationError, match=r"no line of a run log|no time"):
        assert_run_log(scheduler, line)


async def test_runs_are_a_sequence_with_helpers(scheduler: Scheduler, scheduler_time: SchedulerTime) -> None:
    await eventful(scheduler, scheduler_time)
    hourly = runs(scheduler, "hourly")
    assert [str(at) for at in hourly.started[:2]] == ["2026-10-25 02:00:00+02:00", "2026-10-25 02:00:00+01:00"]
    assert [str(at) for at in hourly.scheduled[2:4]] == ["2026-10-25 04:00:00+01:00", "2026-10-25 05:00:00+01:00"]
    assert hourly.labels == ["2026-10-25 02:00+02:00", "2026-10-25 02:00+01:00", "2026-10-25 05:45", "2026-10-25 06:00"]
    assert hourly.outcomes == ["succeeded", "succeeded", "missed", "succeeded", "succeeded"]
    assert (hourly.lateness, hourly.values) == ([0, 0, 2700, 0], [7, 7, 7, 7])
    assert len(hourly[1:3]) == 2
    assert hourly[0].name == "hourly"
    assert repr(hourly[:1]) == "<Runs: 1 (Europe/Berlin)>\n2026-10-25 02:00+02:00 hourly ok"
    hourly[:2].assert_succeeded()
    with pytest.raises(AssertionError, match=r"1 of 5 did not succeed.*\n  2026-10-25 04:00 hourly missed count=2"):
        hourly.assert_succeeded()
    with pytest.raises(AssertionError, match=r"1 of 5 began more than 60 s late.*\n  2026-10-25 05:45 hourly ok"):
        hourly.assert_on_time(tolerance=60)
    with pytest.raises(AssertionError, match="there are no runs"):
        scheduler_time.runs("nobody").assert_succeeded()


@pytest.mark.scheduler_options(history_per_job=3)
async def test_a_log_with_gaps_is_no_log(scheduler: Scheduler, scheduler_time: SchedulerTime) -> None:
    await scheduler.add_job(RecurringJobRequest("hourly", Interval(hours=1)), nothing)
    await scheduler_time.advance(hours=3)
    assert len(runs(scheduler)) == 3
    await scheduler_time.advance(hours=2)
    with pytest.raises(AssertionError, match="has forgotten 2 of its records"):
        assert_run_log(scheduler, "...")


@pytest.mark.parametrize(
    ("delay", "late"),
    [
        (timedelta(days=1, hours=2, minutes=3, seconds=4.5), "1d2h3m4.5s"),
        (timedelta(microseconds=1), "0.000001s"),
        (timedelta(minutes=10), "10m"),
    ],
)
async def test_durations_are_written_as_people_do(
    scheduler: Scheduler, scheduler_time: SchedulerTime, delay: timedelta, late: str
) -> None:
    await scheduler.add_job(
        RecurringJobRequest("once").with_initial_run_time(timedelta(0)), anyio.sleep, delay.total_seconds()
    )
    await scheduler_time.run_until_runs("once")
    assert scheduler_time.runs()[0].duration == delay.total_seconds()
    assert_run_log(scheduler, f"2026-10-25 01:00 once ok took={late}")


@pytest.mark.scheduler_time(start=datetime(2026, 10, 25, 1, 0, 0, 250_000, tzinfo=UTC), timezone="UTC")
async def test_an_instant_is_shown_as_finely_as_it_must_be(scheduler: Scheduler, scheduler_time: SchedulerTime) -> None:
    for seconds in (0, 0.75, 59.75, 60.5):
        await scheduler.add_job(RecurringJobRequest("x").with_initial_run_time(timedelta(seconds=seconds)), nothing)
    await scheduler_time.advance(120)
    day = "2026-10-25"
    assert scheduler_time.runs().labels == [
        f"{day} 01:00:00.25",
        f"{day} 01:00:01",
        f"{day} 01:01",
        f"{day} 01:01:00.75",
    ]


async def log_of_an_ended_scheduler() -> Scheduler:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(RecurringJobRequest("once").with_initial_run_time(timedelta(hours=1)), nothing)
        await current_scheduler_time().advance(hours=1)
    return scheduler


async def test_the_log_can_be_read_after_the_end(anyio_backend_name: str) -> None:
    assert_run_log(await log_of_an_ended_scheduler(), "2026-10-25 02:00+02:00 once ok")
    assert anyio_backend_name


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_the_log_can_be_read_outside_of_any_loop(backend: str) -> None:
    kept: list[Any] = [anyio.run(log_of_an_ended_scheduler, backend=backend)]
    assert_run_log(kept[0], "2026-10-25 00:00 once ok")
