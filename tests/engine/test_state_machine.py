"""Any sequence of what may happen to an engine, against what must hold after each step.

`check` states what is true of the tables. What is stated here is what a user was promised, from the outside: from the
events, the answers, the attempts that were dispatched, and a model of each job that knows only its schedule.
"""

import json
import random
from collections import Counter
from datetime import time, timedelta
from typing import Any

import pytest
from engine_driver import Caller, Driver, Scope, at, us
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from user_schedules import FAULTS, CannotBind, CannotCount, FaultyFrom, Listed

import turnkeeper_trio._engine.engine as engine_module
from turnkeeper_trio._engine import control, queries, updates
from turnkeeper_trio._engine.engine import BATCH
from turnkeeper_trio._engine.overlap import SUPERSEDED_BY_NEXT
from turnkeeper_trio._engine.rows import Attempt, AttemptResult, CancelCause, Job, Occurrence, Run
from turnkeeper_trio._engine.shutdown import end_all
from turnkeeper_trio._engine.slots import free_slots
from turnkeeper_trio._model.job import ENDED_STATES, JobState
from turnkeeper_trio._model.run import FailedAttempt, Origin, Outcome, RunPhase
from turnkeeper_trio._model.times import instant_us
from turnkeeper_trio.errors import JobActive, JobEnded, JobHalted, JobNotFound, RunNotFound, SchedulerClosed
from turnkeeper_trio.events import OccurrenceMissed, OccurrenceSkipped, RunFinished
from turnkeeper_trio.jobs import RecurringJobRequest
from turnkeeper_trio.policies import CatchUp, OnConflict, Overlap, PriorityQueueType
from turnkeeper_trio.retries import FixedRetryDelay
from turnkeeper_trio.schedules import EVERY_DAY, After, FixedDelay, Interval, Never, Once, WeekdayTimes
from turnkeeper_trio.schedules._base import BuiltinSchedule
from turnkeeper_trio.verdicts import CancelJob, GiveUp, Retry, Snooze, Verdict


