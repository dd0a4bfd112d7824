"""The report: targets met or not, then every figure of every case, as Markdown."""

from collections.abc import Iterator

from suite import cases
from suite.results import Result, Results
from suite.subjects import SUBJECTS
from suite.targets import TARGETS, Figure, Target


def written(results: Results, plots: list[str]) -> str:
    """Return it; the plots are shown at the end."""
    shown = [line for plot in plots for line in ("", f"![{plot}]({plot})")]
    return "\n".join([*_head(results), *_targets(results), *_cases(results), "", "## Plots", *shown]) + "\n"


def _head(results: Results) -> Iterator[str]:
    yield from ("# Benchmarks", "")
    yield from machine_lines(results)


def machine_lines(results: Results) -> Iterator[str]:
    """Say on what it was measured, and when, and how often."""
    first = results.sittings[0]
    repeats = sorted({len(result.repeats) for result in results.results} - {0})
    times = " or ".join(map(str, repeats)) + (" time" if repeats == [1] else " times")
    yield (
        f"{first['python']} on {first['system']}, {first['processor']}, {first['cores']} cores; commit "
        f"{first['commit']}; begun {first['began']}. A {results.scale} run: each measurement was made {times}, "
        f"each time in a fresh process; figures are medians."
    )
    if results.scale == "smoke":
        yield from ("", "**It is so small that its figures mean nothing:** all it says is that everything still works.")
    for number, later in enumerate(results.sittings[1:], 1):
        count = sum(result.sitting == number for result in results.results)
        if count:
            yield ""
            yield (
                f"{count} of {len(results.results)} measurements are of a later sitting: {later['python']}, "
                f"{later['processor']}, commit {later['commit']}; begun {later['began']}."
            )
    for name, packages in first["packages"].items():
        yield ""
        yield f"Environment `{name}`: " + ", ".join(f"{package} {version}" for package, version in packages.items())
    measured = {SUBJECTS[result.subject].environment for result in results.results}
    for name in set(first["absent"]) - measured:
        yield ""
        yield f"Environment `{name}`: absent, so its subjects were not measured."


def _targets(results: Results) -> Iterator[str]:
    yield from ("", "## Targets", "")
    yield from targets_lines(results, where=True)


def targets_lines(results: Results, *, where: bool) -> Iterator[str]:
    """Say of each target what was measured, at worst, and whether it is met; with ``where``, at which point."""
    loops = ("trio", "asyncio")
    counts = dict.fromkeys(("met", "missed", "not measured"), 0)
    mixed = False
    yield "| what | code | target | " + " | ".join(loops) + " |"
    yield "|---|---|---|" + "---:|" * len(loops)
    for target in TARGETS:
        cells = []
        for loop in loops:
            if loop not in target.loops:
                cells.append("")
                continue
            worst = target.worst(results, loop)
            verdict = "not measured" if worst is None else "met" if target.met(worst[1]) else "missed"
            counts[verdict] += 1
            if worst is None:
                cells.append(verdict)
                continue
            apart = len(worst[0].sittings(results, loop)) > 1
            mixed |= apart
            shown = _shown(target, *worst, where=where) + (" †" if apart else "")
            cells.append(f"{shown}, met" if verdict == "met" else f"**{shown}, missed**")
        yield f"| {target.what} | {target.code} | {_limit(target)} | " + " | ".join(cells) + " |"
    yield ""
    yield f"{counts['met']} met, {counts['missed']} missed" + (
        f", {counts['not measured']} not measured." if counts["not measured"] else "."
    )
    if mixed:
        yield ""
        yield "† What is compared was measured in two sittings: this ratio says less than one within a sitting."


def _limit(target: Target) -> str:
    return f"{'at least' if target.at_least else 'at most'} {target.limit:g} {target.unit}".strip()


def _shown(target: Target, figure: Figure, value: float, *, where: bool) -> str:
    number = f"{value:.0f}" if target.unit in {"B", "MB", ""} else f"{value:.3g}"
    point = f" ({figure.where()})" if where and len(target.figures) > 1 else ""
    return f"{number} {target.unit}".strip() + point


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
