"""Shutting down: gracefully, by force, by leaving the block; what is awaited, what is ended, and what is reported."""

import logging
import threading
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest
from sample_jobs import NOW, clean_up

from turnkeeper_trio import (
    After,
    ConfigurationError,
    FixedDelay,
    FixedRetryDelay,
    Interval,
    Outcome,
    PriorityQueueType,
    RecurringJobRequest,
    RunPhase,
    Scheduler,
    SchedulerClosed,
    ShutdownReport,
    ShutdownTimeout,
    WouldDeadlock,
    current_scheduler,
    open_scheduler,
)
from turnkeeper_trio.events import RunStuck, ShutdownStarted

pytestmark = pytest.mark.anyio


def work(name: str) -> RecurringJobRequest:
    return RecurringJobRequest(name, After(0))


def names(records: tuple[Any, ...]) -> list[str]:
    return sorted(record.name for record in records)


def check(scheduler: Scheduler) -> None:
    books = scheduler.get_metrics_snapshot().books
    assert books.balanced
    assert books.active == 0


async def test_a_graceful_shutdown_lets_what_executes_come_to_its_end() -> None:
    async with open_scheduler(max_workers=2, job_dispatch_buffer_size=1) as scheduler:
        for name in ("executing 1", "executing 2", "bound", "ready 1", "ready 2"):
            await scheduler.add_job(work(name), anyio.sleep, 10)
        await scheduler.add_job(RecurringJobRequest("later", After(100)), anyio.sleep, 1)
        await anyio.sleep(1)
        report = await scheduler.shutdown_graceful()
        assert anyio.current_time() == 10
        assert names(report.finished) == ["executing 1", "executing 2"]
        assert names(report.never_started) == ["bound", "ready 1", "ready 2"]
        assert (report.interrupted, report.still_running, report.unrun) == ((), (), 1)
        assert {record.outcome for record in report.finished} == {Outcome.SUCCEEDED}
        assert {record.outcome for record in report.never_started} == {Outcome.NEVER_STARTED}
        assert scheduler.shutdown_report is report
    assert scheduler.shutdown_report is report
    check(scheduler)
    assert "2 finished" in str(report)


@pytest.mark.parametrize("queue", PriorityQueueType)
async def test_what_falls_due_while_it_shuts_down_is_never_started(queue: PriorityQueueType) -> None:
    async with open_scheduler(max_workers=3, priority_queue=queue) as scheduler:
        await scheduler.add_job(work("long"), anyio.sleep, 20)
        await scheduler.add_job(RecurringJobRequest("interval", Interval(seconds=5)), anyio.sleep, 0)
        await scheduler.add_job(RecurringJobRequest("delay", FixedDelay(seconds=7)), anyio.sleep, 0)
        await anyio.sleep(1)
        report = await scheduler.shutdown_graceful()
        assert anyio.current_time() == 20
        assert names(report.never_started) == ["delay", "interval"]
        assert names(report.finished) == ["long"]
    check(scheduler)


async def test_a_graceful_shutdown_of_an_idle_scheduler_is_over_at_once() -> None:
    async with open_scheduler(max_workers=2) as scheduler:
        report = await scheduler.shutdown_graceful()
        assert report == ShutdownReport(finished=(), interrupted=(), never_started=(), still_running=(), unrun=0)
        assert anyio.current_time() == 0


async def test_the_timeout_of_a_graceful_shutdown_tells_what_it_waits_for_and_the_runs_go_on() -> None:
    async with open_scheduler(max_workers=2) as scheduler:
        await scheduler.add_job(work("short"), anyio.sleep, 3)
        await scheduler.add_job(work("long"), anyio.sleep, 10)
        await anyio.sleep(1)
        with pytest.raises(ShutdownTimeout, match="long") as late:
            await scheduler.shutdown_graceful(5)
        assert anyio.current_time() == 6
        report = late.value.report
        assert names(report.finished) == ["short"]
        [running] = report.still_running
        assert (running.name, running.phase, running.running_for) == ("long", RunPhase.EXECUTING, 6)
        assert isinstance(late.value, TimeoutError)
        assert scheduler.shutdown_report is None
        with pytest.raises(ShutdownTimeout):
            await scheduler.shutdown_graceful(timeout=0)
        final = await scheduler.shutdown_graceful()
        assert anyio.current_time() == 10
        assert names(final.finished) == ["long", "short"]
    check(scheduler)


