"""Drives an engine without an event loop: what a coordinator, workers, a store and callers do, as plain calls."""

import itertools
import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from inspect import signature
from typing import Any
from uuid import UUID

from model_store import ModelStore

from turnkeeper_trio._engine import control, queries, shutdown, updates
from turnkeeper_trio._engine.completion import attempt_started
from turnkeeper_trio._engine.engine import Engine
from turnkeeper_trio._engine.invariants import check
from turnkeeper_trio._engine.rows import Attempt, AttemptResult, Job
from turnkeeper_trio._engine.state import Effects, Options
from turnkeeper_trio._engine.store_sync import LoadedJob
from turnkeeper_trio._engine.submission import Submission
from turnkeeper_trio._engine.waits import Wait
from turnkeeper_trio._engine.watchdog import body_began
from turnkeeper_trio._model.ids import job_id_of_key
from turnkeeper_trio._model.metrics import Books
from turnkeeper_trio._model.stored import JobChange, Opened, Refusal, StoredJob
from turnkeeper_trio._model.times import MICROSECONDS, Now, instant_us, utc_datetime
from turnkeeper_trio.errors import JobNotFound, TurnKeeperError
from turnkeeper_trio.events import Event, RunStarted, Wanted
from turnkeeper_trio.jobs import RecurringJobRequest
from turnkeeper_trio.jobs._stored_definition import DefinitionCodec
from turnkeeper_trio.policies import OnConflict

START = datetime(2024, 1, 1, tzinfo=UTC)
"""A Monday."""


def us(seconds: float) -> int:
    return round(seconds * MICROSECONDS)


def at(seconds: float) -> datetime:
    """Return the instant so many seconds after the start."""
    return START + timedelta(seconds=seconds)


def names(attempts: Iterable[Attempt]) -> list[str]:
    """Return the names of the jobs that attempts are of."""
    return [attempt.run.job.request.name for attempt in attempts]


class Scope:
    """A cancel scope, as far as the engine knows one."""

    def __init__(self) -> None:
        self.cancel_called = False

    def cancel(self) -> None:
        assert not self.cancel_called, "a scope was cancelled twice"
        self.cancel_called = True


class Caller:
    """Somebody who asked and waits: answered at most once."""

    def __init__(self, wait: Wait | None = None) -> None:
        self.wait = wait
        self.answered = False
        self.answer: Any = None

    def __repr__(self) -> str:
        return f"Caller(answered={self.answered}, answer={self.answer!r})"

    def result(self) -> Any:
        assert self.answered, "nobody has answered"
        if isinstance(self.answer, TurnKeeperError):
            raise self.answer
        return self.answer


def stored(**options: Any) -> "Driver":
    """Return an engine in front of a store."""
    return Driver(store=ModelStore(), **options)


