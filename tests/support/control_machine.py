"""Any sequence of what users may ask of an engine, against what must hold after each step.

`check` states what is true of the tables; what is stated here is what was promised: from the events, from the answers,
and from the attempts that could begin.
"""

import random
from collections import Counter
from datetime import timedelta
from inspect import signature
from itertools import count
from typing import Any
from uuid import UUID

from engine_driver import START, Scope, at
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from turnkeeper_trio import (
    After,
    CancelJob,
    CatchUp,
    FixedDelay,
    FixedRetryDelay,
    GiveUp,
    Interval,
    JobState,
    Never,
    Once,
    OnConflict,
    Origin,
    Outcome,
    Overlap,
    PriorityQueueType,
    RecurringJobRequest,
    Retry,
    Snooze,
    TurnKeeperError,
)
from turnkeeper_trio._engine import completion, control, queries, updates, watchdog
from turnkeeper_trio._engine.engine import Engine
from turnkeeper_trio._engine.invariants import check
from turnkeeper_trio._engine.rows import Attempt, AttemptResult, Job, Occurrence
from turnkeeper_trio._engine.state import Options
from turnkeeper_trio._engine.submission import Submission, apply_set
from turnkeeper_trio._engine.updates import Call
from turnkeeper_trio._engine.waits import Wait
from turnkeeper_trio._model.times import NEVER, Now, instant_us
from turnkeeper_trio.events import OccurrenceMissed, OccurrenceSkipped, RunFinished, Wanted
from turnkeeper_trio.jobs import JobSetChanges

SECOND = 1_000_000
KEYS = [UUID(int=number) for number in range(1, 4)]


class Caller:
    """A caller, who may have to wait for the answer."""

    answered = False
    answer: Any = None


durations = st.sampled_from([1, 2, 5, 10, 60])
schedules = st.one_of(
    st.just(Never()),
    st.integers(0, 60).map(After),
    st.integers(-20, 100).map(lambda seconds: Once(at(seconds))),
    durations.map(Interval),
    durations.map(FixedDelay),
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "overlap": st.sampled_from(Overlap),
    "max_waiting": st.sampled_from([0, 1, 2, 1000]),
    "catch_up": st.sampled_from(CatchUp),
    "start_deadline": st.sampled_from([None, None, 0, 3]),
    "retry_past_next": st.booleans(),
    "priority": st.integers(-1, 1),
    "jitter": st.sampled_from([0, 0, 1]),
    "timeout": st.sampled_from([None, None, 4]),
    "stuck_after": st.sampled_from([None, None, 2]),
    "cleanup_grace": st.sampled_from([None, 0, 5]),
    "max_runs": st.sampled_from([None, None, 1, 3]),
    "until": st.sampled_from([None, None, at(50), at(500)]),
    "halt_after": st.sampled_from([None, None, 1, 2]),
    "critical": st.booleans(),
    "initial_run_time": st.sampled_from([None, None, at(-5), at(20), timedelta(seconds=3)]),
}


@st.composite
def requests(draw: st.DrawFn) -> RecurringJobRequest:
    chosen = draw(st.sets(st.sampled_from(sorted(FIELDS)), max_size=5))
    fields = {name: draw(FIELDS[name]) for name in sorted(chosen)}
    if fields.get("overlap") is Overlap.ALLOW_ALL:
        fields["max_concurrent"] = draw(st.sampled_from([None, 1, 2]))
    retry = draw(st.none() | st.sampled_from([0, 1, 20]).map(FixedRetryDelay))
    return RecurringJobRequest("job", draw(schedules), 0 if retry is None else 2, retry=retry, **fields)


@st.composite
def changes(draw: st.DrawFn) -> dict[str, Any]:
    if draw(st.integers(0, 2)) == 0:
        return {"schedule": draw(schedules)}
    chosen = draw(st.sets(st.sampled_from(sorted(FIELDS)), min_size=1, max_size=3))
    fields = {name: draw(FIELDS[name]) for name in sorted(chosen)}
    if "overlap" in fields:
        fields["max_concurrent"] = draw(st.sampled_from([None, 2])) if fields["overlap"] is Overlap.ALLOW_ALL else None
    return fields