async def test_force_ends_every_run_and_waits_for_its_cleanup() -> None:
    async with open_scheduler(max_workers=2) as scheduler:
        await scheduler.add_job(work("one"), clean_up, 5)
        await scheduler.add_job(work("two"), clean_up, 7)
        await scheduler.add_job(work("ready"), clean_up, 7)
        await anyio.sleep(1)
        report = await scheduler.shutdown_force()
        assert anyio.current_time() == 8
        assert names(report.interrupted) == ["one", "two"]
        assert {record.reason for record in report.interrupted} == {"cut off by the shutdown"}
        assert names(report.never_started) == ["ready"]
    check(scheduler)


async def test_the_timeout_of_a_forced_shutdown_names_what_still_unwinds() -> None:
    async with open_scheduler(max_workers=2) as scheduler:
        await scheduler.add_job(work("quick"), clean_up, 0)
        await scheduler.add_job(work("slow"), clean_up, 50)
        await anyio.sleep(1)
        with pytest.raises(ShutdownTimeout, match=r"slow \(cleaning_up\)") as late:
            await scheduler.shutdown_force(2)
        assert names(late.value.report.interrupted) == ["quick"]
        [running] = late.value.report.still_running
        assert (running.name, running.phase, running.running_for) == ("slow", RunPhase.CLEANING_UP, 2)
        await scheduler.shutdown_force()
        assert anyio.current_time() == 51
    check(scheduler)


async def test_force_while_graceful_cuts_off_and_both_callers_get_one_report() -> None:
    reports: list[ShutdownReport] = []

    async def graceful() -> None:
        reports.append(await scheduler.shutdown_graceful())

    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(work("long"), clean_up, 1)
        async with anyio.create_task_group() as group:
            group.start_soon(graceful)
            await anyio.sleep(5)
            reports.append(await scheduler.shutdown_force())
        assert anyio.current_time() == 6
    assert reports[0] is reports[1] is scheduler.shutdown_report
    assert names(reports[0].interrupted) == ["long"]


async def test_two_callers_at_once_and_calls_after_the_end_share_one_report() -> None:
    reports: list[ShutdownReport] = []

    async def shut_down(forced: bool) -> None:
        reports.append(await (scheduler.shutdown_force() if forced else scheduler.shutdown_graceful()))

    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(NOW, clean_up, 1)
        await anyio.sleep(1)
        async with anyio.create_task_group() as group:
            for forced in (False, True, True, False):
                group.start_soon(shut_down, forced)
        reports.append(await scheduler.shutdown_graceful())
    reports.append(await scheduler.shutdown_force())
    reports.append(await scheduler.shutdown_graceful(0))
    assert len(reports) == 7
    assert all(report is scheduler.shutdown_report for report in reports)


async def test_a_graceful_call_after_a_forced_one_makes_it_no_gentler() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(NOW, clean_up, 5)
        await anyio.sleep(1)
        with pytest.raises(ShutdownTimeout):
            await scheduler.shutdown_force(0)
        report = await scheduler.shutdown_graceful()
        assert len(report.interrupted) == 1
        assert anyio.current_time() == 6


async def test_a_caller_that_gives_up_waiting_does_not_stop_the_shutdown() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(NOW, anyio.sleep, 10)
        await anyio.sleep(1)
        with anyio.move_on_after(2) as scope:
            await scheduler.shutdown_graceful()
        assert scope.cancelled_caught
        assert scheduler.is_closed
        with pytest.raises(SchedulerClosed):
            await scheduler.add_job(NOW, anyio.sleep, 1)
        await anyio.sleep(10)
        assert scheduler.shutdown_report is not None


