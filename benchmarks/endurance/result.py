"""What a part has found: numbers, series to plot, and checks that passed or failed."""

from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass
class Check:
    """A claim, whether it held, and what was found."""

    claim: str
    passed: bool
    found: str


@dataclass
class Result:
    """What one case of one part has found on one back end."""

    part: str
    backend: str
    case: str = ""
    numbers: dict[str, Any] = field(default_factory=dict)
    series: dict[str, list[Any]] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Which case it is."""
        return ", ".join(filter(None, (self.part, self.case, self.backend)))

    def check(self, claim: str, found: object, *, passed: bool) -> None:
        """Note whether a claim held."""
        self.checks.append(Check(claim, bool(passed), str(found)))

    def add_sample(self, **values: Any) -> None:
        """Add a value to each of these series."""
        for name, value in values.items():
            self.series.setdefault(name, []).append(value)

    def check_no_growth(self, name: str, *, factor: float, slack: float, quarters: tuple[int, int] = (1, 3)) -> None:
        """Check that the median of a series in its last quarter is not much above that in an earlier one."""
        values = self.series[name]
        quarter = max(len(values) // 4, 1)
        earlier, last = (median(values[number * quarter : (number + 1) * quarter]) for number in quarters)
        bound = earlier * factor + slack
        which = ("first", "second")[quarters[0]]
        allowed = f"at most {factor:g} times that of the {which}, plus {slack:g}"
        claim = f"{name}: the median of the last quarter is {allowed}"
        self.check(claim, f"{last:.6g}, and before {earlier:.6g}", passed=last <= bound)


def percentile(values: list[float], share: float) -> float:
    """Return the least value that at least this share of the values does not exceed; 0 where there are none."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)] if values else 0.0
