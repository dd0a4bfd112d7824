"""The counters: attempts, outcomes and durations. All other numbers are read from the tables."""

from typing import assert_never, final

from turnkeeper_trio._engine.rows import Attempt, AttemptResult
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.run import Outcome
from turnkeeper_trio.verdicts import CancelJob, Snooze


@final
class Counters:
    """Totals since the scheduler was opened. Durations are in microseconds."""

    __slots__ = (
        "admitted",
        "discarded_cancelled",
        "execution_count",
        "execution_sum",
        "lineage_cancelled",
        "outcomes",
        "planned",
        "queue_wait_count",
        "queue_wait_sum",
        "raised",
        "released",
        "retried",
        "returned_false",
        "snoozed",
        "submitted",
        "succeeded",
        "timed_out",
    )

    def __init__(self) -> None:
        self.submitted: int = 0
        self.planned: int = 0
        self.admitted: int = 0
        self.released: int = 0
        self.outcomes: dict[Outcome, int] = dict.fromkeys(Outcome, 0)
        self.lineage_cancelled: int = 0
        self.discarded_cancelled: int = 0
        self.succeeded: int = 0
        self.returned_false: int = 0
        self.raised: int = 0
        self.timed_out: int = 0
        self.retried: int = 0
        self.snoozed: int = 0
        self.execution_count: int = 0
        self.execution_sum: int = 0
        self.queue_wait_count: int = 0
        self.queue_wait_sum: int = 0

    def count(self, attempt: Attempt) -> None:
        """Count an attempt that executed and has ended."""
        self.execution_count += 1
        self.execution_sum += attempt.ended.loop - attempt.started.loop
        match attempt.ending:
            case AttemptResult.RETURNED if attempt.value is not False:
                self.succeeded += 1
            case AttemptResult.RETURNED:
                self.returned_false += 1
            case AttemptResult.RAISED | AttemptResult.FATAL:
                self.raised += 1
            case AttemptResult.TIMED_OUT:
                self.timed_out += 1
            case AttemptResult.VERDICT if guard.is_a(attempt.value, Snooze):
                self.snoozed += 1
            case AttemptResult.VERDICT if guard.is_a(attempt.value, CancelJob):
                self.succeeded += 1
            case AttemptResult.VERDICT:
                self.returned_false += 1
            case AttemptResult.CUT_OFF | AttemptResult.REVOKED | AttemptResult.CRASHED:
                pass
            case _:
                assert_never(attempt.ending)