async def test_a_cancelled_call_shuts_nothing_down() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        for shut_down in (scheduler.shutdown_graceful, scheduler.shutdown_force):
            with anyio.CancelScope() as scope:
                scope.cancel()
                await shut_down()
            assert scope.cancelled_caught
            assert not scheduler.is_closed


@pytest.mark.parametrize("timeout", [-1, "5", float("nan"), True])
async def test_a_senseless_timeout_is_refused_and_shuts_nothing_down(timeout: Any) -> None:  # noqa: ASYNC109
    async with open_scheduler(max_workers=1) as scheduler:
        for shut_down in (scheduler.shutdown_graceful, scheduler.shutdown_force):
            with pytest.raises(ConfigurationError) as refused:
                await shut_down(timeout)
            assert refused.value.parameter == "timeout"
        assert not scheduler.is_closed


async def test_a_run_that_waits_for_its_retry_is_interrupted_with_its_attempt_kept() -> None:
    async def fail() -> None:
        raise ValueError("first")

    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("retrying", After(0), 5, retry=FixedRetryDelay(100))
        await scheduler.add_job(request, fail)
        await anyio.sleep(1)
        report = await scheduler.shutdown_graceful()
        assert anyio.current_time() == 1
        [record] = report.interrupted
        assert (record.outcome, record.attempts) == (Outcome.INTERRUPTED, 1)
        assert isinstance(record.error, ValueError)
        assert "before its retry" in record.reason
    check(scheduler)


async def test_a_run_that_fails_during_a_graceful_shutdown_is_not_tried_again() -> None:
    async def fail() -> None:
        await anyio.sleep(5)
        raise ValueError

    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(RecurringJobRequest("retrying", After(0), 5, retry=FixedRetryDelay(1)), fail)
        await scheduler.add_job(RecurringJobRequest("last try", After(0)), anyio.sleep, 1)
        await anyio.sleep(1)
        report = await scheduler.shutdown_graceful()
        assert anyio.current_time() == 5
        assert names(report.interrupted) == ["retrying"]


async def test_a_job_may_not_shut_down_or_wait_for_itself() -> None:
    async def refused(what: Any, *args: Any, **kwargs: Any) -> None:
        with pytest.raises(WouldDeadlock, match="job"):
            await what(*args, **kwargs)

    async def job() -> str:
        from turnkeeper_trio import current_run  # noqa: PLC0415

        mine, run = current_scheduler(), current_run()
        await refused(mine.shutdown_graceful)
        await refused(mine.shutdown_force, 5)
        await refused(mine.run_until_signal)
        await refused(mine.wait_idle)
        await refused(mine.wait_job, run.job_id)
        await refused(mine.wait_run, run.run_id)
        await refused(mine.cancel_job, run.job_id, cancel_running=True)
        async with anyio.create_task_group() as group:
            group.start_soon(refused, mine.shutdown_force)
        await anyio.to_thread.run_sync(lambda: anyio.from_thread.run(refused, mine.shutdown_graceful))
        return "still here"

    def plain() -> str:
        return anyio.from_thread.run(job)

    async with open_scheduler(max_workers=2) as scheduler:
        for fn in (job, plain):
            record = await scheduler.wait_job(await scheduler.add_job(NOW, fn))
            assert record is not None
            assert record.unwrap() == "still here"
        assert not scheduler.is_closed


async def test_a_job_may_shut_down_another_scheduler() -> None:
    async def job(other: Scheduler) -> ShutdownReport:
        return await other.shutdown_force()

    async with open_scheduler(max_workers=1) as one, open_scheduler(max_workers=1) as two:
        record = await one.wait_job(await one.add_job(NOW, job, two))
        assert record is not None
        assert record.unwrap() is two.shutdown_report