class Driver:
    """An engine, two clocks that stand still until told otherwise, and workers that do what they are told."""

    def __init__(
        self, *, seed: int = 0, listening: bool = True, store: ModelStore | None = None, **options: Any
    ) -> None:
        self._numbers = itertools.count(1)
        self.store = store
        self.codec = DefinitionCodec() if store is not None else None
        self._options = options
        self.now = Now(instant_us(START), us(1000))
        self.engine = Engine(
            Options(**{"max_workers": 2, **options}),
            new_id=lambda: UUID(int=next(self._numbers)),
            rng=random.Random(seed),
            definitions=self.codec,
        )
        self.state = self.engine.state
        self.listening = listening
        self.state.listening = Wanted(lambda _: listening)
        self.dispatched: list[Attempt] = []
        """Attempts in dispatch, which no worker has taken yet."""
        self.executing: list[Attempt] = []
        self.events: list[Event] = []
        self.changes: list[JobChange] = []
        self.effects: list[Effects] = []
        """The effects of each turn, the last one last."""
        self.settings: dict[str, str] = {}
        """The settings that the store keeps."""
        self._job_ids = (UUID(int=number) for number in itertools.count(1 << 64))

    # -- time

    @property
    def seconds(self) -> float:
        """Seconds on the wall since the start."""
        return (utc_datetime(self.now.wall) - START).total_seconds()

    def advance(self, seconds: float = 0, *, step: float = 0) -> None:
        """Let time pass, and have the wall clock step."""
        self.now = Now(self.now.wall + us(seconds + step), self.now.loop + us(seconds))

    def tick(self, seconds: float = 0, *, step: float = 0) -> Effects:
        """Let time pass, then take a turn."""
        self.advance(seconds, step=step)
        return self.turn()

    def run_until_quiet(self, *, most: int = 1000) -> None:
        """Take turns, each at the instant that the engine asks for, until it asks for none."""
        for _ in range(most):
            self.turn()
            due = self.engine.next_due(self.now)
            if due is None:
                return
            self.advance((due - self.now.wall) / MICROSECONDS)
        raise AssertionError("the engine always wants another turn")

    # -- the coordinator

    def submission(
        self,
        request: RecurringJobRequest,
        *args: Any,
        token: Any = None,
        on_conflict: OnConflict = OnConflict.UPDATE,
        target: str = "target",
        **kwargs: Any,
    ) -> Submission:
        job_id = next(self._job_ids) if request.key is None else job_id_of_key(request.key)
        text = None if self.codec is None else self.codec.encode(request, target, args, kwargs)
        return Submission(job_id, request, target, args, kwargs or None, on_conflict, token, definition=text)

    def submit(self, request: RecurringJobRequest, *args: Any, **options: Any) -> Job:
        job = self.engine.accept(self.now, self.submission(request, *args, **options))
        self.check()
        return job

    def add(self, name: str = "job", schedule: Any = None, **options: Any) -> Job:
        """Submit a job made on the spot."""
        given = {} if schedule is None else {"schedule": schedule}
        return self.submit(RecurringJobRequest(name, **given, **options))

    def admit(self, *stored: StoredJob, resolved: bool = True) -> None:
        """Load jobs that the store gave."""
        for each in stored:
            self.engine.admit(self.now, self.loaded(each, resolved=resolved))
        self.check()

    def loaded(self, stored: StoredJob, *, resolved: bool = True) -> LoadedJob:
        """Read the definition of a job that the store gave."""
        assert self.codec is not None
        read, bound = self.codec.decode(stored.definition.text), stored.definition.bound
        schedule = self.codec.read_bound(read.request.schedule, bound)
        return LoadedJob(stored, read.request, schedule, read.target, read.args, read.kwargs or None, resolved)

    def crash(self) -> "Driver":
        """Let the process die, and return the next one, which has loaded what there is to do."""
        assert self.store is not None
        self.store.crash()
        return self.reopened()

    def reopened(self) -> "Driver":
        """Return a driver of the next process, which has loaded what there is to do."""
        assert self.store is not None
        driver = Driver(store=self.store, listening=self.listening, **self._options)
        driver.now, driver.settings, driver._job_ids = self.now, self.settings, self._job_ids
        driver._numbers = self._numbers
        last = max((row.seq for row in self.store.rows.values()), default=0)
        driver.engine.resume(Opened(last_seq=last, settings=self.settings))
        driver.admit(*self.store.claim())
        return driver

    def turn(self, refuse: Callable[[JobChange], str | None] = lambda _: None) -> Effects:
        """Take a turn: move, bind, commit, act."""
        engine, state = self.engine, self.state
        engine.take_due(self.now)
        self.check()
        self._cancel(state.effects)
        self.commit(refuse)
        self.check()
        return self.act()

    def commit(self, refuse: Callable[[JobChange], str | None] = lambda _: None) -> None:
        """Have the store commit what was decided."""
        changes = self.engine.take_changes(self.now)
        for name, text in self.engine.take_settings().items():
            if text is None:
                self.settings.pop(name, None)
            else:
                self.settings[name] = text
        self.changes += changes
        refusals = [Refusal(change.change_id, why) for change in changes if (why := refuse(change)) is not None]
        refused = {refusal.change_id for refusal in refusals}
        if self.store is not None:
            self.store.apply(change for change in changes if change.change_id not in refused)
            for change in changes:
                if change.change_id in refused:
                    self.store.rows.pop(change.job_id, None)  # It is another's, and does not come back.
        self.engine.settle(self.now, refusals)
        if self.store is not None:
            self.store.check(self.state)

    def act(self) -> Effects:
        """Do what the effects say."""
        effects = self.engine.take_effects()
        self._cancel(effects)
        for token, answer in effects.answers:
            assert not token.answered, "a caller was answered twice"
            token.answered, token.answer = True, answer
        self.dispatched += effects.assignments
        self.events += effects.events
        self.effects.append(effects)
        return effects

    def _cancel(self, effects: Effects) -> None:
        for attempt in effects.cancels:
            if attempt.scope is not None:
                attempt.scope.cancel()
        effects.cancels.clear()

    def ask(self, decide: Callable[..., Any], *args: Any, **kwargs: Any) -> Caller:
        """Carry out a command; the caller may have its answer at once."""
        caller = Caller()
        try:
            time = (self.now,) if "now" in signature(decide).parameters else ()
            answer = decide(self.state, *time, *args, **kwargs)
        except TurnKeeperError as exc:
            answer = exc
        if isinstance(answer, Wait):
            answer.token = caller
            caller.wait = answer
        else:
            caller.answered, caller.answer = True, answer
        self.check()
        return caller

    def cancel(self, job: Job, **options: Any) -> Caller:
        return self.ask(control.cancel_job, job.job_id, **options)

    def delete(self, job: Job) -> None:
        if job.released:
            assert isinstance(self.ask(control.delete_job, job.job_id).answer, JobNotFound)
            assert self.store is not None
            self.admit(*self.store.claim([job.job_id]))
        self.ask(control.delete_job, job.job_id).result()

    def skip(self, job: Job) -> Any:
        return self.ask(control.skip_next_run, job.job_id).result()

    def trigger(self, job: Job, **options: Any) -> Any:
        return self.ask(control.trigger_job, job.job_id, **options).result()

    def cancel_run(self, run_id: UUID, **options: Any) -> Caller:
        return self.ask(control.cancel_run, run_id, **options)

    def pause(self, job: Job, **options: Any) -> None:
        self.ask(control.pause_job, job.job_id, **options).result()

    def resume(self, job: Job, **options: Any) -> None:
        self.ask(control.resume_job, job.job_id, **options).result()

    def pause_all(self, who: object = "somebody", *, note: str = "", wait: bool = False) -> Caller:
        return self.ask(control.pause_all, who, note=note, wait=wait)

    def resume_all(self, who: object = "somebody") -> None:
        self.ask(control.resume_all, who).result()

    def update(self, job: Job, *, if_version: int | None = None, call: Any = None, **changes: Any) -> Any:
        if call is None:
            call = updates.Call(definition=None if self.codec is None else self.codec.changes(changes))
        return self.ask(updates.update_job, job.job_id, if_version=if_version, call=call, changes=changes).result()

    def wait_run(self, run_id: UUID) -> Caller:
        return self.ask(queries.wait_run, run_id)

    def wait_job(self, job: Job) -> Caller:
        return self.ask(queries.wait_job, job.job_id)

    def wait_idle(self, *, due_only: bool = False) -> Caller:
        return self.ask(queries.wait_idle, due_only=due_only)

    def details(self, job: Job) -> Any:
        return self.ask(queries.job_details, job.job_id).result()

    def history(self, job: Job | None = None, **options: Any) -> Any:
        wanted = {"since": None, "outcomes": None, "limit": 1000, **options}
        return self.ask(queries.run_history, job_id=None if job is None else job.job_id, **wanted).result()

    def active(self, job: Job | None = None) -> Any:
        return self.ask(queries.list_active, job_id=None if job is None else job.job_id).result()

    def metrics(self) -> Any:
        return queries.metrics(self.state, staged=0, staged_total=0, rejected_total=0)

    @property
    def books(self) -> Books:
        return queries.books(self.state)

    def shut_down(self, *, forced: bool = False) -> None:
        self.engine.begin_shutdown(self.now, forced=forced)
        self.check()

    def report(self) -> Any:
        return shutdown.shutdown_report(self.state, self.now)

    def check(self) -> None:
        check(self.state)

    # -- the workers

    def start(self) -> Attempt | None:
        """Have a worker take the next attempt, and return it if the worker could claim it."""
        attempt = self.dispatched.pop(0)
        if not attempt.claim(self.now, Scope()):
            self.engine.report(self.now, attempt)
            self.check()
            return None
        body_began(self.state, self.now, attempt)
        if self.state.listening[RunStarted]:
            attempt_started(self.state, self.now, attempt)
        self.executing.append(attempt)
        self.check()
        return attempt

    def start_all(self) -> list[Attempt]:
        """Have workers take all attempts in dispatch; return those that were claimed."""
        claimed = [self.start() for _ in range(len(self.dispatched))]
        return [attempt for attempt in claimed if attempt is not None]

    def begin(self, seconds: float = 0) -> list[Attempt]:
        """Let time pass, take a turn, and have all that was dispatched begin."""
        self.tick(seconds)
        return self.start_all()

    def end(
        self,
        attempt: Attempt,
        ending: AttemptResult = AttemptResult.RETURNED,
        *,
        value: Any = None,
        error: BaseException | None = None,
    ) -> None:
        """Have a worker report the end of an attempt."""
        self.executing.remove(attempt)
        attempt.end(self.now, ending, value=value, error=error)
        self.engine.report(self.now, attempt)
        self.check()

    def fail(self, attempt: Attempt, error: BaseException | None = None) -> None:
        """Have the function of an attempt raise."""
        self.end(attempt, AttemptResult.RAISED, error=ValueError("no") if error is None else error)

    def time_out(self, attempt: Attempt) -> None:
        """Have the deadline of an attempt strike, and the attempt end by it."""
        assert attempt.scope is not None
        attempt.scope.cancel()
        self.end(attempt, AttemptResult.TIMED_OUT)

    def cut_off(self, attempt: Attempt) -> None:
        """Have an attempt end by its cancelled scope."""
        assert attempt.scope is not None
        assert attempt.scope.cancel_called
        self.end(attempt, AttemptResult.CUT_OFF)

    # -- what happened

    def told(self, *kinds: type[Event]) -> list[Any]:
        """Return the events of some kinds, so far."""
        return [event for event in self.events if isinstance(event, kinds)]
