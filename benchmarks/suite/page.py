"""The tables of `docs/performance.md`, which are written from the results; what is between them is written by hand.

A table stands between two comments, ``<!-- measured: WHAT -->`` and ``<!-- end -->``. WHAT is ``machine``, ``targets``,
or a case, a figure and some of the settings, such as ``own cpu_us workers=4 jobs=10000``: a row for each subject, and a
column for each event loop. With several figures, such as ``control cancel_1_us,update_1_us pending=10000``, there is a
column for each, and a row for each subject on each event loop. What was not measured stays as it is, and is named on
stderr.
"""

import re
import shutil
import sys
from pathlib import Path

from suite import cases, report
from suite.results import Result, Results
from suite.subjects import LOOPS, SUBJECTS

PART = re.compile(r"(<!-- measured: (.+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
PICTURES = {"performance-throughput.png": "throughput-4-10000.png", "performance-own.png": "own-4-10000.png"}
"""Which of the plots a picture of the page is; those that the page shows are copied beside it."""

CALLED = {
    "turnkeeper/handle": "this library",
    "turnkeeper/heap": "the same, `BINARY_HEAP`",
    "turnkeeper/handle/ahead": "the same, dispatch buffer = workers",
    "turnkeeper-compiled/handle": "this library, compiled",
    "floor-i": "floor (i)",
    "floor-iii": "floor (iii)",
    "floor-v": "floor (v)",
    "floor-vi": "floor (vi)",
    "apscheduler3": "APScheduler 3",
    "apscheduler3/equipped": "APScheduler 3, with limit and timeout",
    "apscheduler4": "APScheduler 4",
    "apscheduler4/direct": "APScheduler 4, `add_job` past the schedules",
    "taskiq": "taskiq, in memory",
    "schedule": "`schedule` in a task",
}
"""What the page calls a subject; it leaves out the others."""


def write(results: Results, out: Path, page: Path) -> None:
    """Fill in the tables of a page, and copy the pictures that it shows."""

    def filled(part: re.Match[str]) -> str:
        lines = _lines(results, part[2])
        if not lines:
            print(f"{page}: nothing was measured for {part[2]!r}; it stays as it is", file=sys.stderr)
            return part[0]
        return part[1] + "\n" + "\n".join(lines) + "\n\n" + part[4]

    text = PART.sub(filled, page.read_text(encoding="utf-8"))
    page.write_text(text, encoding="utf-8")
    for picture, plot in PICTURES.items():
        if f"({picture})" in text and (out / plot).exists():
            shutil.copyfile(out / plot, page.with_name(picture))


def _lines(results: Results, what: str) -> list[str]:
    if what == "machine":
        return list(report.machine_lines(results))
    if what == "targets":
        return list(report.targets_lines(results, where=False))
    case, figures, *wanted = what.split()
    settings = dict(setting.split("=", 1) for setting in wanted)
    found = [
        result
        for result in results.of(case)
        if all(str(result.settings.get(name)) == value for name, value in settings.items())
    ]
    return _table(found, figures.split(",")) if any(map(_called, found)) else []


def _table(found: list[Result], figures: list[str]) -> list[str]:
    rows: dict[str, dict[str, str]] = {}
    for result in found:
        name, loop = _called(result), SUBJECTS[result.subject].loop
        for figure in figures:
            middle = result.median(figure)
            if name and middle is not None:
                row, column = (name, loop) if len(figures) == 1 else (f"{name}, {loop}", _label(result, figure))
                rows.setdefault(row, {})[column] = _number(middle)
    columns = list(LOOPS) if len(figures) == 1 else [_label(found[0], figure) for figure in figures]
    columns = [column for column in columns if any(column in cells for cells in rows.values())]
    order = [name + end for name in CALLED.values() for end in ("", *(f", {loop}" for loop in LOOPS))]
    return [
        "| | " + " | ".join(columns) + " |",
        "|---|" + "---:|" * len(columns),
        *(
            f"| {name} | " + " | ".join(rows[name].get(column, "") for column in columns) + " |"
            for name in sorted(rows, key=order.index)
        ),
    ]


def _called(result: Result) -> str:
    """Return what the page calls the subject, or nothing if it leaves it out or there is no figure of it."""
    subject = SUBJECTS[result.subject]
    name = "/".join(part for part in (subject.brand, subject.variant) if part)
    return CALLED.get(name, "") if result.repeats else ""


def _label(result: Result, figure: str) -> str:
    return cases.case(result.case).FIGURES[figure]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.2g}"  # noqa: PLR2004  (two digits are enough)
