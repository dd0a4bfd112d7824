"""The plots: bars beside the floors and the peers, and the cost of one job against how many there are."""

from collections.abc import Iterable
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from suite.results import Result, Results
from suite.subjects import LOOPS, SUBJECTS

COLOURS = {
    "turnkeeper": "#1b6ca8",
    "turnkeeper-compiled": "#12a0a0",
    "floor-i": "#cccccc",
    "floor-iii": "#aaaaaa",
    "floor-v": "#777777",
    "floor-vi": "#444444",
    "apscheduler3": "#e08214",
    "apscheduler4": "#b35806",
    "taskiq": "#7b3294",
    "schedule": "#4d9221",
}
AGAINST_SIZE = (
    ("throughput", "cpu_us", "jobs", {"workers": 4}, "submission to outcome, 4 workers"),
    ("submit", "cpu_us", "jobs", {"way": "wait"}, "submission (add_job), due in an hour"),
    ("submit", "call_us", "jobs", {"way": "try"}, "a call of try_add_job, due in an hour"),
    ("control", "cancel_64_us", "pending", {}, "cancel_job, 64 in flight"),
    ("control", "update_64_us", "pending", {}, "update_job, 64 in flight"),
)
BARS = (
    ("throughput", "cpu_us", "µs of CPU a job, from submission to outcome"),
    ("own", "cpu_us", "µs of CPU a job with a request of its own, from submission to outcome"),
    ("steady", "cpu_us", "µs of CPU a run, 1,000 jobs each second"),
)
BARS_FROM = 10_000
"""Bars are drawn for so many jobs or more, where there are such."""

LINES = {"heap": "--"}


def draw(results: Results, folder: Path) -> list[str]:
    """Draw what there are results for, and return the names of the files."""
    drawn: dict[str, Figure] = {}
    for case, figure, label in BARS:
        settings = {str(result.settings): result.settings for result in results.of(case) if result.repeats}
        largest = max((each.get("jobs", 0) for each in settings.values()), default=0)
        for each in settings.values():
            if each.get("jobs", 0) >= min(largest, BARS_FROM):
                found = [result for result in results.of(case, **each) if result.repeats]
                name = "-".join([case, *(str(value) for value in each.values())])
                drawn[name] = _bars(found, figure, f"{label} ({found[0].where()})")
    for case, figure, size, settings, title in AGAINST_SIZE:
        series = _series(results.of(case, **settings), figure, size)
        if series:
            drawn[f"{case}-{figure}-against-{size}"] = _against_size(series, size, title)
    for name, picture in drawn.items():
        picture.savefig(folder / f"{name}.png", dpi=130)
        plt.close(picture)
    return [f"{name}.png" for name in drawn]


def _bars(found: list[Result], figure: str, title: str) -> Figure:
    shown = {loop: [result for result in reversed(found) if _loop(result.subject) == loop] for loop in LOOPS}
    shown = {loop: rows for loop, rows in shown.items() if rows}
    size = (5.2 * len(shown), 1.1 + 0.3 * max(map(len, shown.values())))
    picture, panels = plt.subplots(1, len(shown), figsize=size, sharex=True, squeeze=False, layout="constrained")
    for panel, (loop, rows) in zip(panels[0], shown.items(), strict=True):
        for row, result in enumerate(rows):
            middle, values = result.median(figure), result.values(figure)
            spread = [[middle - min(values)], [max(values) - middle]]
            colour = COLOURS[SUBJECTS[result.subject].brand]
            panel.barh(row, middle, color=colour, xerr=spread, error_kw={"ecolor": "black", "lw": 0.8})
            panel.text(max(values), row, f" {middle:.0f}", va="center", fontsize=8)
        panel.set_yticks(range(len(rows)), [_short(result.subject) for result in rows], fontsize=8)
        panel.margins(x=0.12)
        _dress(panel, loop, "µs of CPU")
    panels[0][0].set_xlim(left=0)  # of all, and not before all is drawn: it fixes the right end, too
    picture.suptitle(title, fontsize=11)
    return picture


def _series(found: Iterable[Result], figure: str, size: str) -> dict[str, list[tuple[int, float]]]:
    """Return the figure by size, by subject: the plain ones that were measured at more than one size."""
    series: dict[str, list[tuple[int, float]]] = {}
    for result in found:
        if result.values(figure) and SUBJECTS[result.subject].plain:
            series.setdefault(result.subject, []).append((result.settings[size], result.median(figure)))
    return {subject: sorted(points) for subject, points in series.items() if len(points) > 1}


def _against_size(series: dict[str, list[tuple[int, float]]], size: str, title: str) -> Figure:
    loops = [loop for loop in LOOPS if any(_loop(subject) == loop for subject in series)]
    shape = {"figsize": (4.2 * len(loops), 4.2), "sharex": True, "sharey": True, "squeeze": False}
    picture, panels = plt.subplots(1, len(loops), layout="constrained", **shape)
    labelled: dict[str, Line2D] = {}
    for panel, loop in zip(panels[0], loops, strict=True):
        for subject, points in series.items():
            if _loop(subject) == loop:
                colour, line = COLOURS[SUBJECTS[subject].brand], LINES.get(SUBJECTS[subject].variant, "-")
                sizes, costs = zip(*points, strict=True)
                labelled[_short(subject)] = panel.plot(sizes, costs, line, marker="o", ms=3, color=colour)[0]
        panel.set_xscale("log")
        _dress(panel, loop, size)
    panels[0][0].set_ylim(bottom=0)  # of all, and not before all is drawn: it fixes the top, too
    panels[0][0].set_ylabel("µs of CPU", fontsize=8)
    picture.legend(labelled.values(), labelled, loc="outside lower center", ncols=6, fontsize=8, frameon=False)
    picture.suptitle(title, fontsize=11)
    return picture


def _dress(panel: Axes, loop: str, label: str) -> None:
    panel.set_title(loop, fontsize=10)
    panel.set_xlabel(label, fontsize=8)
    panel.tick_params(labelsize=8)
    panel.spines[["top", "right"]].set_visible(False)


def _loop(subject: str) -> str:
    return SUBJECTS[subject].loop


def _short(subject: str) -> str:
    """Return the name without the loop, which the panel names."""
    return subject.replace(f"/{_loop(subject)}", "")
