"""What was measured: every repeat of every figure, kept as JSON."""

import json
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path


def told(settings: dict) -> str:
    """Tell settings as people read them."""
    return ", ".join(
        value if isinstance(value, str) else f"{value:,} {name.removesuffix('s') if value == 1 else name}"
        for name, value in settings.items()
    )


@dataclass
class Result:
    """What one subject cost in one case with some settings, each time it was measured."""

    case: str
    subject: str
    settings: dict
    repeats: list[dict[str, float]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

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
    """All of one run of the suite."""

    machine: dict
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
        """Write them to a file."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Results":
        """Read them from a file."""
        raw = json.loads(path.read_text(encoding="utf-8"))
        return cls(raw["machine"], raw["scale"], [Result(**each) for each in raw["results"]])
