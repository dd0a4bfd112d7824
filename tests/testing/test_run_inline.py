"""`run_inline` performs one run, here and now, and decides about its retries as a scheduler does."""

import threading
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from turnkeeper_trio import (
    ExponentialBackoff,
    FixedRetryDelay,
    Interval,
    Outcome,
    RecurringJobRequest,
    current_run,
    open_scheduler,
)
from turnkeeper_trio.testing import run, run_inline
from turnkeeper_trio.testing._backends import Backend

FETCH = RecurringJobRequest("fetch", Interval(hours=1), max_retries=3, retry=FixedRetryDelay(60))


class Flaky:
    """Fails as often as it is told, then returns what it was given."""

    def __init__(self, failures: int) -> None:
        self.left = failures
        self.seen: list[Any] = []

    def __call__(self, value: str, *, suffix: str = "") -> str:
        context = current_run()
        self.seen.append((context.attempt, context.name, str(context.scheduled_at), threading.get_ident()))
        if self.left:
            self.left -= 1
            raise OSError("no route")
        return value + suffix


def test_a_plain_function_runs_in_this_thread_and_is_tried_again_by_the_policy() -> None:
    flaky = Flaky(2)
    done = run_inline(FETCH, flaky, "a", kwargs={"suffix": "b"}, start=datetime(2026, 3, 28, 9, tzinfo=UTC))
    assert (done.outcome, done.record.value, done.record.attempts, done.delays) == ("succeeded", "ab", 3, [60, 60])
    here = threading.get_ident()
    assert flaky.seen == [(number, "fetch", "2026-03-28 09:00:00+00:00", here) for number in (1, 2, 3)]
    assert [(each.number, each.started_at.minute, each.reason) for each in done.attempts] == [
        (1, 0, "it raised OSError"),
        (2, 1, "it raised OSError"),
        (3, 2, ""),
    ]
    assert [type(each.error) for each in done.attempts] == [OSError, OSError, type(None)]
    assert done.record.finished_at.minute == 2


def test_after_the_last_retry_the_run_has_failed() -> None:
    done = run_inline(FETCH, Flaky(9), "a")
    assert (done.outcome, done.record.attempts, len(done.delays)) == (Outcome.FAILED, 4, 3)
    assert isinstance(done.record.error, OSError)
    assert run_inline(RecurringJobRequest("no"), lambda: False).outcome is Outcome.FAILED


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_a_coroutine_function_runs_in_virtual_time_and_its_timeout_counts(backend: Backend) -> None:
    sleeps = [100.0, 5.0]

    async def slow() -> float:
        before = anyio.current_time()
        await anyio.sleep(sleeps.pop(0))
        return anyio.current_time() - before

    done = run_inline(FETCH.replace(timeout=30), slow, backend=backend)
    assert (done.outcome, done.record.value, done.record.duration) == ("succeeded", 5, 35)
    assert [attempt.reason for attempt in done.attempts] == ["it did not end within its timeout", ""]
    assert str(done.record.finished_at) == "2000-01-01 00:01:35+00:00"


def test_a_job_can_ask_whether_its_time_is_over() -> None:
    asked: list[bool] = []

    async def stubborn() -> None:
        asked.append(current_run().cancel_requested)
        try:
            await anyio.sleep_forever()
        finally:
            asked.append(current_run().cancel_requested)

    assert run_inline(RecurringJobRequest("stubborn", timeout=30), stubborn).outcome is Outcome.TIMED_OUT
    assert asked == [False, True]
    run_inline(FETCH, lambda: asked.append(current_run().cancel_requested))
    assert asked == [False, True, False]


def test_a_coroutine_function_that_raises_is_tried_again() -> None:
    async def broken() -> None:
        await anyio.sleep(1)
        raise LookupError

    done = run_inline(FETCH, broken)
    assert [type(attempt.error) for attempt in done.attempts] == [LookupError] * 4
    assert done.record.duration == 4


def test_what_means_the_program_is_raised() -> None:
    def stop() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        run_inline(FETCH, stop)


def test_the_jitter_depends_on_the_seed_alone() -> None:
    request = FETCH.replace(retry=ExponentialBackoff(initial=10))
    first, again, other = (run_inline(request, Flaky(9), "a", seed=seed).delays for seed in (1, 1, 2))
    assert first == again != other


def test_a_scheduler_decides_the_same() -> None:
    request = FETCH.replace(retry=ExponentialBackoff(initial=10, jitter=0))

    async def main() -> Any:
        async with open_scheduler(max_workers=1) as scheduler:
            job = await scheduler.add_job(request, Flaky(2), "a")
            run_id = await scheduler.trigger_job_now(job)
            return await scheduler.wait_run(run_id)

    record, inline = run(main), run_inline(request, Flaky(2), "a").record
    assert [(each.outcome, each.attempts, each.value, each.finished_at - each.scheduled_at) for each in (record,)] == [
        (inline.outcome, inline.attempts, inline.value, inline.finished_at - inline.scheduled_at)
    ]
