"""What ``print`` shows of a job, of a line in a list, and of the list."""

import io

import anyio
import pytest

from turnkeeper_trio import (
    After,
    Cron,
    FixedRetryDelay,
    Interval,
    JobState,
    Never,
    RecurringJobRequest,
    open_scheduler,
)
from turnkeeper_trio.testing import run


async def fails() -> None:
    raise ConnectionError("the shop is down")


async def shown() -> tuple[str, str, str, str]:
    out, few = io.StringIO(), io.StringIO()
    async with open_scheduler(max_workers=2, shutdown_grace=0) as scheduler:
        nine = Cron("0 9 * * 1-5", timezone="Europe/Berlin")
        report = RecurringJobRequest("report", nine, key="daily", tags=("mail", "shop"))
        await scheduler.add_job(report, fails)
        tick = RecurringJobRequest("tick", Interval(5), max_retries=1, retry=FixedRetryDelay(1))
        tick_id = await scheduler.add_job(tick, anyio.sleep, 2)
        once = RecurringJobRequest("once", After(0), max_retries=None, retry=FixedRetryDelay(60))
        once_id = await scheduler.add_job(once, fails)
        for number in range(1_000):
            await scheduler.add_job(RecurringJobRequest(f"by hand {number}", Never()), fails)
        await anyio.sleep(6)
        await scheduler.trigger_job_now("daily")
        await anyio.sleep(0.5)
        await scheduler.pause_job("daily", note="moving")
        details = str(await scheduler.get_job_details("daily")), str(await scheduler.get_job_details(once_id))
        summary = str((await scheduler.list_all_jobs())[1])
        assert (await scheduler.get_job_details(tick_id)).max_retries == 1
        assert "1 retry" in str(await scheduler.get_job_details(tick_id))
        await scheduler.print_jobs(file=out)
        await scheduler.print_jobs(file=few, states=[JobState.PAUSED])
    assert len(out.getvalue().splitlines()) == 1_004
    return *details, summary, few.getvalue()


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_jobs_read_well(backend: str) -> None:
    daily, once, summary, table = run(shown, start="2026-01-01 12:00", backend=backend)  # type: ignore[arg-type]
    lines = daily.splitlines()
    assert lines[0].startswith("report (key 'daily')  ")
    assert lines[1:] == [
        "  schedule  Cron('0 9 * * 1-5', timezone='Europe/Berlin')",
        f"  calls     {__name__}.fails",
        "  tags      mail, shop",
        "  state     paused: moving",
        "  last run  failed after 1 attempt: the shop is down",
        "  failures  1 in a row",
    ]
    assert once.splitlines()[0].startswith("once  ")
    assert "  calls     " in once
    assert once.splitlines()[2].endswith("fails, tried again for ever")
    assert "  next run  2026-01-01 12:01:00 UTC" in once
    assert "  active    waiting retry for 6.50 s, attempt 1" in once
    assert summary == "tick: active, next run 2026-01-01 12:00:10 UTC, 1 run active"
    assert table.splitlines() == ["name    state   next run  active", "report  paused"]


def test_the_list_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.print_jobs()

    run(main)
    assert capsys.readouterr().out == "name  state  next run  active\n"