async def test_a_job_in_a_thread_is_waited_for_by_force_too() -> None:
    release = threading.Event()

    def job() -> str:
        release.wait(5)
        return "done"

    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(NOW, job)
        while scheduler.get_metrics_snapshot().workers_active_current == 0:
            await anyio.lowlevel.checkpoint()
        with pytest.raises(ShutdownTimeout):
            await scheduler.shutdown_force(0)
        release.set()
    assert scheduler.shutdown_report is not None
    [record] = scheduler.shutdown_report.finished
    assert record.unwrap() == "done"


async def test_a_job_in_a_thread_may_ask_to_be_cut_off() -> None:
    started = threading.Event()

    def job() -> None:
        started.set()
        while True:
            anyio.from_thread.check_cancelled()
            anyio.from_thread.run_sync(lambda: None)

    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(NOW, job)
        while not started.is_set():
            await anyio.lowlevel.checkpoint()
        report = await scheduler.shutdown_force()
    assert names(report.interrupted) == ["now"]


async def test_a_job_that_ignores_its_cancellation_for_a_while_is_waited_for() -> None:
    async def stubborn() -> str:
        until = anyio.current_time() + 20
        while anyio.current_time() < until:
            try:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(1)
                await anyio.lowlevel.checkpoint()
            except anyio.get_cancelled_exc_class():
                pass
        return "in the end"

    async with open_scheduler(max_workers=1, shutdown_grace=2) as scheduler:
        await scheduler.add_job(NOW, stubborn)
        await anyio.sleep(1)
    assert anyio.current_time() == 20
    assert scheduler.shutdown_report is not None
    [record] = scheduler.shutdown_report.finished
    assert (record.outcome, record.value) == (Outcome.SUCCEEDED, "in the end")


@pytest.mark.parametrize(("grace", "end", "outcome"), [(None, 30, Outcome.SUCCEEDED), (0, 1, Outcome.INTERRUPTED)])
@pytest.mark.parametrize("name", ["left"])
async def test_leaving_the_block_waits_as_long_as_its_grace_says(
    grace: float | None, end: float, outcome: Outcome, name: str
) -> None:
    async with open_scheduler(max_workers=1, shutdown_grace=grace) as scheduler:
        await scheduler.add_job(work(name), anyio.sleep, 30)
        await anyio.sleep(1)
    assert anyio.current_time() == end
    [record] = await scheduler.get_run_history()
    assert record.outcome is outcome


async def test_leaving_the_block_forces_after_its_grace() -> None:
    async with open_scheduler(max_workers=3, shutdown_grace=5) as scheduler:
        await scheduler.add_job(work("in time"), anyio.sleep, 4)
        await scheduler.add_job(work("late"), clean_up, 2)
        await scheduler.add_job(RecurringJobRequest("later", After(3)), anyio.sleep, 4)
        await anyio.sleep(1)
    assert anyio.current_time() == 8
    report = scheduler.shutdown_report
    assert report is not None
    assert names(report.finished) == ["in time"]
    assert names(report.interrupted) == ["late"]
    assert names(report.never_started) == ["later"]
    check(scheduler)


async def test_future_jobs_are_not_run_before_the_end_and_are_counted() -> None:
    ran: list[str] = []

    async def job() -> None:
        ran.append("ran")

    async with open_scheduler(max_workers=1) as scheduler:
        for days in range(1, 6):
            await scheduler.add_job(RecurringJobRequest("future", After(days * 86_400)), job)
    assert ran == []
    assert scheduler.shutdown_report is not None
    assert scheduler.shutdown_report.unrun == 5
    assert scheduler.get_metrics_snapshot().books.pending == 5
    assert anyio.current_time() == 0


