"""The log: what is written at which level, and that every line of a run names the run."""

import logging
from collections.abc import Iterator
from typing import Any

import anyio
import anyio.to_thread
import pytest
from sample_jobs import NOW

from turnkeeper_trio import (
    After,
    FixedRetryDelay,
    Interval,
    RecurringJobRequest,
    RunContextFilter,
    open_scheduler,
)

pytestmark = pytest.mark.anyio

JOBS_OWN = logging.getLogger("my.app")


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(level=logging.DEBUG)
        self.addFilter(RunContextFilter())
        self.records: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def at(self, level: int) -> list[str]:
        return [record.getMessage() for record in self.records if record.levelno == level]


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    loggers = [logging.getLogger("turnkeeper_trio"), JOBS_OWN]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    yield handler
    for logger in loggers:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


async def fail() -> None:
    raise ValueError("the disk is full")


async def test_a_final_failure_is_an_error_with_its_traceback(lines: Lines) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("backup", After(0), 1, retry=FixedRetryDelay(1))
        job_id = await scheduler.add_job(request, fail)
        run = await scheduler.wait_job(job_id)
        assert run is not None
    [record] = [record for record in lines.records if record.levelno == logging.ERROR]
    assert record.getMessage() == "backup failed for good after 2 attempt(s): it raised ValueError"
    assert record.exc_info[1] is run.error
    assert (record.job_id, record.run_id, record.job_name, record.attempt) == (job_id, run.run_id, "backup", 2)
    text = logging.Formatter().format(record)
    assert "ValueError: the disk is full" in text
    assert "in fail" in text
    assert lines.at(logging.WARNING) == []


async def test_a_timeout_is_an_error_too(lines: Lines) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.wait_job(
            await scheduler.add_job(RecurringJobRequest("slow", After(0), timeout=1), anyio.sleep, 5)
        )
    assert lines.at(logging.ERROR) == ["slow failed for good after 1 attempt(s): it did not end within its timeout"]


async def test_the_life_of_a_job_is_told_at_info(lines: Lines) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("report", Interval(seconds=60)), anyio.sleep, 1)
        await anyio.sleep(65)
        await scheduler.cancel_job(job_id, reason="moved")
        await scheduler.delete_job(job_id)
    told = lines.at(logging.INFO)
    assert [line for line in told if "report" not in line] == ["shutdown started, forced: False", "stopped"]
    for part in (
        "report added, next run",
        "report started, attempt 1",
        "report succeeded in 1.000 s",
        "report deleted",
    ):
        assert any(line.startswith(part) for line in told), part
    assert "report cancelled: moved" in told
    assert lines.at(logging.WARNING) == lines.at(logging.ERROR) == []


async def test_without_a_reason_the_line_ends_before_it(lines: Lines) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("report", Interval(seconds=60)), anyio.sleep, 1)
        await scheduler.pause_job(job_id)
        await scheduler.pause_all(note="the disk is full")
        await scheduler.cancel_job(job_id)
    told = lines.at(logging.INFO)
    assert {"report paused", "all jobs paused: the disk is full", "report cancelled"} <= set(told)


async def test_a_retry_is_told_at_info(lines: Lines) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("job", After(0), 1, retry=FixedRetryDelay(7))
        await scheduler.wait_job(await scheduler.add_job(request, fail))
    [line] = [line for line in lines.at(logging.INFO) if "the next in" in line]
    assert line == "job, attempt 1: it raised ValueError: the disk is full; the next in 7.000 s"


async def mute() -> None:
    raise TimeoutError


async def test_the_line_of_a_retry_after_an_error_without_words_names_its_type(lines: Lines) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("job", After(0), 1, retry=FixedRetryDelay(7))
        await scheduler.wait_job(await scheduler.add_job(request, mute))
    [line] = [line for line in lines.at(logging.INFO) if "the next in" in line]
    assert line == "job, attempt 1: it raised TimeoutError; the next in 7.000 s"