class Policy:
    """A user's retry policy, faulty or not."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def delay(self, failed: FailedAttempt, rng: random.Random) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


moments = st.integers(-7200, 7200)
durations = st.integers(1, 900)
schedules = st.one_of(
    st.just(Never()),
    moments.map(lambda seconds: Once(at(seconds))),
    st.integers(0, 600).map(After),
    durations.map(lambda seconds: Interval(seconds=seconds)),
    durations.map(lambda seconds: FixedDelay(seconds=seconds)),
    st.lists(st.integers(0, 23), min_size=1, max_size=4).map(
        lambda hours: WeekdayTimes.on(EVERY_DAY, *(time(hour) for hour in hours))
    ),
    st.lists(moments, max_size=6).map(lambda seconds: Listed([at(second) for second in seconds])),
    st.builds(
        lambda every, start, good, fault: FaultyFrom(timedelta(seconds=every), at(start), at(good), fault),
        durations, st.integers(-60, 0), st.integers(0, 3600), st.sampled_from(FAULTS),
    ),
    st.sampled_from([-1, None, True, "many", ArithmeticError("no")]).map(CannotCount),
    st.just(CannotBind()),
)  # fmt: skip
policies = st.one_of(
    st.just(FixedRetryDelay(0)),
    durations.map(FixedRetryDelay),
    st.sampled_from([None, -1, "soon", float("nan"), timedelta(seconds=30), ArithmeticError("no")]).map(Policy),
)


@st.composite
def requests(draw: st.DrawFn) -> RecurringJobRequest:
    retries = draw(st.sampled_from([0, 0, 1, 2, None]))
    overlap = draw(st.sampled_from(Overlap))
    return RecurringJobRequest(
        "job",
        draw(schedules),
        retries,
        key=draw(st.sampled_from([None, None, "a", "b"])),
        retry=None if retries == 0 else draw(st.none() | policies),
        initial_run_time=draw(st.none() | moments.map(at) | durations.map(lambda s: timedelta(seconds=s))),
        cleanup_grace=draw(st.sampled_from([None, 0, 5])),
        stuck_after=draw(st.sampled_from([None, 60])),
        overlap=overlap,
        max_concurrent=draw(st.sampled_from([None, 1, 2])) if overlap is Overlap.ALLOW_ALL else None,
        max_waiting=draw(st.sampled_from([1000, 0, 1, 2])),
        catch_up=draw(st.sampled_from(CatchUp)),
        start_deadline=draw(st.sampled_from([None, None, 0, 100])),
        retry_past_next=draw(st.booleans()),
        priority=draw(st.integers(-1, 1)),
        jitter=draw(st.sampled_from([0, 0, 1, 60])),
        max_runs=draw(st.sampled_from([None, None, 1, 3])),
        until=draw(st.none() | moments.map(at)),
        halt_after=draw(st.sampled_from([None, None, 1, 2])),
    )


changes_asked = st.one_of(
    st.fixed_dictionaries({"schedule": schedules}),
    st.fixed_dictionaries({"priority": st.integers(-1, 1)}),
    st.fixed_dictionaries({"until": st.none() | moments.map(at)}),
    st.fixed_dictionaries({"max_runs": st.sampled_from([None, 1, 5])}),
    st.fixed_dictionaries({"retry_past_next": st.booleans(), "jitter": st.sampled_from([0, 30])}),
)


VERDICTS = [Retry(), Retry(5), Snooze(0), Snooze(90), GiveUp("no"), CancelJob("done"), Verdict()]


class Engines(RuleBasedStateMachine):
    """The rules; a model of what was planned, dispatched and promised stands beside the engine."""

    @initialize(
        queue=st.sampled_from(PriorityQueueType),
        workers=st.integers(1, 3),
        buffer=st.integers(0, 2),
        batch=st.sampled_from([1, 3, 500]),
        limit=st.sampled_from([0, 3, 10_000]),
        per_job=st.sampled_from([0, 2, 100]),
        ttl=st.sampled_from([None, None, 0, us(600)]),
        first=st.lists(requests(), min_size=1, max_size=4),
    )
    def open(
        self, queue: PriorityQueueType, workers: int, buffer: int, batch: int, limit: int, per_job: int,
        ttl: int | None, first: list[RecurringJobRequest],
    ) -> None:  # fmt: skip
        self.driver = Driver(
            queue=queue, max_workers=workers, dispatch_buffer=buffer, history_limit=limit,
            history_per_job=per_job, history_ttl=ttl,
        )  # fmt: skip
        engine_module.BATCH = batch  # type: ignore[misc]
        self.batch = batch
        self.jobs: list[Job] = []
        self.first: dict[Job, int] = {}
        """The instant at or after which a job's occurrences are."""
        self.last_begun: dict[Job, int] = {}
        self.ready_at: dict[Run, int] = {}
        """The instant by which a run that waits for a worker is ordered."""
        self.not_before: dict[Run, int] = {}
        """The loop time before which the next attempt of a run must not begin."""
        self.told: Counter[str] = Counter()
        self.waiting: list[tuple[str, Any, Caller]] = []
        self.seen: set[Any] = set()
        self.loose: set[Job] = set()
        """Jobs whose rules were changed on the way: what is planned of them cannot be foretold as simply."""
        self.begun: Counter[Job] = Counter()
        self.planned_at: dict[Occurrence, int] = {}
        """The loop time at which an occurrence of a fixed delay was planned."""
        self.told_of: Counter[Any] = Counter()
        self.again: set[Job] = set()
        """Jobs that took an id which another had before them."""
        self.given_back: set[Job] = set()
        """Jobs with ``max_runs`` of which a run ended that had not begun: what follows it was not foreseen."""
        self.rescheduled: set[Job] = set()
        """Jobs whose schedule began to count again: an instant may come a second time."""
        self.begun_at: set[tuple[Job, int]] = set()
        """The instants of schedules whose runs have begun."""
        self.taken_up: Counter[Job] = Counter()
        self.to_begin: set[Run] = set()
        self.triggered: set[Any] = set()
        for request in first:
            self.submit(request, OnConflict.UPDATE)

    def teardown(self) -> None:
        if not hasattr(self, "driver"):
            return
        engine_module.BATCH = BATCH  # type: ignore[misc]
        self._end()

    def _end(self) -> None:
        """However the sequence went, a forced shutdown ends it: nothing is active, and every occurrence is counted."""
        driver = self.driver
        driver.shut_down(forced=True)
        for _ in range(10_000):
            self.turn()
            if driver.engine.closed:
                break
            while driver.dispatched:
                assert driver.start() is None, "something began during a forced shutdown"
            for attempt in tuple(driver.executing):
                self._report(attempt, AttemptResult.CUT_OFF)
        assert driver.engine.closed
        assert not driver.state.active
        end_all(driver.state, driver.now)
        report = driver.report()
        assert report.still_running == ()
        assert report.unrun == driver.state.pending
        books = driver.books
        assert books.active == 0
        assert sum(record.count for record in report.never_started) == books.never_started
        for about, subject, caller in self.waiting:
            assert caller.answered or about in {"job", "idle"} or subject.job.pending is subject, (
                f"nobody answered who waited for {about}"
            )

    # -- what the coordinator does

    @rule(
        seconds=st.sampled_from([0, 1, 30, 300, 5000, 100_000]) | st.floats(0, 1000),
        step=st.sampled_from([0, 0, 0, 0, 0, -3600, -1, 1, 3600]),
        begin=st.integers(0, 4),
    )
    def work(self, seconds: float, step: float, begin: int) -> None:
        """Let time pass, take a turn, and have workers begin some of what was dispatched."""
        self.driver.advance(seconds, step=step)
        self.turn()
        for _ in range(min(begin, len(self.driver.dispatched))):
            self.start()

    @rule(seconds=st.sampled_from([0, 1, 60]))
    def work_in_peace(self, seconds: float) -> None:
        """Let time pass, take a turn, and have workers begin all that was dispatched."""
        self.work(seconds, 0, 100)

    def turn(self) -> None:
        driver, state = self.driver, self.driver.state
        waiting_before = {run for run in state.active if run.waiting_retry}
        effects = driver.turn()
        self._look_at_new_runs(waiting_before, effects.assignments)
        self._look_at_events(effects.events)
        self._look_at_the_idle()
        if not (driver.engine._backlog or state.pauses):
            self._look_for_what_is_overdue()
        due = driver.engine.next_due(driver.now)
        if not driver.engine._backlog:
            assert due is None or due > driver.now.wall, "the coordinator would spin"
        else:
            assert due == driver.now.wall

    def _look_at_new_runs(self, waiting_before: set[Run], assigned: list[Attempt]) -> None:
        driver = self.driver
        now = driver.now
        mentioned = [*driver.state.active, *(attempt.run for attempt in assigned)]
        for run in mentioned:
            if run not in self.ready_at and not run.waiting_retry:
                self.ready_at[run] = run.occurrence.due_at
                if run.occurrence in self.planned_at and run.job not in self.loose:
                    waited = now.loop - self.planned_at[run.occurrence]
                    assert waited >= run.job.schedule.delay_us, "a fixed delay was too short"
                by_hand = run.occurrence.origin is Origin.TRIGGER
                if not by_hand and not run.job.delayed and run.job not in self.loose:
                    assert now.wall >= run.occurrence.due_at >= run.occurrence.scheduled_at, "due before its instant"
            if run in waiting_before and not run.waiting_retry:
                self.ready_at[run] = now.wall
        for attempt in assigned:
            if attempt.run.begun:
                assert now.loop >= self.not_before[attempt.run], "a retry began early"
        if driver.state.closing is None:
            keys = [self._key(attempt.run) for attempt in assigned]
            assert keys == sorted(keys), "the order of starts"
            waits_for_worker = [
                run for run in driver.state.active if not (run.attempt or run.waiting_retry or run.blocked)
            ]
            left = [self._key(run) for run in waits_for_worker]
            if keys and left:
                assert keys[-1] <= min(left), "a run was overtaken"
            held_back = driver.state.capacity == 0 or driver.engine._backlog or driver.state.pauses
            assert not left or held_back, "a run was left"
            assert not assigned or not driver.state.pauses, "something was begun while everything was paused"

    def _key(self, run: Run) -> tuple[int, int, int]:
        return -run.job.request.priority, self.ready_at[run], run.job.seq

    def _look_at_events(self, events: list[Any]) -> None:
        for event in events:
            match event:
                case RunFinished(record=record):
                    assert record.attempts
                    assert record.started_at is not None
                    self._ended(event, record.outcome, 1)
                case OccurrenceSkipped():
                    self._ended(event, event.outcome, 1)
                case OccurrenceMissed():
                    self._ended(event, Outcome.MISSED, event.count)
                case _:
                    json.dumps(event.to_json())

    def _ended(self, event: Any, outcome: Outcome, count: int) -> None:
        assert event.run_id not in self.seen, "an occurrence ended twice"
        self.seen.add(event.run_id)
        self.told[outcome] += count
        if event.run_id not in self.triggered:
            self.told_of[event.job_id] += count

    def _look_for_what_is_overdue(self) -> None:
        """After a turn no occurrence is planned whose instant has come."""
        now = self.driver.now
        for job in self.driver.state.jobs.values():
            pending = job.pending
            if pending is None:
                continue
            if pending not in self.planned_at:
                assert pending.due_at > now.wall or job.delayed
            elif job not in self.loose:
                assert now.loop < self.planned_at[pending] + job.schedule.delay_us + job.request.jitter_us + 1

    def _look_at_the_idle(self) -> None:
        """After a turn, no caller waits for an idle state that has come."""
        state = self.driver.state
        idle = not state.active and not self.driver.engine._backlog
        for about, _, caller in self.waiting:
            over = idle if about == "due" else idle and not state.pending if about == "idle" else False
            assert caller.answered or not over, f"nobody answered who waited for idleness ({about})"

    @invariant()
    def who_waits_is_answered_when_it_is_over_and_not_before(self) -> None:
        if not hasattr(self, "driver"):
            return
        state = self.driver.state
        forced = state.closing is not None and state.closing.forced
        given = {id(token): answer for token, answer in state.effects.answers}
        still: list[tuple[str, Any, Caller]] = []
        for about, subject, caller in self.waiting:
            answered = caller.answered or id(caller) in given
            answer = caller.answer if caller.answered else given.get(id(caller))
            match about:
                case "run":
                    over = subject.job.pending is not subject and all(r.occurrence is not subject for r in state.active)
                    if answered:
                        over = over or (forced and isinstance(answer, SchedulerClosed))
                        assert isinstance(answer, RunNotFound | SchedulerClosed) or answer.run_id == subject.run_id
                case "job":
                    over = subject.pending is None and not subject.runs
                    over = over and (subject.state is not JobState.PAUSED or isinstance(answer, JobNotFound))
                    over = over or (forced and not subject.runs and isinstance(answer, SchedulerClosed))
                case "cancel":
                    over = not set(subject) & set(state.active)
                    if answered:
                        assert len(answer) >= len(subject)
                case "executed":
                    over = not state.executing
                case _:
                    over = answered
            assert answered == over, f"who waited for {about}: answered {answered}, over {over}"
            if not answered:
                still.append((about, subject, caller))
        self.waiting = still

    def shut_down(self, data: st.DataObject) -> None:
        forced = data.draw(st.booleans())
        self.driver.shut_down(forced=forced)

    # -- what callers do

    @precondition(lambda self: self.driver.state.jobs)
    @rule(data=st.data(), name=st.sampled_from([
        "cancel", "delete", "skip", "trigger", "trigger", "trigger", "pause", "resume", "resume", "update", "update",
        "cancel_run", "cancel_run", "take_again", "take_again", "pause_all", "resume_all", "resume_all",
    ]))  # fmt: skip
    def command(self, data: st.DataObject, name: str) -> None:
        getattr(self, name)(data)

    @rule(
        data=st.data(), name=st.sampled_from(["wait_for_job", "wait_for_run", "wait_for_idleness", "give_up", "look"])
    )
    def wait(self, data: st.DataObject, name: str) -> None:
        getattr(self, name)(data)

    @precondition(lambda self: self.driver.state.counters.planned > 15)
    @rule(data=st.data())
    def end_it(self, data: st.DataObject) -> None:
        self.shut_down(data)

    @rule(request=requests(), on_conflict=st.sampled_from(OnConflict))
    def submit(self, request: RecurringJobRequest, on_conflict: OnConflict) -> None:
        driver = self.driver
        job = driver.submit(request, on_conflict=on_conflict)
        if job in self.jobs:
            self.loose.add(job)
            self.rescheduled.add(job)
        else:
            if any(other.job_id == job.job_id for other in self.jobs):
                self.again.add(job)
            self.jobs.append(job)
            if job.pending is not None and isinstance(job.schedule, BuiltinSchedule) and not job.delayed:
                self.first[job] = job.pending.scheduled_at

    def take_again(self, data: st.DataObject) -> None:
        """A new job takes a key while runs of the earlier job execute."""
        jobs = [job for job in self.driver.state.jobs.values() if job.request.key is not None]
        jobs = [job for job in jobs if any(run.executing for run in job.runs)] or jobs
        request = data.draw(requests())
        way = data.draw(st.sampled_from([OnConflict.REPLACE, OnConflict.RAISE, OnConflict.UPDATE]))
        if not jobs:
            return
        before = data.draw(st.sampled_from(jobs))
        if way is OnConflict.RAISE:
            self.driver.ask(control.cancel_job, before.job_id)
        elif way is OnConflict.UPDATE:
            self.driver.delete(before)
        executing = [run for run in before.runs if run.executing]
        self.submit(request.replace(key=before.request.key), way)
        now = self.driver.state.jobs.get(before.job_id)
        assert now is not before or way is OnConflict.REPLACE
        if now is not None and now is not before:
            assert [run for run in now.runs if run.executing] == executing

    def _a_job(self, data: st.DataObject, *, here: bool = False) -> Job | None:
        jobs = list(self.driver.state.jobs.values()) if here else self.jobs
        return data.draw(st.sampled_from(jobs)) if jobs else None

    def cancel(self, data: st.DataObject) -> None:
        cancel_running = data.draw(st.booleans())
        job = self._a_job(data)
        if job is None:
            return
        executing = [run for run in job.runs if run.executing]
        caller = self._ask_about(job, control.cancel_job, cancel_running=cancel_running, reason="enough")
        if caller is not None:
            assert job.state in ENDED_STATES
            assert job.pending is None
            assert list(job.runs) == executing
            if caller.wait is not None:
                assert cancel_running
                self.waiting.append(("cancel", executing, caller))

    def _ask_about(self, job: Job, decide: Any, **options: Any) -> Caller | None:
        """Ask about a job that the engine may have forgotten; return the caller if the engine still knows it."""
        known = self.driver.state.jobs.get(job.job_id)
        caller = self.driver.ask(decide, job.job_id, **options)
        assert isinstance(caller.answer, JobNotFound) == (known is None)
        never_ran = decide is queries.wait_job and isinstance(caller.answer, RunNotFound)
        assert known is None or never_ran or not isinstance(caller.answer, Exception), caller.answer
        return caller if known is job else None

    def delete(self, data: st.DataObject) -> None:
        job = self._a_job(data)
        if job is not None and self._ask_about(job, control.delete_job):
            assert job.job_id not in self.driver.state.jobs

    def skip(self, data: st.DataObject) -> None:
        job = self._a_job(data, here=True)
        if job is None:
            return
        before = job.pending
        caller = self.driver.ask(control.skip_next_run, job.job_id)
        if isinstance(caller.answer, JobEnded | SchedulerClosed):
            return
        record = caller.result()
        assert (record is None) == (before is None)
        if before is not None:
            assert record.outcome is Outcome.SKIPPED
            assert job.pending is not before

    def trigger(self, data: st.DataObject) -> None:
        overlap = data.draw(st.sampled_from([None, None, None, Overlap.ALLOW_ALL, Overlap.BUFFER_ALL]))
        job = self._a_job(data, here=True)
        if job is None:
            return
        pending, runs, args, state = job.pending, set(job.runs), job.args, job.state
        if overlap is not None:
            self.loose.add(job)
        caller = self.driver.ask(control.trigger_job, job.job_id, overlap=overlap)
        match caller.answer:
            case SchedulerClosed():
                assert self.driver.state.closing is not None
            case JobEnded():
                assert state in ENDED_STATES
            case JobHalted():
                assert state is JobState.HALTED
            case JobActive(run_id=run_id):
                assert run_id in {run.occurrence.run_id for run in runs}
                assert set(job.runs) == runs
            case run_id:
                self.triggered.add(run_id)
                assert job.args is args
                active = [run for run in job.runs if run.occurrence.run_id == run_id]
                if job.state is JobState.HALTED:  # It ended a run that waited for its retry: one failure too many.
                    assert active == []
                    return
                assert [run.phase for run in active] == [RunPhase.QUEUED]
                if not job.delayed:
                    assert job.pending is pending or job.state is JobState.HALTED, "the grid moved"

    def pause(self, data: st.DataObject) -> None:
        job = self._a_job(data, here=True)
        waited = [run for run in job.runs if run.phase is RunPhase.QUEUED] if job is not None else []
        lost = any(not (run.begun or run.blocked or run.occurrence.origin is Origin.TRIGGER) for run in waited)
        if job is not None and not isinstance(
            self.driver.ask(control.pause_job, job.job_id).answer, JobEnded | JobHalted | SchedulerClosed
        ):
            self.loose.add(job)
            assert job.state is JobState.PAUSED
            assert job.pending is None
            assert job.held is not None or not lost, "what waited for a worker is lost"
            assert all(run in job.runs for run in waited if run.begun or run.occurrence.origin is Origin.TRIGGER)

    def resume(self, data: st.DataObject) -> None:
        missed = data.draw(st.none() | st.sampled_from(CatchUp))
        job = self._a_job(data, here=True)
        if job is not None and not isinstance(
            self.driver.ask(control.resume_job, job.job_id, missed=missed).answer, JobEnded | SchedulerClosed
        ):
            self.loose.add(job)
            assert job.state is not JobState.PAUSED

    def pause_all(self, data: st.DataObject) -> None:
        wait = data.draw(st.booleans())
        who = data.draw(st.integers(0, 1))
        caller = self.driver.pause_all(who, wait=wait)
        if caller.wait is not None:
            self.waiting.append(("executed", None, caller))

    def resume_all(self, data: st.DataObject) -> None:
        for who in (0, 1):
            self.driver.resume_all(who)

    def update(self, data: st.DataObject) -> None:
        changes = data.draw(changes_asked)
        job = self._a_job(data, here=True)
        if job is None:
            return
        version, request = job.version, job.request
        caller = self.driver.ask(
            updates.update_job, job.job_id, if_version=version, call=updates.Call(), changes=changes
        )
        if not isinstance(caller.answer, JobEnded | SchedulerClosed):
            self.loose.add(job)
            self.rescheduled.add(job)
            assert caller.result() == job.version == version + (job.request != request)

    def cancel_run(self, data: st.DataObject) -> None:
        subject = self._an_item(data)
        if subject is None:
            return
        occurrence = subject if isinstance(subject, Occurrence) else subject.occurrence
        executing = not isinstance(subject, Occurrence) and subject.executing
        caller = self.driver.cancel_run(self.driver.state.run_id(subject), reason="enough")
        assert caller.answered != executing
        if executing:
            self.waiting.append(("run", occurrence, caller))
        else:
            assert caller.result().outcome is Outcome.CANCELLED

    def _an_item(self, data: st.DataObject) -> Any:
        state = self.driver.state
        items: list[Any] = [job.pending for job in state.jobs.values() if job.pending is not None]
        items += state.active
        return data.draw(st.sampled_from(items)) if items else None

    def wait_for_job(self, data: st.DataObject) -> None:
        job = self._a_job(data)
        if job is not None and (caller := self._ask_about(job, queries.wait_job)):
            self.waiting.append(("job", job, caller))

    def wait_for_run(self, data: st.DataObject) -> None:
        item = self._an_item(data)
        if item is not None:
            occurrence = item if isinstance(item, Occurrence) else item.occurrence
            self.waiting.append(("run", occurrence, self.driver.wait_run(self.driver.state.run_id(item))))

    def wait_for_idleness(self, data: st.DataObject) -> None:
        due_only = data.draw(st.booleans())
        self.waiting.append(("due" if due_only else "idle", None, self.driver.wait_idle(due_only=due_only)))

    def give_up(self, data: st.DataObject) -> None:
        if not self.waiting:
            return
        chosen = data.draw(st.integers(0, len(self.waiting) - 1))
        _, _, caller = self.waiting[chosen]
        if not caller.answered and caller.wait is not None and not self._answer_is_due(caller):
            caller.wait.withdraw()
            del self.waiting[chosen]
            self.driver.check()

    def _answer_is_due(self, caller: Caller) -> bool:
        return any(token is caller for token, _ in self.driver.state.effects.answers)

    def look(self, data: st.DataObject) -> None:
        driver, state = self.driver, self.driver.state
        for job in state.jobs.values():
            details = driver.details(job)
            json.dumps(details.to_json())
            assert details.state is job.state
            assert len(details.active_runs) == len(job.runs)
        listed = driver.ask(queries.list_jobs, states=None, tags=None, after=None, limit=1000).result()
        assert [summary.job_id for summary in listed] == list(state.jobs)
        records = driver.history()
        assert len(records) == len(state.history.runs) + len(state.history.non_runs)
        active = driver.active()
        for job in state.jobs.values():
            own = driver.history(job)
            assert own == [record for record in records if record.job_id == job.job_id]
            assert driver.active(job) == [run for run in active if run.job_id == job.job_id]
        for told, run in zip(active, state.active, strict=True):
            waits = run.waiting_retry and run.job.state is not JobState.PAUSED
            assert (told.next_attempt_at is not None) == waits
            if told.next_attempt_at is not None:
                assert instant_us(told.next_attempt_at) - driver.now.wall >= self.not_before[run] - driver.now.loop
                next_run_time = driver.details(run.job).next_run_time
                assert next_run_time is not None
                assert next_run_time <= told.next_attempt_at
        upcoming = list(driver.ask(queries.upcoming_runs, until=None, limit=20).result())
        assert len(upcoming) >= min(20, state.pending)
        assert [run.scheduled_at for run in upcoming] == sorted(run.scheduled_at for run in upcoming)
        json.dumps([record.to_json() for record in records])
        metrics = driver.metrics()
        json.dumps(metrics.to_json())
        assert metrics.workers_active_current == len(driver.executing)
        json.dumps(driver.report().to_json())

    # -- what workers do

    def start(self) -> None:
        driver = self.driver
        attempt = driver.dispatched[0]
        run, revoked = attempt.run, attempt.revoked
        job, request = run.job, run.job.request
        deadline = request.start_deadline_us
        late = attempt.number == 1 and deadline is not None and driver.now.wall > run.occurrence.due_at + deadline
        claimed = driver.start()
        if revoked or (late and claimed is None):
            assert claimed is None
            return
        assert claimed is attempt
        assert job.state is not JobState.CANCELLED, "a run of a cancelled job began"
        assert not driver.state.pauses, "a run began while everything was paused"
        if job.state is JobState.PAUSED:
            assert attempt.number > 1 or run.occurrence.origin is Origin.TRIGGER, "a run of a paused job began"
        assert len(driver.executing) <= driver.state.options.max_workers + driver.state.options.dispatch_buffer
        first = attempt.number == 1 and run.occurrence.origin is not Origin.TRIGGER
        if first:
            self.taken_up[job] += 1
            slot = (job, run.occurrence.scheduled_at)
            assert slot not in self.begun_at or job in self.rescheduled or job.delayed, "an occurrence ran twice"
            self.begun_at.add(slot)
        if job not in self.loose:
            assert not late, "a run began after its start_deadline"
            most = (request.max_concurrent or 1_000_000) if request.overlap is Overlap.ALLOW_ALL else 1
            at_once = sum(other.run.job.job_id == job.job_id for other in driver.executing)
            assert at_once <= most, "too many runs of one job at once"
            if first:
                self._note_begun(job, run)

    def _note_begun(self, job: Job, run: Run) -> None:
        self.begun[job] += 1
        assert self.begun[job] <= (job.request.max_runs or 1_000_000), "more than max_runs"
        assert job.request.until_us is None or run.occurrence.scheduled_at <= job.request.until_us
        last = self.last_begun.get(job)
        if not job.delayed:
            assert last is None or run.occurrence.scheduled_at > last, "an instant that had passed fired again"
        self.last_begun[job] = run.occurrence.scheduled_at

    @precondition(lambda self: self.driver.executing)
    @rule(
        data=st.data(),
        how=st.sampled_from(["value", "false", "raise", "raise", "verdict", "strike", "unwind", "unwind"]),
    )
    def end(self, data: st.DataObject, how: str) -> None:
        attempt = data.draw(st.sampled_from(self.driver.executing))
        assert attempt.scope is not None
        match how:
            case "value":
                self._report(attempt, AttemptResult.RETURNED, value=data.draw(st.sampled_from([None, 0, "value"])))
            case "false":
                self._report(attempt, AttemptResult.RETURNED, value=False)
            case "raise":
                self._report(attempt, AttemptResult.RAISED, error=ValueError("no"))
            case "verdict":
                verdict, raised = data.draw(st.sampled_from(VERDICTS)), data.draw(st.booleans())
                if raised:
                    self._report(attempt, AttemptResult.RAISED, error=verdict)
                else:
                    self._report(attempt, AttemptResult.RETURNED, value=verdict)
            case "strike":  # Its deadline has passed, but its body has not ended yet.
                if attempt.cause is None:
                    attempt.scope = struck = Scope()
                    struck.cancel_called = True
            case _ if attempt.scope.cancel_called:
                self._report(attempt, AttemptResult.TIMED_OUT if attempt.cause is None else AttemptResult.CUT_OFF)

    def _report(self, attempt: Attempt, ending: AttemptResult, *, value: Any = None, error: Any = None) -> None:
        driver, run = self.driver, attempt.run
        expected = self._expected(attempt, ending, value, error)
        attempts = run.begun + 1
        driver.end(attempt, ending, value=value, error=error)
        if expected is None and run.reason == SUPERSEDED_BY_NEXT:  # It was due already, but no turn had moved it.
            expected = Outcome.CANCELLED if run.snoozed else Outcome.FAILED
        assert run.outcome is expected, (run.outcome, run.reason, expected)
        assert run.begun == attempts
        assert run.waiting_retry == (expected is None)
        assert (run in driver.state.active) == (expected is None)

    def _expected(self, attempt: Attempt, ending: AttemptResult, value: Any, error: Any) -> Outcome | None:  # noqa: PLR0911
        """Return the outcome of a run whose attempt ends this way; ``None`` if it goes on later."""
        run, job, closing = attempt.run, attempt.run.job, self.driver.state.closing is not None
        said = value if isinstance(value, Verdict) else error
        match said:
            case CancelJob():
                return Outcome.CANCELLED
            case GiveUp():
                return Outcome.FAILED
        if ending is AttemptResult.RETURNED and value is not False and not isinstance(value, Verdict):
            return Outcome.SUCCEEDED
        if attempt.cause in {CancelCause.CANCEL, CancelCause.REPLACED}:
            return Outcome.CANCELLED if ending is AttemptResult.CUT_OFF or isinstance(said, Snooze) else Outcome.FAILED
        if attempt.cause is CancelCause.SHUTDOWN or ending is AttemptResult.CUT_OFF:
            return Outcome.INTERRUPTED
        if isinstance(said, Snooze):
            if attempt.no_retry_reason or job.state is JobState.CANCELLED:
                return Outcome.CANCELLED
            self.not_before[run] = self.driver.now.loop + said.delay_us
            return Outcome.INTERRUPTED if closing else None
        failed = Outcome.TIMED_OUT if ending is AttemptResult.TIMED_OUT else Outcome.FAILED
        most = job.request.max_retries
        if (most is not None and run.failures >= most) or attempt.no_retry_reason or job.state is JobState.CANCELLED:
            return failed
        own = said.after_us if isinstance(said, Retry) else None
        delay = self._delay_of(job.request) if own is None else own
        if delay is None:
            return failed
        self.not_before[run] = self.driver.now.loop + delay
        return Outcome.INTERRUPTED if closing else None

    def _delay_of(self, request: RecurringJobRequest) -> int | None:
        match request.retry:
            case Policy(answer=timedelta() as answer):
                return us(answer.total_seconds())
            case Policy():
                return None
            case FixedRetryDelay() as fixed:
                return us(fixed.delay(None, None))  # type: ignore[arg-type]
            case _:
                return us(60 * 0.9)

    # -- what holds after every step

    @invariant()
    def books_agree_with_events(self) -> None:
        """The events agree with the books; what was decided since the last turn will be an event in the next."""
        if not hasattr(self, "driver"):
            return
        state = self.driver.state
        told = self.told.copy()
        for event in state.effects.events:
            match event:
                case RunFinished(record=record):
                    told[record.outcome] += 1
                case OccurrenceSkipped(outcome=outcome):
                    told[outcome] += 1
                case OccurrenceMissed(count=count):
                    told[Outcome.MISSED] += count
                case _:
                    pass
        assert {outcome: told[outcome] for outcome in Outcome} == state.counters.outcomes

    @invariant()
    def note_what_is_planned_by_the_clock_of_the_loop(self) -> None:
        if hasattr(self, "driver"):
            for job in self.driver.state.jobs.values():
                if job.pending is not None and job.delayed and job.pending.origin is Origin.SCHEDULE:
                    self.planned_at.setdefault(job.pending, self.driver.now.loop)

    @invariant()
    def no_instant_of_a_schedule_is_lost(self) -> None:
        """Each instant of a job's schedule, from its first occurrence to the pending one, was planned once."""
        if not hasattr(self, "driver"):
            return
        untold = Counter(self.told_of)
        for event in self.driver.state.effects.events:
            ended = isinstance(event, RunFinished | OccurrenceSkipped | OccurrenceMissed)
            if ended and event.run_id not in self.triggered:
                untold[event.job_id] += getattr(event, "count", 1)
        for job, first in self.first.items():
            if job.pending is None or job in self.loose | self.again:
                continue
            pending = job.pending.scheduled_at
            planned = 1 + untold[job.job_id] + sum(run.occurrence.origin is not Origin.TRIGGER for run in job.runs)
            counted = job.schedule.count_between_us(first - 1, pending)
            if first != job.schedule.next_after_us(first - 1):
                counted += 1  # An initial run time lies between the instants of the schedule.
            if job not in self.given_back:
                assert planned == counted, (planned, counted, job.request)
            assert planned <= counted, "an instant was planned twice"
            assert 0 <= job.pending.due_at - pending <= job.request.jitter_us

    @invariant()
    def max_runs_counts_what_began_and_what_may_yet(self) -> None:
        if not hasattr(self, "driver"):
            return
        state = self.driver.state
        gone = {run for run in self.to_begin if run not in state.active and run.begun == 0}
        self.given_back |= {run.job for run in gone if run.job.request.max_runs is not None}
        self.to_begin = {run for run in state.active if not (run.begun or run.executing)}
        for job in state.jobs.values():
            runs = [run for run in job.runs if run.job is job and run.occurrence.origin is not Origin.TRIGGER]
            to_begin = sum(not (run.begun or run.executing) for run in runs)
            assert job.ran == self.taken_up[job] + to_begin

    @invariant()
    def no_run_waits_for_others_of_its_job_without_need(self) -> None:
        if not hasattr(self, "driver") or self.driver.state.closing is not None:
            return
        for job in self.driver.state.jobs.values():
            if job.waiting and job.state is not JobState.PAUSED and job not in self.loose:
                assert free_slots(job, job.request.overlap) < 1
                new = sum(not run.begun for run in job.waiting)
                assert new <= max(1, job.request.max_waiting)
                several = job.request.catch_up is CatchUp.ALL
                assert new <= 1 or several or job.request.overlap in {Overlap.BUFFER_ALL, Overlap.ALLOW_ALL}


THOROUGH = settings.default.max_examples >= 1000

TestEngines = pytest.mark.slow(Engines.TestCase)
TestEngines.settings = settings(
    settings.default,
    max_examples=settings.default.max_examples if THOROUGH else 150,
    stateful_step_count=40,
    phases=[phase for phase in Phase if THOROUGH or phase is not Phase.shrink],  # it may take too long for a test
)