async def test_waiters_are_answered_in_the_step_in_which_the_scheduler_ends() -> None:
    answers: dict[str, Any] = {}

    async def ask(name: str, question: Any, *args: Any) -> None:
        try:
            answers[name] = (anyio.current_time, await question(*args))
        except SchedulerClosed:
            answers[name] = (anyio.current_time(), "closed")
        else:
            answers[name] = (anyio.current_time(), "answered")

    async with anyio.create_task_group() as group, open_scheduler(max_workers=1) as scheduler:
        running = await scheduler.add_job(work("running"), anyio.sleep, 10)
        later = await scheduler.add_job(RecurringJobRequest("later", After(100)), anyio.sleep, 1)
        details = await scheduler.get_job_details(later)
        assert details.next_run_instance is not None
        group.start_soon(ask, "running job", scheduler.wait_job, running)
        group.start_soon(ask, "later job", scheduler.wait_job, later)
        group.start_soon(ask, "later run", scheduler.wait_run, details.next_run_instance)
        group.start_soon(ask, "idle", scheduler.wait_idle)
        group.start_soon(ask, "cancel", scheduler.trigger_job_now, later)
        await anyio.sleep(1)
        answers.pop("cancel")
    assert answers == {
        "running job": (10, "answered"),
        "later job": (10, "closed"),
        "later run": (10, "closed"),
        "idle": (10, "closed"),
    }


async def test_after_the_end_questions_are_answered_and_changes_refused() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=10), tags=("t",)), anyio.sleep, 1)
        await anyio.sleep(15)
    details = await scheduler.get_job_details(job_id)
    assert details.last_run is not None
    run_id = details.last_run.run_id
    assert await scheduler.wait_run(run_id) == details.last_run
    assert [job.job_id for job in await scheduler.list_all_jobs(tags=["t"])] == [job_id]
    assert await scheduler.list_active_runs() == []
    assert [record.run_id for record in await scheduler.get_run_history(job_id)] == [run_id]
    assert scheduler.get_metrics_snapshot().books.succeeded == 1
    assert scheduler.now().timestamp() > 0
    for change in (
        lambda: scheduler.cancel_job(job_id),
        lambda: scheduler.delete_job(job_id),
        lambda: scheduler.skip_next_run(job_id),
        lambda: scheduler.trigger_job_now(job_id),
        lambda: scheduler.wait_job(job_id),
    ):
        with pytest.raises(SchedulerClosed):
            await change()
    with pytest.raises(LookupError):
        await scheduler.get_job_details(run_id)
    with pytest.raises(LookupError):
        await scheduler.wait_run(job_id)
    with pytest.raises(ConfigurationError):
        await scheduler.list_all_jobs(states=5)  # type: ignore[arg-type]


async def test_questions_after_the_end_are_checkpoints() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(NOW, anyio.sleep, 1)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await scheduler.get_job_details(job_id)
    assert scope.cancelled_caught


