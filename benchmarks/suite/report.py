"""The report: targets met or not, then every figure of every case, as Markdown."""

from collections.abc import Iterator

from suite import cases
from suite.results import Result, Results
from suite.targets import TARGETS, Figure, Target


def written(results: Results, plots: list[str]) -> str:
    """Return it; the plots are shown at the end."""
    shown = [line for plot in plots for line in ("", f"![{plot}]({plot})")]
    return "\n".join([*_head(results), *_targets(results), *_cases(results), "", "## Plots", *shown]) + "\n"


def _head(results: Results) -> Iterator[str]:
    machine = results.machine
    repeats = max((len(result.repeats) for result in results.results), default=0)
    times = "once" if repeats == 1 else f"{repeats} times"
    yield "# Benchmarks"
    yield ""
    yield (
        f"{machine['python']} on {machine['system']}, {machine['processor']}, {machine['cores']} cores; commit "
        f"{machine['commit']}; begun {machine['began']}. A {results.scale} run: each measurement was made {times}, "
        f"each time in a fresh process; figures are medians, with their range."
    )
    for name, packages in machine["packages"].items():
        yield ""
        yield f"Environment `{name}`: " + ", ".join(f"{package} {version}" for package, version in packages.items())
    for name in machine.get("absent", []):
        yield ""
        yield f"Environment `{name}`: absent, so its subjects were not measured."


def _targets(results: Results) -> Iterator[str]:
    yield from ("", "## Targets", "", "| what | on | target | measured, at worst | met |", "|---|---|---|---|---|")
    for target in TARGETS:
        for loop in target.loops:
            worst = target.worst(results, loop)
            if worst is not None:
                met = "yes" if target.met(worst[1]) else "**no**"
                yield f"| {target.what} | {loop} | {_limit(target)} | {_shown(target, *worst)} | {met} |"


def _limit(target: Target) -> str:
    return f"{'at least' if target.at_least else 'at most'} {target.limit:g} {target.unit}".strip()


def _shown(target: Target, figure: Figure, value: float) -> str:
    number = f"{value:.0f}" if target.unit in {"B", "MB", ""} else f"{value:.3g}"
    where = f" ({figure.where()})" if len(target.figures) > 1 else ""
    return f"{number} {target.unit}".strip() + where


def _cases(results: Results) -> Iterator[str]:
    for name in cases.NAMES:
        found = list(results.of(name))
        if not found:
            continue
        case = cases.case(name)
        yield from ("", f"## {name}", "", case.__doc__.strip())
        for figure, unit in case.FIGURES.items():
            if any(result.values(figure) for result in found):
                yield from ("", f"### {unit}", "")
                yield from _table(found, figure)


def _table(found: list[Result], figure: str) -> Iterator[str]:
    columns = sorted({result.where() for result in found if result.values(figure)}, key=_natural)
    yield "| subject | " + " | ".join(columns) + " |"
    yield "|---|" + "---:|" * len(columns)
    rows: dict[str, dict[str, str]] = {}
    for result in found:
        if result.values(figure) or result.errors:
            rows.setdefault(result.subject, {})[result.where()] = _cell(result, figure)
    for subject, cells in rows.items():
        yield f"| {subject} | " + " | ".join(cells.get(column, "") for column in columns) + " |"


def _natural(column: str) -> list:
    """Sort numbers as numbers."""
    return [(0, int(word), "") if word.isdigit() else (1, 0, word) for word in column.replace(",", "").split()]


def _cell(result: Result, figure: str) -> str:
    values = result.values(figure)
    if not values:
        return "failed"
    middle, low, high = (_number(value) for value in (result.median(figure), min(values), max(values)))
    return middle if low == high else f"{middle} ({low} … {high})"


def _number(value: float) -> str:
    if value == int(value) or abs(value) >= 1000:  # noqa: PLR2004  (no decimals)
        return f"{value:,.0f}"
    return f"{value:.3g}"
