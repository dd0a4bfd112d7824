"""The plots: one picture a part, the back ends beside each other."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from .burst import LONGEST_MS
from .result import Result

mpl.rcParams |= {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.titlesize": "medium",
    "legend.frameon": False,
    "legend.fontsize": "small",
    "figure.titlesize": "large",
}
BLUE, ORANGE, GREEN, RED, GREY = "#3070b0", "#d98a1f", "#2c8c5a", "#b8402f", "#888888"


def plot(results: Sequence[Result], folder: Path) -> list[Path]:
    """Draw a picture of each part that has results."""
    drawn: list[Path] = []
    for part, draw in (("day", _day), ("soak", _soak), ("burst", _burst)):
        of_part = [result for result in results if result.part == part and result.series]
        if of_part:
            figure = draw(of_part)
            drawn.append(folder / f"endurance-{part}.png")
            figure.savefig(drawn[-1], dpi=130)
            plt.close(figure)
    return drawn


def _grid(rows: Sequence[str], results: Sequence[Result], heights: Sequence[float]) -> tuple[Any, Any]:
    """Return a figure with a row for each label and a column for each result."""
    figure, axes = plt.subplots(
        len(rows),
        len(results),
        squeeze=False,
        sharex="col",
        sharey="row",
        figsize=(max(5.4 * len(results), 6.5), 1.2 + sum(heights)),
        layout="constrained",
        height_ratios=heights,
    )
    for label, row in zip(rows, axes, strict=True):
        row[0].set_ylabel(label)
    return figure, axes


def _finding(good: str, bad: str, results: Sequence[Result]) -> str:
    failed = [result.backend for result in results if not all(check.passed for check in result.checks)]
    return f"{bad} ({', '.join(dict.fromkeys(failed))})" if failed else good


def _day(results: Sequence[Result]) -> Any:
    labels = ("memory (RSS, MiB)", "Python blocks\n(thousands)", "tasks", "runs (pending,\nactive)", "remembered")
    figure, axes = _grid(labels, results, [1.5, 1.5, 1.1, 1.3, 1.3])
    for column, result in enumerate(results):
        series, numbers = result.series, result.numbers
        hours = series["hour"]
        _line(axes[0][column], hours, series["rss_mib"], BLUE)
        _line(axes[1][column], hours, [blocks / 1000 for blocks in series["blocks"]], BLUE)
        _line(axes[2][column], hours, series["tasks"], ORANGE)
        _line(axes[3][column], hours, series["pending"], GREY, "pending")
        _line(axes[3][column], hours, series["active"], GREEN, "active")
        _line(axes[4][column], hours, series["history"], BLUE, "runs that ended")
        _line(axes[4][column], hours, series["jobs_ended"], ORANGE, "jobs that ended")
        axes[0][column].set_title(
            f"{result.backend}: {numbers['runs']:,} runs, {numbers['cpu_us_per_run']:.0f} µs of processor time each"
        )
        axes[-1][column].set_xlabel("virtual time (hours)")
    for row in axes:
        _from_zero(row)
    for row in (3, 4):
        axes[row][0].legend(loc="upper left", ncols=2)
    runs = sum(result.numbers["runs"] for result in results)
    hours = results[0].numbers["hours"]
    good = f"{hours:g} hours of mixed load, {runs:,} runs: nothing grows, nothing is lost, nothing is left"
    figure.suptitle(_finding(good, f"{hours:g} hours of mixed load: a check failed", results))
    return figure


def _soak(results: Sequence[Result]) -> Any:
    labels = ("lateness (ms)", "memory (RSS, MiB)", "tasks", "runs executing")
    figure, axes = _grid(labels, results, [2.4, 1.2, 1.1, 1.1])
    for column, result in enumerate(results):
        series, minutes = result.series, result.series["period_end_minute"]
        top: Axes = axes[0][column]
        for name, colour, label in (
            ("p99_ms", RED, "jobs, p99"),
            ("p50_ms", BLUE, "jobs, p50"),
            ("control_p99_ms", ORANGE, "bare sleep, p99"),
            ("control_p50_ms", GREY, "bare sleep, p50"),
        ):
            top.plot(minutes, series[name], color=colour, label=label, marker="o", markersize=3)
        _logarithmic(top)
        share = 100 * result.numbers["cpu_share"]
        top.set_title(f"{result.backend}: {result.numbers['runs_per_s']:.0f} runs/s, {share:.0f} % of a core")
        for row, name, colour in ((1, "rss_mib", BLUE), (2, "tasks", ORANGE), (3, "executing", GREEN)):
            _line(axes[row][column], series["minute"], series[name], colour)
        axes[-1][column].set_xlabel("time (minutes)")
    axes[0][0].set_ylim(top=3 * axes[0][0].get_ylim()[1])
    axes[0][0].legend(loc="upper left", ncols=2)
    for row in axes[1:]:
        _from_zero(row)
    minutes = results[0].numbers["minutes"]
    good = f"{minutes:g} minutes of busy load on the real clock: lateness does not grow"
    figure.suptitle(_finding(good, f"{minutes:g} minutes of busy load on the real clock: a check failed", results))
    return figure


def _burst(results: Sequence[Result]) -> Any:
    cases = list(dict.fromkeys(result.case for result in results))
    backends = list(dict.fromkeys(result.backend for result in results))
    figure, axes = plt.subplots(
        len(cases),
        len(backends),
        squeeze=False,
        sharey=True,
        figsize=(max(5.6 * len(backends), 6.5), 1 + 2.1 * len(cases)),
        layout="constrained",
    )
    for result in results:
        axis: Axes = axes[cases.index(result.case)][backends.index(result.backend)]
        _gaps(axis, result)
    for row in axes:
        row[0].set_ylabel("gap (ms)")
    for axis in axes[-1]:
        axis.set_xlabel("time since the instant (s)")
    axes[0][0].set_ylim(0.05, 2000)
    axes[0][0].legend(loc="upper right", ncols=4)
    jobs = results[0].numbers["jobs"]
    own = max(result.numbers["gap_without_gc_cpu_ms"] for result in results)
    full = max(result.numbers["gc_full_ms"] for result in results)
    finding = f"the loop is busy for at most {own:.0f} ms of processor time at a stretch"
    if full:
        finding += f",\na full garbage collection stops it for up to {full:.0f} ms"
    figure.suptitle(f"{jobs:,} jobs due at one instant: {finding}")
    return figure


def _gaps(axis: Axes, result: Result) -> None:
    series, numbers = result.series, result.numbers
    axis.vlines(series["gc_full_at_s"], 0.05, series["gc_full_ms"], color=RED, alpha=0.5, label="full collection")
    axis.plot(series["second"], series["gap_ms"], ".", color=ORANGE, markersize=4, label="with collections")
    axis.plot(series["second"], series["gap_without_gc_ms"], ".", color=BLUE, markersize=3, label="without")
    axis.axhline(LONGEST_MS, color=GREY, linestyle="--", linewidth=1, label=f"{LONGEST_MS:g} ms")
    _logarithmic(axis)
    axis.set_title(
        f"{result.backend}, {result.case}: first start {numbers['first_start_ms']:.0f} ms late, "
        f"all in {numbers['all_started_s']:.1f} s"
    )


def _logarithmic(axis: Axes) -> None:
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())


def _from_zero(row: Sequence[Axes]) -> None:
    """Have the axis of a row begin at zero, with room above for a legend."""
    most = max(max(line.get_ydata()) for axis in row for line in axis.get_lines())
    row[0].set_ylim(0, 1.35 * most or 1)


def _line(axis: Axes, along: Sequence[float], values: Sequence[float], colour: str, label: str = "") -> None:
    axis.plot(along, values, color=colour, linewidth=1.3, label=label)