async def test_waiting_is_never_silent(caplog: pytest.LogCaptureFixture) -> None:
    said: list[tuple[float, str]] = []

    class Note(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno == logging.WARNING:
                said.append((anyio.current_time(), record.getMessage()))
                assert record.job_name == "long"
                assert (record.job_id, record.run_id, record.attempt) == (job_id, run_id, 1)

    handler = Note()
    logging.getLogger("turnkeeper_trio").addHandler(handler)
    try:
        async with open_scheduler(max_workers=1) as scheduler:
            job_id = await scheduler.add_job(work("long"), anyio.sleep, 250)
            await anyio.sleep(10)
            [run] = await scheduler.list_active_runs()
            run_id = run.run_id
    finally:
        logging.getLogger("turnkeeper_trio").removeHandler(handler)
    assert [time for time, _ in said] == [15, 40, 70, 130, 190]
    assert said[0][1] == "the shutdown waits for long, attempt 1, executing for 15 s"


async def test_a_short_wait_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(work("short"), anyio.sleep, 4.9)
    assert not caplog.records


async def test_a_run_that_does_not_end_when_asked_to_is_called_stuck_with_its_stack(heard: Any) -> None:
    async def clean_up_for_long() -> None:
        await anyio.sleep(100)

    async def job() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await clean_up_for_long()

    async with open_scheduler(max_workers=1, cleanup_grace=7, observers=[heard]) as scheduler:
        job_id = await scheduler.add_job(work("job"), job)
        await anyio.sleep(1)
        with pytest.raises(ShutdownTimeout):
            await scheduler.shutdown_force(6.5)
        assert heard.of(RunStuck) == []
        with pytest.raises(ShutdownTimeout, match="stuck"):
            await scheduler.shutdown_force(1)
        [stuck] = heard.of(RunStuck)
        assert (stuck.job_id, stuck.name, stuck.attempt) == (job_id, "job", 1)
        assert "in clean_up_for_long" in stuck.stack
        assert "await clean_up_for_long()" in stuck.stack
        assert stuck.stack.index("in job") < stuck.stack.index("in clean_up_for_long")
        [run] = await scheduler.list_active_runs()
        assert run.phase is RunPhase.STUCK
        assert (stuck.at - scheduler.now()).total_seconds() == -0.5
    assert len(heard.of(RunStuck)) == 1
    check(scheduler)


@pytest.mark.real_time  # Virtual time stands still while a thread runs: no grace would pass, however short.
async def test_a_stuck_thread_shows_its_stack(heard: Any) -> None:
    started, release = threading.Event(), threading.Event()

    def wait_for_release() -> None:
        started.set()
        release.wait(5)

    def job() -> None:
        wait_for_release()

    async with open_scheduler(max_workers=1, cleanup_grace=0, observers=[heard]) as scheduler:
        await scheduler.add_job(NOW, job)
        while not started.is_set():
            await anyio.lowlevel.checkpoint()
        with pytest.raises(ShutdownTimeout):
            await scheduler.shutdown_force(0)
        while not heard.of(RunStuck):
            await anyio.lowlevel.checkpoint()
        release.set()
    [stuck] = heard.of(RunStuck)
    assert "in wait_for_release" in stuck.stack


async def test_the_cleanup_grace_of_a_job_goes_before_that_of_the_scheduler(heard: Any) -> None:
    async with open_scheduler(max_workers=2, cleanup_grace=50, observers=[heard]) as scheduler:
        await scheduler.add_job(RecurringJobRequest("impatient", After(0), cleanup_grace=2), clean_up, 20)
        await scheduler.add_job(RecurringJobRequest("patient", After(0)), clean_up, 20)
        await anyio.sleep(1)
        await scheduler.shutdown_force()
    assert [(event.name, event.running_for) for event in heard.of(RunStuck)] == [("impatient", 0)] or [
        event.name for event in heard.of(RunStuck)
    ] == ["impatient"]


async def test_a_shutdown_is_told_once_for_graceful_and_once_for_forced(heard: Any) -> None:
    async with open_scheduler(max_workers=1, observers=[heard]) as scheduler:
        await scheduler.add_job(NOW, clean_up, 1)
        await anyio.sleep(1)
        for shut_down in (scheduler.shutdown_graceful, scheduler.shutdown_graceful, scheduler.shutdown_force):
            with pytest.raises(ShutdownTimeout):
                await shut_down(0.1)
    assert [event.forced for event in heard.of(ShutdownStarted)] == [False, True]
    assert heard.names()[-1] == "SchedulerStopped"
    assert heard.names().count("SchedulerStopped") == 1


async def test_two_hundred_runs_that_end_in_one_instant_under_force_do_not_hang() -> None:
    ended = 0

    async def job() -> None:
        nonlocal ended
        try:
            await anyio.sleep_forever()
        finally:
            ended += 1

    async with open_scheduler(max_workers=200) as scheduler:
        for _ in range(200):
            await scheduler.add_job(NOW, job)
        await anyio.sleep(1)
        report = await scheduler.shutdown_force()
    assert ended == len(report.interrupted) == 200
