"""A user's own suite under pytest-trio: ``autojump_clock``, and a ``main()`` that knows nothing of tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SHOP = '''
"""A user's program: it opens its own scheduler, and is not written for tests."""

import time
from datetime import time as wall_time

import trio

from turnkeeper_trio import (
    WORKDAYS, After, FixedRetryDelay, Interval, RecurringJobRequest, WeekdayTimes, open_scheduler
)

log = []


async def fetch_orders(shop):
    log.append(("fetch", trio.current_time()))
    await trio.sleep(2)
    raise ConnectionError(f"{shop} is down")


def send_report():
    time.sleep(0.01)
    return "sent"


async def main():
    async with open_scheduler(max_workers=2, shutdown_grace=10) as scheduler:
        ticks = RecurringJobRequest("tick", Interval(hours=1))
        fetch = RecurringJobRequest("fetch", After(60), 2, retry=FixedRetryDelay(600))
        report = RecurringJobRequest("report", WeekdayTimes.on(WORKDAYS, wall_time(9)))
        await scheduler.add_job(ticks, trio.sleep, 1)
        fetch_id = await scheduler.add_job(fetch, fetch_orders, "berlin")
        report_id = await scheduler.add_job(report, send_report)
        record = await scheduler.wait_job(fetch_id)
        await trio.sleep(7 * 86_400)
        return record, await scheduler.get_run_history(report_id), scheduler
'''

TESTS = """
import time

import pytest
import trio
from turnkeeper_trio import Outcome

import shop


@pytest.fixture(autouse=True)
def began():
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 10


async def test_main_unchanged(autojump_clock):
    record, reports, scheduler = await shop.main()
    assert (record.outcome, record.attempts) == (Outcome.FAILED, 3)
    assert [at for _, at in shop.log] == [60, 662, 1264]
    assert len(reports) == 5
    assert {report.unwrap() for report in reports} == {"sent"}
    assert all(report.scheduled_at.hour == 9 for report in reports)
    assert scheduler.get_metrics_snapshot().books.balanced
    assert trio.current_time() == autojump_clock.current_time() >= 7 * 86_400


async def test_in_a_nursery_of_a_fixture(autojump_clock, nursery):
    from turnkeeper_trio import After, RecurringJobRequest, open_scheduler

    async def serve(task_status):
        async with open_scheduler(max_workers=1) as scheduler:
            task_status.started(scheduler)
            await trio.sleep_forever()

    scheduler = await nursery.start(serve)
    job_id = await scheduler.add_job(RecurringJobRequest("job", After(3600)), trio.sleep, 5)
    record = await scheduler.wait_job(job_id)
    assert record.lateness == 0
    assert trio.current_time() == 3605
    nursery.cancel_scope.cancel()


async def test_a_clock_that_is_moved_by_hand(mock_clock):
    from turnkeeper_trio import After, RecurringJobRequest, open_scheduler

    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", After(10)), trio.sleep, 0)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(9.9)
        await trio.testing.wait_all_tasks_blocked()
        assert scheduler.get_metrics_snapshot().books.succeeded == 0
        mock_clock.jump(0.1)
        assert (await scheduler.wait_job(job_id)).outcome is Outcome.SUCCEEDED


async def test_in_real_time():
    from turnkeeper_trio import After, RecurringJobRequest, open_scheduler

    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", After(0.01)), trio.sleep, 0)
        record = await scheduler.wait_job(job_id)
        assert 0 <= record.lateness < 5
"""


@pytest.mark.parametrize("mode", ["trio_mode = true", "trio_mode = false"])
def test_a_users_suite_passes(tmp_path: Path, mode: str) -> None:
    marked = "" if mode.endswith("true") else "pytestmark = pytest.mark.trio\n\n"
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "test_shop.py").write_text(TESTS.replace("import shop\n", f"import shop\n\n{marked}", 1))
    (tmp_path / "pytest.ini").write_text(f"[pytest]\n{mode}\nfilterwarnings = error\npythonpath = .\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:anyio", str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
    done = subprocess.run(  # noqa: S603  (our own command)
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
