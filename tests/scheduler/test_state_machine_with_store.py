"""The same with a store: after each turn its rows are the images of the tables, and a process may die at any time.

The next process is made from the rows alone. No run ends twice, whatever the number of processes that it took, and no
attempt begins of which the store was not told before.
"""

import random
from typing import Any
from uuid import UUID

import pytest
from control_machine import SECOND, Control
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from model_store import ModelStore

from turnkeeper_trio import OnConflict, RecurringJobRequest
from turnkeeper_trio._engine import control
from turnkeeper_trio._engine.engine import Engine, LoadedJob
from turnkeeper_trio._engine.rows import Attempt
from turnkeeper_trio._engine.state import Options
from turnkeeper_trio._engine.submission import Submission
from turnkeeper_trio._model.stored import JobChange, Opened, Refusal, RunState, StoredJob
from turnkeeper_trio._model.times import Now
from turnkeeper_trio.events import Wanted
from turnkeeper_trio.jobs._stored_definition import DefinitionCodec

CODEC = DefinitionCodec()


class WithStore(Control):
    """The rules of the engine, and those of a store and of processes that die."""

    def _engine(self, options: Options) -> Engine:
        if not hasattr(self, "store"):
            self.store = ModelStore()
            self.settings: dict[str, str] = {}
            self.refuse_next = False
        return Engine(options, new_id=lambda: UUID(int=next(self.ids)), rng=random.Random(0), definitions=CODEC)

    def _submission(
        self, job_id: UUID, request: RecurringJobRequest, on_conflict: OnConflict = OnConflict.UPDATE
    ) -> Submission:
        text = CODEC.encode(request, "target", (), None)
        return Submission(job_id, request, "target", (), None, on_conflict, definition=text)

    def _definition(self, changed: dict[str, Any]) -> Any:
        return CODEC.changes(changed)

    # -- what the keeper does

    def _commit(self) -> None:
        changes = self.engine.take_changes(self.now)
        for name, text in self.engine.take_settings().items():
            if text is None:
                self.settings.pop(name, None)
            else:
                self.settings[name] = text
        refused: list[JobChange] = []
        self.again = False
        if self.refuse_next and changes:
            self.refuse_next = False
            refused = [change for change in changes if change.image is not None and not change.release][:1]
        self.store.apply(change for change in changes if change not in refused)
        for change in refused:
            self.store.rows.pop(change.job_id, None)  # It is another's, and does not come back.
        self.engine.settle(self.now, [Refusal(change.change_id, "not yours") for change in refused])
        self.again = bool(refused)
        self._checked()
        self.store.check(self.state)
        for attempt in self.state.effects.assignments:
            row = self.store.rows[attempt.run.job.job_id].runs[attempt.run.occurrence.entry]
            assert row.state is RunState.STARTED, "it would begin, and the store does not know"
            assert row.attempts == attempt.number

    def _admit(self, jobs: list[StoredJob]) -> None:
        for stored in jobs:
            read = CODEC.decode(stored.definition.text)
            schedule = CODEC.read_bound(read.request.schedule, stored.definition.bound)
            loaded = LoadedJob(stored, read.request, schedule, read.target, read.args, None, True)
            self.engine.admit(self.now, loaded)
            self._checked()

    def _fetch(self, *job_ids: UUID) -> None:
        self._admit(self.store.claim(job_ids))

    def _before_turn(self) -> None:
        if self.state.closing is not None:
            return
        horizon = self.options.horizon
        due = [
            job_id
            for job_id, row in self.store.rows.items()
            if row.image.wake_at is not None and (horizon is None or row.image.wake_at <= self.now.wall + horizon)
        ]
        self._admit(self.store.claim(due))
        left = [row.image.wake_at for row in self.store.rows.values() if not row.owned]
        self.state.change_log.elsewhere = any(at is not None for at in left)

    # -- what may go wrong

    @rule(seconds=st.sampled_from([0, 1, 10, 100]))
    def crash(self, seconds: int) -> None:
        """The process dies, and another one opens the store."""
        self.store.crash()
        self._open_again(seconds)

    @precondition(lambda self: not self.executing)
    @rule(seconds=st.sampled_from([0, 1, 100]), forced=st.booleans())
    def restart(self, seconds: int, forced: bool) -> None:
        """The scheduler is shut down, and another one opens the store: it ends nothing."""
        self.turn(0)
        ended = len(self.ended)
        self.engine.begin_shutdown(self.now, forced=forced)
        self.turn(0)
        while self.dispatched:
            assert not self.dispatched[0].claim(self.now, _NoScope())
            self.engine.report(self.now, self.dispatched.pop(0))
        self.turn(0)
        assert self.engine.closed
        assert not self.state.jobs
        assert len(self.ended) == ended, "the shutdown ended something"
        assert not any(row.owned for row in self.store.rows.values())
        self._open_again(seconds)

    def _open_again(self, seconds: int) -> None:
        self.engine = self._engine(self.options)
        self.state = self.engine.state
        self.state.listening = Wanted(lambda _: True)
        self.now = Now(self.now.wall + seconds * SECOND, 7 * SECOND)
        self.dispatched.clear()
        self.executing.clear()
        self.waiting.clear()
        self.beside.clear()
        self.pausing = {control.ALL} if control.PAUSED_ALL in self.settings else set()
        self.told.clear()
        last = max((row.seq for row in self.store.rows.values()), default=0)
        self.engine.resume(Opened(last_seq=last, settings=self.settings))

    @rule()
    def lose(self) -> None:
        """In the next turn the store refuses a change, because the job is another scheduler's now."""
        self.refuse_next = True

    @rule()
    def pause_everything(self) -> None:
        """Pause all jobs for good."""
        self._ask(control.pause_all, control.ALL, note="", wait=False)
        self.pausing.add(control.ALL)

    @rule()
    def resume_everything(self) -> None:
        """End that pause."""
        self._ask(control.resume_all, control.ALL)
        self.pausing.discard(control.ALL)

    # -- what differs from an engine without a store

    def _look_at_answers(self) -> None:
        """Who waits for what is lost or left to the store is told so; else as without a store."""
        if self.state.closing is None:
            gone = [each for each in self.waiting if each[2].answered and isinstance(each[2].answer, Exception)]
            self.waiting = [each for each in self.waiting if each not in gone]
            super()._look_at_answers()
        elif self.engine.closed:
            assert all(caller.answered for _, _, caller in self.waiting)
            self.waiting.clear()


class _NoScope:
    cancel_called = False

    def cancel(self) -> None:
        raise AssertionError


_ = (Any, Attempt)

WithStore.TestCase.settings = settings(
    settings.get_profile(settings._current_profile), stateful_step_count=50, deadline=None
)


@pytest.mark.timeout(40)
class TestWithStore(WithStore.TestCase):  # type: ignore[misc,name-defined]
    """Run it."""