@pytest.mark.parametrize("level", [logging.DEBUG, logging.WARNING])
async def test_a_job_that_is_skipped_again_and_again_is_a_warning_once(lines: Lines, level: int) -> None:
    logging.getLogger("turnkeeper_trio").setLevel(level)

    async def slow() -> None:
        await anyio.sleep(35)

    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("slow", Interval(seconds=10), max_runs=6)
        await scheduler.wait_job(await scheduler.add_job(request, slow))
    [line] = lines.at(logging.WARNING)
    assert line.startswith("slow at 2000-01-01 00:01:10+00:00 is skipped, as 5 were while it does not keep up: ")
    assert line.endswith("the run before it had not ended")


async def test_it_is_a_warning_again_after_the_job_has_kept_up(lines: Lines) -> None:
    lasts = iter([65, 1, 35, 35, 1])

    async def job() -> None:
        await anyio.sleep(next(lasts))

    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("job", Interval(seconds=10), max_runs=5)
        await scheduler.wait_job(await scheduler.add_job(request, job))
    assert len(lines.at(logging.WARNING)) == 2


async def test_what_is_skipped_now_and_then_or_by_hand_is_no_warning(lines: Lines) -> None:
    lasts = iter([25, 1, 25, 1, 25, 1])

    async def job() -> None:
        await anyio.sleep(next(lasts))

    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("job", Interval(seconds=10), max_runs=6)
        job_id = await scheduler.add_job(request, job)
        for _ in range(10):
            await scheduler.skip_next_run(job_id)
        await scheduler.wait_job(job_id)
    assert lines.at(logging.WARNING) == []


async def test_without_a_listener_nothing_is_told_at_info(caplog: pytest.LogCaptureFixture) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.wait_job(await scheduler.add_job(NOW, anyio.sleep, 1))
    assert caplog.records == []


async def test_every_line_of_a_run_names_the_run_the_jobs_own_included(lines: Lines) -> None:
    def in_thread() -> None:
        JOBS_OWN.info("from a thread")

    async def job() -> None:
        JOBS_OWN.info("from the job")
        async with anyio.create_task_group() as group:
            group.start_soon(child)
        await anyio.to_thread.run_sync(in_thread)

    async def child() -> None:
        JOBS_OWN.info("from a child task")

    async with open_scheduler(max_workers=1) as scheduler:
        JOBS_OWN.info("from the body")
        job_id = await scheduler.add_job(RecurringJobRequest("chatty", After(1)), job)
        run = await scheduler.wait_job(job_id)
        assert run is not None
        plain_id = await scheduler.add_job(RecurringJobRequest("plain", After(1)), in_thread)
        plain = await scheduler.wait_job(plain_id)
        assert plain is not None
    mine = {}
    for record in lines.records:
        if record.name == "my.app":
            about = (record.job_id, record.run_id, record.job_name, record.attempt)
            mine.setdefault(record.getMessage(), []).append(about)
    about_run = (job_id, run.run_id, "chatty", 1)
    assert mine == {
        "from the body": [(None, None, None, None)],
        "from the job": [about_run],
        "from a child task": [about_run],
        "from a thread": [about_run, (plain_id, plain.run_id, "plain", 1)],
    }


async def test_the_filter_keeps_what_a_record_says_itself() -> None:
    record = logging.makeLogRecord({"msg": "line", "job_name": "its own", "attempt": 7})
    assert RunContextFilter().filter(record)
    assert (record.job_name, record.attempt, record.job_id, record.run_id) == ("its own", 7, None, None)  # type: ignore[attr-defined]


async def test_the_filter_is_usable_as_a_formatters_source(lines: Lines) -> None:
    formatter = logging.Formatter("%(job_name)s %(attempt)s %(message)s")
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.wait_job(await scheduler.add_job(RecurringJobRequest("job", After(0)), fail))
    formatted = [formatter.format(record).splitlines()[0] for record in lines.records]
    assert "job 1 job started, attempt 1" in formatted
    assert "None None stopped" in formatted


async def test_a_job_name_with_percent_signs_is_no_format(lines: Lines) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("100% %(name)s %d", After(0), 1, retry=FixedRetryDelay(1))
        await scheduler.wait_job(await scheduler.add_job(request, fail))
    assert any("100% %(name)s %d started" in line for line in lines.at(logging.INFO))
    assert lines.at(logging.ERROR)[0].startswith("100% %(name)s %d failed for good")


async def test_the_library_adds_no_handler() -> None:
    assert logging.getLogger("turnkeeper_trio").handlers == []
