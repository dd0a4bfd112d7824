"""What happens to a run after a failed attempt."""

import random
from datetime import timedelta
from typing import Any

import pytest
from engine_driver import Driver

from turnkeeper_trio import (
    After,
    CancelJob,
    ExponentialBackoff,
    FixedRetryDelay,
    GiveUp,
    Interval,
    JobState,
    Outcome,
    Retry,
    RunPhase,
    Snooze,
)
from turnkeeper_trio._engine.rows import AttemptResult
from turnkeeper_trio.events import RunFinished, RunRetrying
from turnkeeper_trio.retries import FailedAttempt
from turnkeeper_trio.verdicts import Verdict


class Twenty:
    """Gives up after twenty failures."""

    def delay(self, failed: FailedAttempt, rng: random.Random) -> float | None:
        return None if failed.number > 20 else 10.0


@pytest.mark.parametrize("retry", [None, FixedRetryDelay(10), ExponentialBackoff(0), ExponentialBackoff(1, maximum=60)])
def test_without_a_limit_it_is_tried_again_for_ever(retry: Any) -> None:
    driver, job, attempt = once(max_retries=None, retry=retry)
    for number in range(1, 2001):
        assert attempt.number == number
        driver.fail(attempt)
        (attempt,) = driver.begin(20_000)
    details = driver.details(job)
    assert details.max_retries is None
    assert details.retry == (ExponentialBackoff() if retry is None else retry)
    assert details.to_json()["max_retries"] is None
    driver.end(attempt)
    assert driver.details(job).last_run.attempts == 2001


def test_without_a_limit_the_policy_may_still_give_up() -> None:
    driver, job, attempt = once(max_retries=None, retry=Twenty())
    for _ in range(20):
        driver.fail(attempt)
        (attempt,) = driver.begin(10)
    driver.fail(attempt)
    assert driver.details(job).last_run.reason == "it raised ValueError; its retry policy gave up"


def failed(number: int, elapsed: float = 0) -> FailedAttempt:
    return FailedAttempt(number, Outcome.FAILED, None, elapsed)


def once(**options: Any) -> tuple[Driver, Any, Any]:
    """Return a driver, a job that runs once, and its first attempt, which executes."""
    driver = Driver()
    job = driver.add(**{"schedule": After(0), **options})
    (attempt,) = driver.begin()
    return driver, job, attempt


