"""What was measured: every repeat of every figure, kept as JSON."""

import json
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

ONE = {"processes": "process"}


def told(settings: dict) -> str:
    """Tell settings as people read them."""
    return ", ".join(_told(name, value) for name, value in settings.items())


def _told(name: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,} {ONE.get(name, name.removesuffix('s')) if value == 1 else name}"


@dataclass
class Result:
    """What one subject cost in one case with some settings, each time it was measured."""

    case: str
    subject: str
    settings: dict
    repeats: list[dict[str, float]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    sitting: int = 0
    """In which sitting it was measured last: its place in `Results.sittings`."""
    seconds: float = 0.0
    """How long its last measurement took, with all that is around it."""

    def key(self) -> tuple[str, str, str]:
        """Return what no other result has: which case, which subject, which settings."""
        return (self.case, self.subject, json.dumps(self.settings, sort_keys=True))

    def values(self, figure: str) -> list[float]:
        """Return a figure of each repeat."""
        return [repeat[figure] for repeat in self.repeats if figure in repeat]

    def where(self) -> str:
        """Tell the settings."""
        return told(self.settings)

    def median(self, figure: str) -> float | None:
        """Return the median of a figure; ``None`` if it was not measured."""
        values = self.values(figure)
        return statistics.median(values) if values else None


@dataclass
class Results:
    """All of one run of the suite, and what was measured again or later and put with it."""

    sittings: list[dict]
    """On what they were measured, and when: facts of each time that the suite was started for them."""
    scale: str
    results: list[Result] = field(default_factory=list)

    def of(self, case: str, subject: str | None = None, **settings) -> Iterator[Result]:
        """Find results by case, and by subject and some of the settings."""
        for result in self.results:
            if (
                result.case == case
                and subject in (None, result.subject)
                and settings.items() <= result.settings.items()
            ):
                yield result

    def median(self, case: str, subject: str, figure: str, **settings) -> float | None:
        """Return the median of one figure; ``None`` if it was not measured."""
        found = [result.median(figure) for result in self.of(case, subject, **settings)]
        return found[0] if found else None

    def save(self, path: Path) -> None:
        """Write them to a file; whatever happens, the file holds them as they are now or as they were before."""
        written = path.with_suffix(".new")
        written.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        written.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Results":
        """Read them from a file."""
        raw = json.loads(path.read_text(encoding="utf-8"))
        return cls(raw["sittings"], raw["scale"], [Result(**each) for each in raw["results"]])

    def join(self, facts: dict, planned: list[Result], *, again: bool) -> list[Result]:
        """Put with them what is planned for another sitting, and return what is to be measured in it.

        What is there already is kept, and goes on where it was cut off; with ``again``, it is measured from the start.
        """
        self.sittings.append(facts)
        known = {result.key(): result for result in self.results}
        for result in planned:
            found = known.setdefault(result.key(), result)
            found.errors.clear()
            if again:
                found.repeats.clear()
        self.results = list(known.values())
        return [known[result.key()] for result in planned]
