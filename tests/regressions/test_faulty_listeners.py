"""A logging filter, a record factory or an observer's property that raised ended the whole scheduler.

Cause: the coordinator called the log unguarded; a handler's errors are caught by `logging`, those of a filter and of
a record factory are not. Of an observer the call was guarded, the look-up of its method was not; and what an async
method returned was thrown away.
"""

import logging

import pytest
from sample_jobs import fail

from turnkeeper_trio import After, Outcome, RecurringJobRequest, open_scheduler

pytestmark = pytest.mark.anyio


async def run_a_failing_job(**options):
    async with open_scheduler(max_workers=1, **options) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("fails", After(0)), fail)
        record = await scheduler.wait_job(job_id)
        assert record is not None
        return record.outcome


async def test_a_logging_filter_that_raises_costs_its_line_and_no_more(capsys):
    def faulty(record):
        raise RuntimeError("the filter is faulty")

    logger = logging.getLogger("turnkeeper_trio")
    logger.addFilter(faulty)
    try:
        assert await run_a_failing_job() is Outcome.FAILED
    finally:
        logger.removeFilter(faulty)
    assert "the filter is faulty" in capsys.readouterr().err


async def test_a_record_factory_with_attributes_of_our_names_costs_the_line_and_no_more(capsys):
    original = logging.getLogRecordFactory()

    def with_job_id(*args, **kwargs):
        record = original(*args, **kwargs)
        record.job_id = "theirs"
        return record

    logging.setLogRecordFactory(with_job_id)
    try:
        assert await run_a_failing_job() is Outcome.FAILED
    finally:
        logging.setLogRecordFactory(original)
    assert "job_id" in capsys.readouterr().err


async def test_an_observer_whose_method_cannot_be_looked_up_is_logged_and_dropped(caplog):
    class Faulty:
        looked_up = 0

        @property
        def on_run_finished(self):
            self.looked_up += 1
            raise RuntimeError("the property is faulty")

    observer = Faulty()
    assert await run_a_failing_job(observers=[observer]) is Outcome.FAILED
    assert observer.looked_up == 1
    assert "is told nothing more" in caplog.text


async def test_an_observer_with_an_async_method_is_told_what_is_wrong_and_dropped(caplog):
    class Async:
        async def on_job_added(self, event):
            raise AssertionError

    assert await run_a_failing_job(observers=[Async()]) is Outcome.FAILED
    assert "must be plain functions" in caplog.text
