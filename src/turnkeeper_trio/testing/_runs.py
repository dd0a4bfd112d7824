"""`Runs`: a sequence of records, with the questions and assertions of a test."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final, Self, final, overload

import pendulum

from turnkeeper_trio._model.run import Outcome, RunRecord
from turnkeeper_trio._model.times import instant_us
from turnkeeper_trio.testing._log_lines import Expected, Local, LogLine, line_of

__all__ = ["Runs"]


@final
class Runs(Sequence[RunRecord]):
    """Records in the order of time: of runs by their start, of occurrences that did not run by their instant."""

    def __init__(self, records: Sequence[RunRecord], *, timezone: str = "UTC") -> None:
        """Make a sequence of ``records``, in the order of time; instants are shown in ``timezone``."""
        self._records: Final = sorted(records, key=lambda record: instant_us(record.started_at or record.scheduled_at))
        self._local: Final = Local(timezone)

    @overload
    def __getitem__(self, index: int) -> RunRecord: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> RunRecord | Self:
        if isinstance(index, slice):
            return type(self)(self._records[index], timezone=self._local.timezone)
        return self._records[index]

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return "\n".join([f"<Runs: {len(self)} ({self._local.timezone})>", *self.lines])

    def of(self, name: str | None) -> Self:
        """Return the records of jobs with this name; all records for ``None``."""
        kept = [record for record in self if name is None or record.name == name]
        return type(self)(kept, timezone=self._local.timezone)

    def with_outcome(self, *outcomes: Outcome | str) -> Self:
        """Return the records with one of these outcomes."""
        wanted = {Outcome(outcome) for outcome in outcomes}
        kept = [record for record in self if record.outcome in wanted]
        return type(self)(kept, timezone=self._local.timezone)

    @property
    def ran(self) -> Self:
        """The records of runs that began."""
        kept = [record for record in self if record.started_at is not None]
        return type(self)(kept, timezone=self._local.timezone)

    @property
    def started(self) -> list[pendulum.DateTime]:
        """When each run began, in the timezone; occurrences that did not run are left out."""
        return [self._local.convert(record.started_at) for record in self if record.started_at is not None]

    @property
    def labels(self) -> list[str]:
        """When each run began, as text such as ``"2026-03-30 09:00"``; occurrences that did not run are left out."""
        return [self._local.show(instant_us(started)) for started in self.started]

    @property
    def scheduled(self) -> list[pendulum.DateTime]:
        """The instant of each occurrence, in the timezone."""
        return [self._local.convert(record.scheduled_at) for record in self]

    @property
    def outcomes(self) -> list[Outcome]:
        """The outcome of each record."""
        return [record.outcome for record in self]

    @property
    def lateness(self) -> list[float]:
        """How late each run began, in seconds; occurrences that did not run are left out."""
        return [record.lateness for record in self if record.lateness is not None]

    @property
    def values(self) -> list[object]:
        """What each run returned; occurrences that did not run are left out."""
        return [record.value for record in self.ran]

    @property
    def lines(self) -> list[str]:
        """The lines of the records, in the form that `assert_run_log` reads."""
        return [line.text for line in self._lines()]

    def _lines(self) -> Iterator[LogLine]:
        return (line_of(record, self._local) for record in self)

    def assert_succeeded(self) -> None:
        """Assert that there are runs, and that each occurrence ran and succeeded.

        Raises:
            AssertionError: There are no runs, or some occurrences did not succeed; the message shows these.
        """
        self._assert_none("did not succeed", [line for line in self._lines() if line.outcome != "ok"])

    def assert_on_time(self, *, tolerance: float = 0.0) -> None:
        """Assert that there are runs, and that each began at its instant, or at most ``tolerance`` seconds late.

        Raises:
            AssertionError: There are no runs, or some began later; the message shows these.
        """
        late = [record for record in self.ran if record.lateness is not None and record.lateness > tolerance]
        self._assert_none(f"began more than {tolerance:g} s late", [line_of(record, self._local) for record in late])

    def _assert_none(self, problem: str, lines: list[LogLine]) -> None:
        if not self.ran:
            raise AssertionError("there are no runs")
        if lines:
            shown = "\n".join(f"  {line.text}" for line in lines)
            raise AssertionError(f"{len(lines)} of {len(self)} {problem} ({self._local.timezone}):\n{shown}")

    def assert_log(self, expected: str) -> None:
        """Assert that the records have the expected lines; `assert_run_log` says how they are written.

        Raises:
            AssertionError: The lines differ; the message is the difference.
            ConfigurationError: A line of ``expected`` cannot be read.
        """
        __tracebackhide__ = True
        wanted = [Expected(line) for line in map(str.strip, expected.splitlines()) if line and line[0] != "#"]
        happened = list(self._lines())
        if not _matches(wanted, happened):
            head = f"the run log is not as expected ({self._local.timezone}; - expected, + happened):"
            raise AssertionError("\n".join([head, *_difference(wanted, happened)]))


def _matches(wanted: list[Expected], happened: list[LogLine]) -> bool:
    """Return whether the lines are as expected; ``...`` stands for any number of lines."""
    if not any(line.anything for line in wanted):
        return len(wanted) == len(happened) and all(map(Expected.fits, wanted, happened))
    # For each number of expected lines, from the first on: with which numbers of lines that happened they can fit.
    fitting = {0}
    for line in wanted:
        if line.anything:
            fitting = set(range(min(fitting), len(happened) + 1))
        else:
            fitting = {at + 1 for at in fitting if at < len(happened) and line.fits(happened[at])}
        if not fitting:
            return False
    return len(happened) in fitting


def _difference(wanted: list[Expected], happened: list[LogLine]) -> Iterator[str]:
    """Yield the lines of the difference: those that fit, those that were expected (-) and those that happened (+)."""
    left, right = [line.key for line in wanted], [line.key for line in happened]
    for tag, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag == "equal":
            for line, other in zip(wanted[a:b], happened[c:d], strict=True):
                if line.fits(other):
                    yield f"    {line.text}"
                else:
                    yield f"  - {line.text}"
                    yield f"  + {other.text}"
            continue
        missing = [(line.key[0], f"{'    ' if line.anything else '  - '}{line.text}") for line in wanted[a:b]]
        excess = [(line.key[0], f"  + {line.text}") for line in happened[c:d]]
        both = missing + excess
        if not any(line.anything for line in wanted[a:b]):
            # In the order of time, so that a run is beside the one that was expected in its place.
            both.sort(key=lambda line: line[0])
        yield from (text for _, text in both)