class Control(RuleBasedStateMachine):
    """The rules, and beside the engine a model of what a user knows."""

    @initialize(
        queue=st.sampled_from(PriorityQueueType),
        workers=st.integers(1, 3),
        buffer=st.integers(0, 2),
        limit=st.sampled_from([0, 3, 10_000]),
        horizon=st.sampled_from([None, 0, 5 * SECOND, 60 * SECOND]),
    )
    def open(self, queue: PriorityQueueType, workers: int, buffer: int, limit: int, horizon: int | None) -> None:
        options = Options(
            max_workers=workers,
            dispatch_buffer=buffer,
            queue=queue,
            cleanup_grace=3 * SECOND,
            history_limit=limit,
            horizon=horizon,
        )
        self.ids = count(1000)
        self.again = False
        """Whether the next turn is to come at once, because the store refused something."""
        self.options = options
        self.engine = self._engine(options)
        self.state = self.engine.state
        self.state.listening = Wanted(lambda _: True)
        self.workers = workers
        self.now = Now(instant_us(START), 5 * SECOND)
        self.dispatched: list[Attempt] = []
        self.executing: list[Attempt] = []
        self.job_ids: list[UUID] = []
        self.run_ids: list[Any] = []
        self.new_ids = count(100)
        self.told: Counter[Outcome] = Counter()
        self.ended: dict[Any, Outcome] = {}
        self.beside: set[Any] = set()
        """Runs that may run beside others of their job, because somebody said so."""
        self.waiting: list[tuple[str, Any, Caller]] = []
        self.pausing: set[object] = set()

    def _engine(self, options: Options) -> Engine:
        return Engine(options, new_id=lambda: UUID(int=next(self.ids)), rng=random.Random(0))

    def _submission(
        self, job_id: UUID, request: RecurringJobRequest, on_conflict: OnConflict = OnConflict.UPDATE
    ) -> Submission:
        return Submission(job_id, request, "target", (), None, on_conflict)

    def _fetch(self, *job_ids: UUID) -> None:
        """Have jobs that are named be loaded from the store, if there is one."""

    def _before_turn(self) -> None:
        """Have jobs that are due be loaded from the store, if there is one."""

    def _commit(self) -> None:
        assert self.engine.take_changes(self.now) == []
        self.engine.settle(self.now, [])

    # -- the coordinator and the workers

    @rule(seconds=st.sampled_from([0, 0, 1, 1, 2, 5, 30]))
    def turn(self, seconds: float) -> None:
        """Take a turn; then time passes."""
        engine, state = self.engine, self.state
        self._before_turn()
        engine.take_due(self.now)
        self._checked()
        for attempt in state.effects.cancels:
            assert attempt.scope is not None
            attempt.scope.cancel()
        self._commit()
        for attempt in state.effects.stuck:
            assert attempt.claimed
            assert attempt in self.executing
        effects = engine.take_effects()
        for caller, answer in effects.answers:
            if isinstance(caller, Caller):
                assert not caller.answered
                caller.answered, caller.answer = True, answer
        self.dispatched += effects.assignments
        if self.pausing or state.closing is not None:
            assert not effects.assignments, "begun while everything is paused, or at an end"
        self._look_at_events(effects.events)
        self._look_at_answers()
        due = engine.next_due(self.now)
        assert due is None or due > self.now.wall or self.again, "the coordinator would spin"
        kept = state.closing is not None and state.durable
        assert not len(state.ready) or state.capacity == 0 or state.pauses or kept, "a run was left that could start"
        self.now = Now(self.now.wall + round(seconds * SECOND), self.now.loop + round(seconds * SECOND))

    def _checked(self) -> None:
        check(self.state)
        assert len(self.executing) <= self.workers

    def _look_at_events(self, events: list[Any]) -> None:
        for event in events:
            match event:
                case RunFinished(record=record):
                    self._has_ended(event.run_id, record.outcome, 1)
                case OccurrenceSkipped(outcome=outcome):
                    self._has_ended(event.run_id, outcome, 1)
                case OccurrenceMissed(count=number):
                    self._has_ended(event.run_id, Outcome.MISSED, number)
        books = queries.books(self.state)
        assert {outcome: getattr(books, outcome) for outcome in Outcome if getattr(books, outcome)} == self.told

    def _has_ended(self, run_id: Any, outcome: Outcome, number: int) -> None:
        assert run_id not in self.ended, "it ended twice"
        self.ended[run_id] = outcome
        self.told[outcome] += number

    def _look_at_answers(self) -> None:
        """A caller that waits is answered when what it waits for has come, or cannot come any more, and not before."""
        still = []
        forced = self.state.closing is not None and self.state.closing.forced
        for about, subject, caller in self.waiting:
            match about:
                case "run":
                    over = subject in self.ended or (forced and isinstance(self.state.by_id.get(subject), Occurrence))
                case "runs":
                    over = all(run not in self.state.active for run in subject)
                case "job":
                    to_come = subject.pending is not None or subject.state is JobState.PAUSED
                    over = not subject.runs and (forced or not to_come)
                case _:
                    over = not self.state.executing
            assert over or not caller.answered, f"who waited for {about} was answered too early"
            assert caller.answered or not over, f"nobody answered who waited for {about}"
            if not caller.answered:
                still.append((about, subject, caller))
        self.waiting = still

    @precondition(lambda self: self.dispatched and len(self.executing) < self.workers)
    @rule()
    def begin(self) -> None:
        """Have a worker take the next attempt."""
        attempt = self.dispatched.pop(0)
        run, job = attempt.run, attempt.run.job
        if not attempt.claim(self.now, Scope()):
            self.engine.report(self.now, attempt)
            self._checked()
            return
        assert not self.pausing, "a body began while everything was paused"
        assert job.state not in {JobState.CANCELLED, JobState.FINISHED}
        others = [other for other in self.executing if other.run.job is job]
        if job.request.overlap is not Overlap.ALLOW_ALL and run not in self.beside:
            assert not [other for other in others if other.run not in self.beside], "two at once"
        elif job.request.max_concurrent is not None and run not in self.beside:
            assert len(others) < job.request.max_concurrent, "more at once than allowed"
        watchdog.body_began(self.state, self.now, attempt)
        completion.attempt_started(self.state, self.now, attempt)
        self.executing.append(attempt)
        self._checked()

    @precondition(lambda self: self.executing)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        attempt = data.draw(st.sampled_from(self.executing))
        endings: list[tuple[AttemptResult, Any]] = [
            (AttemptResult.RETURNED, 5),
            (AttemptResult.RETURNED, False),
            (AttemptResult.RAISED, ValueError("no")),
            *((ending, verdict) for ending in (AttemptResult.RETURNED, AttemptResult.RAISED) for verdict in _VERDICTS),
        ]
        assert attempt.scope is not None
        if attempt.scope.cancel_called:
            endings.append((AttemptResult.CUT_OFF if attempt.cause else AttemptResult.TIMED_OUT, None))
        ending, what = data.draw(st.sampled_from(endings))
        self._end(attempt, ending, what)

    def _end(self, attempt: Attempt, ending: AttemptResult, what: Any) -> None:
        self.executing.remove(attempt)
        raised = ending is AttemptResult.RAISED
        attempt.end(self.now, ending, value=None if raised else what, error=what if raised else None)
        self.engine.report(self.now, attempt)
        self._checked()

    @precondition(lambda self: any(attempt.run.job.request.timeout for attempt in self.executing))
    @rule(data=st.data())
    def time_out(self, data: st.DataObject) -> None:
        """The deadline of an attempt passes; the attempt may take some time to end."""
        attempt = data.draw(st.sampled_from([each for each in self.executing if each.run.job.request.timeout]))
        attempt.scope.cancel()  # type: ignore[union-attr]

    # -- what users ask

    def _ask(self, decide: Any, *args: Any, about: str = "", subject: Any = None, **kwargs: Any) -> Any:
        """Ask, and return the answer; a refusal is one, too."""
        try:
            time = (self.now,) if "now" in signature(decide).parameters else ()
            answer = decide(self.state, *time, *args, **kwargs)
        except TurnKeeperError as exc:
            self._checked()
            return exc
        if isinstance(answer, Wait):
            caller = answer.token = Caller()
            self.waiting.append((about, subject, caller))
        self._checked()
        return answer

    @rule(request=requests(), on_conflict=st.sampled_from(OnConflict), key=st.none() | st.sampled_from(KEYS))
    def submit(self, request: RecurringJobRequest, on_conflict: OnConflict, key: UUID | None) -> None:
        if self.state.closing is not None:
            return
        job_id = UUID(int=next(self.new_ids)) if key is None else key
        self._fetch(job_id)
        self.engine.accept(self.now, self._submission(job_id, request, on_conflict))
        if job_id not in self.job_ids:
            self.job_ids.append(job_id)
        self._checked()

    @rule(wanted=st.dictionaries(st.sampled_from(KEYS), requests(), max_size=2))
    def apply(self, wanted: dict[UUID, RecurringJobRequest]) -> None:
        submissions = [self._submission(key, request) for key, request in wanted.items()]
        self._fetch(*KEYS)
        changed = self._ask(apply_set, submissions)
        if isinstance(changed, JobSetChanges):
            assert {*changed.added, *changed.updated, *changed.unchanged} == set(wanted)
            assert not set(changed.removed) & set(wanted)
            self.job_ids += [key for key in wanted if key not in self.job_ids]

    def _job(self, data: st.DataObject) -> UUID:
        job_id = data.draw(st.sampled_from(self.job_ids or KEYS))
        self._fetch(job_id)
        return job_id

    @rule(data=st.data(), cancel_running=st.booleans())
    def cancel_job(self, data: st.DataObject, cancel_running: bool) -> None:
        job_id = self._job(data)
        job = self.state.jobs.get(job_id)
        runs = tuple(run for run in job.runs if run.executing) if job else ()
        self._ask(control.cancel_job, job_id, cancel_running=cancel_running, about="runs", subject=runs)
        if job is not None:
            assert job.state in {JobState.CANCELLED, JobState.FINISHED}
            assert job.pending is None
            assert all(run.executing for run in job.runs)

    @rule(data=st.data())
    def read_ids(self, data: st.DataObject) -> None:
        """Read the ids of the planned run and of the active runs of a job."""
        details = self._ask(queries.job_details, self._job(data))
        if not isinstance(details, TurnKeeperError):
            self.run_ids += [run.run_id for run in details.active_runs]
            if details.next_run_instance is not None:
                self.run_ids.append(details.next_run_instance)

    @precondition(lambda self: self.run_ids)
    @rule(data=st.data())
    def cancel_run(self, data: st.DataObject) -> None:
        run_id = data.draw(st.sampled_from(self.run_ids))
        record = self._ask(control.cancel_run, run_id, about="run", subject=run_id)
        if not isinstance(record, Wait | TurnKeeperError):
            assert record.outcome is not None

    @precondition(lambda self: self.run_ids)
    @rule(data=st.data())
    def wait_run(self, data: st.DataObject) -> None:
        run_id = data.draw(st.sampled_from(self.run_ids))
        self._ask(queries.wait_run, run_id, about="run", subject=run_id)

    @rule(data=st.data())
    def wait_job(self, data: st.DataObject) -> None:
        job_id = self._job(data)
        self._ask(queries.wait_job, job_id, about="job", subject=self.state.jobs.get(job_id))

    @rule(data=st.data())
    def delete_job(self, data: st.DataObject) -> None:
        job_id = self._job(data)
        self._ask(control.delete_job, job_id)
        assert job_id not in self.state.jobs

    @rule(data=st.data())
    def skip_next_run(self, data: st.DataObject) -> None:
        self._ask(control.skip_next_run, self._job(data))

    @rule(data=st.data(), overlap=st.none() | st.sampled_from(Overlap))
    def trigger(self, data: st.DataObject, overlap: Overlap | None) -> None:
        run_id = self._ask(control.trigger_job, self._job(data), overlap=overlap)
        if not isinstance(run_id, TurnKeeperError):
            self.run_ids.append(run_id)
            run = self.state.by_id[run_id]
            assert run.outcome is None
            if overlap is Overlap.ALLOW_ALL:
                self.beside.add(run)

    @rule(data=st.data(), changed=changes(), if_version=st.sampled_from([None, None, 1]))
    def update_job(self, data: st.DataObject, changed: dict[str, Any], if_version: int | None) -> None:
        job_id = self._job(data)
        before = self._facts(self.state.jobs.get(job_id))
        call = Call(definition=self._definition(changed))
        version = self._ask(updates.update_job, job_id, if_version=if_version, call=call, changes=changed)
        after = self._facts(self.state.jobs.get(job_id))
        if isinstance(version, TurnKeeperError):
            assert before == after
        elif "schedule" not in changed and "initial_run_time" not in changed and after[2] is not None:
            assert before[2] is None or before[2] is after[2], "an equal schedule keeps what is planned"

    def _definition(self, changed: dict[str, Any]) -> Any:
        """Return what changes of the text of a definition; there is none without a store."""
        del changed

    def _facts(self, job: Job | None) -> tuple[Any, ...]:
        return () if job is None else (job.version, job.request, job.pending, tuple(job.runs))

    @rule(data=st.data())
    def pause_job(self, data: st.DataObject) -> None:
        job_id = self._job(data)
        job = self.state.jobs.get(job_id)
        twice = job is not None and job.state is JobState.PAUSED
        if self._ask(control.pause_job, job_id, note="n") is None:
            assert job is not None
            assert job.state is JobState.PAUSED
            by_hand = {run for run in job.runs if run.occurrence.origin is Origin.TRIGGER}  # a pause leaves these alone
            assert twice or all(run.begun or run.executing or run in by_hand for run in job.runs)

    @rule(data=st.data(), missed=st.none() | st.sampled_from(CatchUp))
    def resume_job(self, data: st.DataObject, missed: CatchUp | None) -> None:
        job_id = self._job(data)
        refused = self._ask(control.resume_job, job_id, missed=missed)
        if refused is None:
            assert self.state.jobs[job_id].state in {JobState.ACTIVE, JobState.FINISHED, JobState.HALTED}

    @rule(who=st.integers(0, 1), wait=st.booleans())
    def pause_all(self, who: int, wait: bool) -> None:
        self._ask(control.pause_all, who, note="", wait=wait, about="execution")
        self.pausing.add(who)

    @rule(who=st.integers(0, 1))
    def resume_all(self, who: int) -> None:
        self._ask(control.resume_all, who)
        self.pausing.discard(who)

    @rule(limit=st.integers(1, 20))
    def upcoming(self, limit: int) -> None:
        found = list(queries.upcoming_runs(self.state, self.now, until=None, limit=limit))
        assert found == sorted(found, key=lambda each: each.scheduled_at) or self._jitters()
        assert len(found) == limit or len(found) >= self.state.pending

    def _jitters(self) -> bool:
        return any(job.request.jitter for job in self.state.jobs.values())

    @rule(forced=st.booleans(), really=st.sampled_from([False, False, False, True]))
    def shut_down(self, forced: bool, really: bool) -> None:
        if really:
            self.engine.begin_shutdown(self.now, forced=forced)
            self._checked()

    def teardown(self) -> None:
        """However it went, a forced shutdown ends it, and everything is accounted for."""
        if not hasattr(self, "engine"):
            return
        self.engine.begin_shutdown(self.now, forced=True)
        for _ in range(5):
            self.turn(0)
            while self.dispatched:
                attempt = self.dispatched.pop(0)
                assert not attempt.claim(self.now, Scope())
                self.engine.report(self.now, attempt)
            for attempt in tuple(self.executing):
                assert attempt.scope is not None
                assert attempt.scope.cancel_called
                self._end(attempt, AttemptResult.CUT_OFF if attempt.cause else AttemptResult.TIMED_OUT, None)
        assert self.engine.closed
        assert not self.state.active
        assert self.state.check_at == NEVER
        assert {about for about, _, _ in self.waiting} <= {"job", "run"}


_VERDICTS = [Retry(), Retry(0), Retry(10), Snooze(0), Snooze(10), GiveUp("no"), CancelJob("done"), GiveUp]