class Asked:
    """A policy that returns what the test says, and remembers its arguments."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[FailedAttempt] = []

    def delay(self, failed: FailedAttempt, rng: random.Random) -> Any:
        self.asked.append(failed)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.mark.parametrize("number", range(1, 12))
def test_the_default_waits_a_minute_times_three_each_time_up_to_a_ceiling_give_or_take_a_tenth(number: int):
    rng = random.Random(number)
    policy = ExponentialBackoff()
    middle = min(60 * 3 ** (number - 1), 14_580)
    waits = [policy.delay(failed(number), rng) for _ in range(500)]
    assert middle * 0.9 <= min(waits) < middle * 0.91
    assert middle * 1.09 < max(waits) <= middle * 1.1
    assert ExponentialBackoff(jitter=0).delay(failed(number), rng) == middle


def test_a_back_off_of_thousands_of_attempts_does_not_overflow():
    assert ExponentialBackoff(jitter=0).delay(failed(100_000), random.Random()) == 14_580
    assert ExponentialBackoff(0, jitter=0).delay(failed(100_000), random.Random()) == 0
    assert ExponentialBackoff(5, factor=1, jitter=0).delay(failed(100_000), random.Random()) == 5
    assert ExponentialBackoff(50, maximum=20, jitter=0).delay(failed(1), random.Random()) == 20


def test_a_back_off_gives_up_when_too_much_time_would_have_passed():
    policy = ExponentialBackoff(10, jitter=0, max_elapsed=100)
    assert policy.delay(failed(1, elapsed=90), random.Random()) == 10
    assert policy.delay(failed(1, elapsed=90.1), random.Random()) is None


def test_a_fixed_delay_may_have_jitter():
    rng = random.Random(0)
    waits = [FixedRetryDelay(timedelta(seconds=10), jitter=0.5).delay(failed(3), rng) for _ in range(200)]
    assert 5 <= min(waits) < 5.5
    assert 14.5 < max(waits) <= 15
    assert FixedRetryDelay(10).delay(failed(3), rng) == 10
    assert repr(FixedRetryDelay(10, 0.5)) == "FixedRetryDelay(10, jitter=0.5)"
    assert FixedRetryDelay(1) == FixedRetryDelay(1)


@pytest.mark.parametrize("ending", ["false", "raise", "time out"])
def test_a_failed_attempt_is_tried_again_so_often_and_no_more(ending: str):
    driver, job, attempt = once(max_retries=2, retry=FixedRetryDelay(30), timeout=100)
    caller = driver.wait_job(job)
    for number in (1, 2, 3):
        assert attempt.number == number
        assert driver.details(job).active_runs[0].attempt == number
        assert driver.details(job).retry_count == number - 1
        driver.advance(1)
        match ending:
            case "false":
                driver.end(attempt, value=False)
            case "raise":
                driver.fail(attempt)
            case _:
                driver.time_out(attempt)
        if number == 3:
            break
        assert driver.tick(29.999999).assignments == []
        assert driver.active()[0].phase is RunPhase.WAITING_RETRY
        assert driver.active()[0].running_for == 29.999999
        assert driver.state.capacity == 3, "a run that waits for its retry holds a worker"
        (attempt,) = driver.begin(0.000001)
    driver.turn()
    record = caller.result()
    assert record.outcome is (Outcome.TIMED_OUT if ending == "time out" else Outcome.FAILED)
    assert record.attempts == 3
    assert record.duration == 3
    assert (
        record.reason
        == {
            "false": "it returned False",
            "raise": "it raised ValueError",
            "time out": "it did not end within its timeout",
        }[ending]
    )
    assert isinstance(record.error, ValueError) == (ending == "raise")
    assert job.state is JobState.FINISHED
    metrics = driver.metrics()
    assert metrics.jobs_retried == 2
    assert metrics.jobs_permanently_failed == 1
    counted = {"false": metrics.jobs_executed_fail, "raise": metrics.jobs_panicked, "time out": metrics.jobs_timed_out}
    assert counted == {**dict.fromkeys(counted, 0), ending: 3}
    assert metrics.job_execution_duration.count == 3
    assert metrics.job_execution_duration.mean == 1
    assert metrics.job_queue_wait_duration.count == 1
    told = driver.told(RunRetrying)
    assert [(event.attempt, event.delay) for event in told] == [(1, 30), (2, 30)]


def test_without_retries_the_first_failure_is_the_last():
    driver, job, attempt = once()
    driver.fail(attempt)
    assert driver.history(job)[0].reason == "it raised ValueError"
    assert driver.metrics().jobs_retried == 0
    assert driver.details(job).retry is None


def test_a_retry_that_succeeds_makes_the_run_succeed():
    driver, job, attempt = once(max_retries=3)
    driver.fail(attempt)
    (attempt,) = driver.begin(66)
    driver.end(attempt, value="at last")
    (record,) = driver.history(job)
    assert (record.outcome, record.value, record.attempts) == (Outcome.SUCCEEDED, "at last", 2)
    assert record.error is None
    assert record.unwrap() == "at last"


def test_the_policy_is_told_what_failed():
    policy = Asked(1, 2, 3)
    driver, job, attempt = once(max_retries=3, retry=policy, timeout=5)
    driver.advance(4)
    error = ValueError("no")
    driver.fail(attempt, error)
    (attempt,) = driver.begin(1)
    driver.advance(5)
    driver.time_out(attempt)
    (attempt,) = driver.begin(2)
    driver.end(attempt, value=False)
    assert policy.asked == [
        FailedAttempt(1, Outcome.FAILED, error, 4),
        FailedAttempt(2, Outcome.TIMED_OUT, None, 10),
        FailedAttempt(3, Outcome.FAILED, None, 12),
    ]
    assert driver.details(job).retry is policy


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "its retry policy gave up"),
        (-1, "its retry policy gave no delay: the delay must not be negative, it is -1"),
        ("soon", "its retry policy gave no delay: the delay must be seconds (a number) or a timedelta, not 'soon'"),
        (float("nan"), "its retry policy gave no delay: the delay must be finite, not nan"),
        (True, "its retry policy gave no delay: the delay must be seconds (a number) or a timedelta, not True"),
        (ArithmeticError("oh"), "its retry policy raised ArithmeticError: oh"),
        (RecursionError(), "its retry policy raised RecursionError"),
    ],
)
def test_a_policy_that_gives_no_delay_ends_the_run(answer: Any, why: str):
    driver, job, attempt = once(max_retries=3, retry=Asked(answer))
    driver.fail(attempt)
    (record,) = driver.history(job)
    assert record.outcome is Outcome.FAILED
    assert record.reason == f"it raised ValueError; {why}"


def test_a_delay_of_zero_is_at_once():
    driver, _, attempt = once(max_retries=1, retry=Asked(timedelta(0)))
    driver.fail(attempt)
    assert len(driver.begin()) == 1


def test_a_retry_is_counted_from_the_end_of_the_attempt_and_not_from_the_turn():
    driver, _, attempt = once(max_retries=1, retry=Asked(10))
    attempt.end(driver.now, AttemptResult.RAISED, error=ValueError())
    driver.executing.clear()
    driver.advance(4)
    driver.engine.report(driver.now, attempt)
    assert driver.tick(5.9).assignments == []
    assert len(driver.tick(0.1).assignments) == 1


def test_jitter_is_drawn_from_the_source_of_the_scheduler():
    def waits(seed: int) -> list[float]:
        driver = Driver(seed=seed)
        driver.add(schedule=After(0), max_retries=5)
        for _ in range(5):
            driver.run_until_quiet()
            driver.fail(driver.start_all()[0])
            driver.turn()
        return [event.delay for event in driver.told(RunRetrying)]

    assert waits(1) == waits(1) != waits(2)


def test_a_job_cancelled_while_its_run_executes_is_not_tried_again():
    driver, job, attempt = once(max_retries=3)
    driver.cancel(job)
    driver.fail(attempt)
    assert driver.history(job)[0].reason == "it raised ValueError; not tried again, for its job was cancelled"


def test_a_run_whose_function_ends_the_program_fails_and_says_so():
    driver, job, attempt = once(max_retries=3)
    error = KeyboardInterrupt()
    driver.end(attempt, AttemptResult.FATAL, error=error)
    assert driver.turn().fatal is error
    assert driver.history(job)[0].reason == "it ended the program"
    assert driver.metrics().jobs_panicked == 1


def test_an_attempt_cut_off_by_nobody_known_is_interrupted():
    driver, job, attempt = once(max_retries=3)
    driver.end(attempt, AttemptResult.CUT_OFF)
    assert driver.history(job)[0].outcome is Outcome.INTERRUPTED


@pytest.mark.parametrize("raised", [True, False])
class TestVerdicts:
    def end(self, driver: Driver, attempt: Any, verdict: Any, raised: bool) -> None:
        if raised:
            driver.end(attempt, AttemptResult.RAISED, error=verdict)
        else:
            driver.end(attempt, value=verdict)

    def test_retry_uses_up_a_retry(self, raised: bool):
        driver, job, attempt = once(max_retries=1)
        self.end(driver, attempt, Retry(7), raised)
        assert driver.tick(6.9).assignments == []
        (attempt,) = driver.begin(0.1)
        self.end(driver, attempt, Retry(), raised)
        (record,) = driver.history(job)
        assert (record.outcome, record.attempts, record.error) == (Outcome.FAILED, 2, None)
        assert record.reason == "it asked to be tried again"
        assert driver.metrics().jobs_executed_fail == 2

    def test_retry_without_a_delay_asks_the_policy(self, raised: bool):
        driver, _, attempt = once(max_retries=1, retry=Asked(3))
        self.end(driver, attempt, Retry(), raised)
        assert driver.tick(2.9).assignments == []
        assert len(driver.tick(0.1).assignments) == 1

    def test_snooze_uses_up_none(self, raised: bool):
        driver, job, attempt = once()
        for _ in range(3):
            self.end(driver, attempt, Snooze(7), raised)
            assert driver.tick(6.9).assignments == []
            (attempt,) = driver.begin(0.1)
        driver.end(attempt)
        (record,) = driver.history(job)
        assert (record.outcome, record.attempts) == (Outcome.SUCCEEDED, 4)
        assert driver.metrics().jobs_snoozed == 3
        assert driver.metrics().jobs_retried == 0

    def test_snooze_of_a_cancelled_job_is_its_end(self, raised: bool):
        driver, job, attempt = once()
        driver.cancel(job, reason="enough")
        self.end(driver, attempt, Snooze(7), raised)
        (record,) = driver.history(job)
        assert (record.outcome, record.reason) == (Outcome.CANCELLED, "enough")

    def test_give_up_fails_the_run_and_nothing_more(self, raised: bool):
        driver, job, attempt = once(schedule=Interval(seconds=1), max_retries=5, initial_run_time=timedelta(0))
        self.end(driver, attempt, GiveUp("no such file"), raised)
        assert driver.history(job)[0].reason == "it gave up: no such file"
        assert job.state is JobState.ACTIVE
        assert len(driver.tick(1).assignments) == 1

    def test_cancel_job_ends_the_job(self, raised: bool):
        driver, job, attempt = once(schedule=Interval(seconds=1), initial_run_time=timedelta(0))
        self.end(driver, attempt, CancelJob("all done"), raised)
        assert job.state is JobState.CANCELLED
        assert driver.details(job).state_reason == "it ended its job: all done"
        run, pending = sorted(driver.history(job), key=lambda record: -record.attempts)
        assert run.outcome is pending.outcome is Outcome.CANCELLED
        assert driver.metrics().jobs_lineage_cancelled == 1

    @pytest.mark.parametrize("kind", [Retry, Snooze, GiveUp, CancelJob])
    def test_the_class_instead_of_an_instance_is_a_failure_that_says_so(self, raised: bool, kind: type):
        driver, job, attempt = once()
        self.end(driver, attempt, kind, raised)
        (record,) = driver.history(job)
        assert record.outcome is Outcome.FAILED
        assert isinstance(record.error, TypeError)
        assert f"the class {kind.__name__}" in str(record.error)

    def test_a_verdict_of_ones_own_is_a_failure_that_says_so(self, raised: bool):
        class Maybe(Verdict):
            pass

        driver, job, attempt = once()
        self.end(driver, attempt, Maybe(), raised)
        (record,) = driver.history(job)
        assert record.outcome is Outcome.FAILED
        assert str(record.error) == "Maybe is no verdict: use Retry, Snooze, GiveUp or CancelJob"

    @pytest.mark.parametrize("verdict", [Retry(1), Snooze(1)])
    def test_having_been_asked_to_end_goes_before_trying_again(self, raised: bool, verdict: Verdict):
        driver, job, attempt = once(max_retries=5)
        driver.cancel(job, cancel_running=True, reason="enough")
        driver.turn()
        self.end(driver, attempt, verdict, raised)
        expected = (Outcome.FAILED, "failed while it cleaned up after it was asked to end")
        if isinstance(verdict, Snooze):  # A snooze is not a failure.
            expected = (Outcome.CANCELLED, "enough")
        assert (driver.history(job)[0].outcome, driver.history(job)[0].reason) == expected


def test_failures_are_told_even_if_nobody_listens():
    for listening in (False, True):
        driver = Driver(listening=listening)
        driver.add(schedule=After(0))
        driver.add(schedule=After(0))
        first, second = driver.begin()
        driver.fail(first)
        driver.end(second)
        effects = driver.turn()
        assert len(driver.told(RunFinished)) == 1 + listening
        assert [run.error.args for run in effects.frames_to_clear] == [("no",)]


def test_an_async_policy_is_told_so():
    class Asynchronous:
        async def delay(self, failed: object, rng: object) -> float:
            return 7

    driver, job, attempt = once(max_retries=1, retry=Asynchronous())
    driver.fail(attempt)
    assert driver.history(job)[0].reason.endswith(
        "its retry policy is async: a policy answers at once, write plain def"
    )


@pytest.mark.parametrize("critical", [False, True])
def test_the_first_run_of_a_critical_job_that_fails_for_good_is_told(critical: bool):
    driver, job, attempt = once(critical=critical, max_retries=1, retry=FixedRetryDelay(0))
    other = driver.add(schedule=After(0), critical=True)
    (second,) = driver.begin()
    driver.fail(attempt)
    assert driver.turn().critical is None
    driver.fail(driver.start_all()[0])
    driver.fail(second)
    run = driver.turn().critical
    assert run is not None
    assert run.job is (job if critical else other)
