"""The tables of `docs/performance.md`, which are written from the results; what is between them is written by hand.

A table stands between two comments, ``<!-- measured: WHAT -->`` and ``<!-- end -->``. WHAT is ``machine``, ``targets``,
or a case, a figure and some of the settings, such as ``own cpu_us workers=4 jobs=10000``: a row for each subject, and a
column for each event loop. What was not measured stays as it is, and is named on stderr.
"""

import re
import shutil
import sys
from pathlib import Path

from suite import report
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
    case, figure, *wanted = what.split()
    settings = dict(setting.split("=", 1) for setting in wanted)
    found = [
        result
        for result in results.of(case)
        if result.values(figure) and all(str(result.settings.get(name)) == value for name, value in settings.items())
    ]
    return _table(found, figure) if found else []


def _table(found: list[Result], figure: str) -> list[str]:
    loops = [loop for loop in LOOPS if any(SUBJECTS[result.subject].loop == loop for result in found)]
    rows: dict[str, dict[str, str]] = {}
    for result in found:
        subject = SUBJECTS[result.subject]
        name = CALLED.get(subject.brand + (f"/{subject.variant}" if subject.variant else ""))
        if name is not None:
            rows.setdefault(name, {})[subject.loop] = _number(result.median(figure))
    order = list(CALLED.values())
    return [
        "| | " + " | ".join(loops) + " |",
        "|---|" + "---:|" * len(loops),
        *(
            f"| {name} | " + " | ".join(rows[name].get(loop, "") for loop in loops) + " |"
            for name in sorted(rows, key=order.index)
        ),
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.2g}"  # noqa: PLR2004  (two digits are enough)
