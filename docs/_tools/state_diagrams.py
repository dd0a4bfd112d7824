"""Draws the state diagrams of the documentation: ``python docs/_tools/state_diagrams.py``.

The transitions are listed once, here: the tables in ``howto/states.md`` and the pictures are made from the list, and
``tests/docs/test_states.py`` holds the list against what a scheduler is seen to do.
"""

import re
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

PAGE = Path(__file__).parents[1] / "howto" / "states.md"

Transition = tuple[str, str]

JOB: dict[Transition, str] = {
    ("", "active"): "`add_job`, `try_add_job`, `apply`, `scheduled`",
    ("active", "paused"): "`pause_job`",
    ("paused", "active"): "`resume_job`",
    ("active", "halted"): "`halt_after` runs in a row failed for good; its schedule is faulty",
    ("halted", "active"): "`resume_job`; `update_job` with another schedule",
    ("active", "finished"): "no further occurrence is to come, and its last run has ended",
    ("active", "cancelled"): "`cancel_job`; `CancelJob`, from a run of it",
    ("paused", "cancelled"): "`cancel_job`",
    ("halted", "cancelled"): "`cancel_job`",
    ("paused", "halted"): "`update_job` with a faulty schedule",
    ("finished", "active"): "`add_job` under its key, `apply` with another schedule: "
    "a new job, with the id and the history of the old",
    ("cancelled", "active"): "`add_job` under its key, with `OnConflict.REPLACE` or "
    "`OnConflict.RAISE`: a new job, with its id",
}
"""Where a job goes from where, and why. The empty state: there is no such job yet."""

RUN: dict[Transition, str] = {
    ("", "planned"): "the schedule, or `initial_run_time`, names its instant",
    ("", "queued"): "`trigger_job_now`",
    ("planned", "queued"): "its instant has come",
    (
        "planned",
        "skipped",
    ): "a run is in the way (`overlap`), or too many wait; `skip_next_run`; its job has had `max_runs`",
    ("planned", "missed"): "its instant passed before the scheduler could look (`catch_up`)",
    ("planned", "superseded"): "`update_job`, with another schedule or narrower bounds",
    ("planned", "cancelled"): "`cancel_run`, `cancel_job`, `pause_job`; its job is halted",
    ("planned", "never_started"): "a shutdown began before it was taken up",
    ("queued", "executing"): "a worker begins it: its first attempt, or the next one",
    ("queued", "missed"): "it could not start before its `start_deadline`",
    ("queued", "superseded"): "a newer occurrence took its place (`Overlap.CANCEL_OTHER`)",
    (
        "queued",
        "cancelled",
    ): "`cancel_run`, `cancel_job`, `pause_job`; replaced (`Overlap.CANCEL_OTHER`); its job is halted",
    ("queued", "interrupted"): "a shutdown, before its next attempt",
    ("queued", "never_started"): "a shutdown, before its first attempt",
    ("executing", "succeeded"): "the function returned",
    ("executing", "failed"): "it returned `False`, raised, or said `Retry`, with no retry left; it said `GiveUp`",
    ("executing", "cancelled"): "it said `CancelJob`",
    ("executing", "interrupted"): "it failed, or said `Snooze`, while the scheduler shuts down",
    ("executing", "waiting_retry"): "it returned `False`, raised, or said `Retry`, with a retry left; it said `Snooze`",
    (
        "executing",
        "cleaning_up",
    ): "its `timeout`; `cancel_run`, `cancel_job(cancel_running=True)`; replaced; a forced shutdown",
    ("waiting_retry", "queued"): "its delay is over",
    ("waiting_retry", "failed"): "superseded by the next occurrence, after a failure",
    ("waiting_retry", "cancelled"): "`cancel_run`, `cancel_job`; replaced, with `retry_past_next`; "
    "superseded, after a `Snooze`",
    ("waiting_retry", "interrupted"): "a shutdown",
    ("cleaning_up", "stuck"): "its `cleanup_grace` is over",
    ("cleaning_up", "waiting_retry"): "it timed out, with a retry left",
    ("cleaning_up", "succeeded"): "it returned before the cancellation reached it, or in spite of it",
    ("cleaning_up", "failed"): "it raised something of its own",
    ("cleaning_up", "timed_out"): "it timed out, with no retry left",
    ("cleaning_up", "cancelled"): "it was cancelled or replaced",
    ("cleaning_up", "interrupted"): "the shutdown cut it off",
    ("cleaning_up", "queued"): "the shutdown cut it off, and a store keeps it (`OnCrash.RERUN`)",
    ("cleaning_up", "lost"): "a different scheduler owns its job now, as the store says",
    ("stuck", "waiting_retry"): "as from `cleaning_up`",
    ("stuck", "succeeded"): "as from `cleaning_up`",
    ("stuck", "failed"): "as from `cleaning_up`",
    ("stuck", "timed_out"): "as from `cleaning_up`",
    ("stuck", "cancelled"): "as from `cleaning_up`",
    ("stuck", "interrupted"): "as from `cleaning_up`",
    ("stuck", "queued"): "as from `cleaning_up`",
    ("stuck", "lost"): "as from `cleaning_up`",
}
"""Where a run goes from where, and why. It is ``planned`` before it is active; its last state is its outcome."""


def table(transitions: dict[Transition, str]) -> str:
    """Return the transitions as a table."""
    rows = ["| from | to | because |", "|---|---|---|"]
    rows += [f"| {shown(begin)} | {shown(end)} | {cause} |" for (begin, end), cause in transitions.items()]
    return "\n".join(rows)


def shown(state: str) -> str:
    return f"`{state}`" if state else "(nothing)"


TABLE = re.compile(r"(<!-- transitions: (?P<name>\w+) -->\n)(?P<rows>.*?)(\n\n)", re.DOTALL)


def write() -> None:
    """Put the tables into the page, and the pictures beside it."""
    tables = {"job": table(JOB), "run": table(RUN)}
    text = PAGE.read_text("utf-8")
    PAGE.write_text(TABLE.sub(lambda found: f"{found[1]}{tables[found['name']]}{found[4]}", text), "utf-8")
    for name, picture in PICTURES.items():
        (PAGE.parent / f"{name}-states.svg").write_text(picture.svg(), "utf-8")


@dataclass(frozen=True)
class Box:
    """A state, or several."""

    x: int
    y: int
    width: int
    title: str
    below: str = ""
    end: bool = False

    def svg(self) -> str:
        height = 58 if self.below else 40
        left, top = self.x - self.width // 2, self.y - height // 2
        kind = "end" if self.end else "state"
        lines = [f'<rect class="{kind}" x="{left}" y="{top}" width="{self.width}" height="{height}" rx="8"/>']
        baseline = self.y - 4 if self.below else self.y + 5
        lines.append(f'<text class="title" x="{self.x}" y="{baseline}">{escape(self.title)}</text>')
        if self.below:
            lines.append(f'<text class="small" x="{self.x}" y="{self.y + 16}">{escape(self.below)}</text>')
        return "\n".join(lines)


@dataclass(frozen=True)
class Edge:
    """An arrow, for one transition or for several; its label stands at a point, a line below the other."""

    path: str
    at: tuple[int, int]
    label: str
    transitions: list[Transition]
    anchor: str = "middle"

    def svg(self) -> str:
        pairs = " ".join(f"{begin}:{end}" for begin, end in self.transitions)
        x, y = self.at
        lines = [
            f'<tspan x="{x}" y="{y + 15 * number}">{escape(line)}</tspan>'
            for number, line in enumerate(self.label.split("\n"))
        ]
        label = f'<text class="label" text-anchor="{self.anchor}">{"".join(lines)}</text>' if self.label else ""
        return f'<g data-transitions="{escape(pairs)}"><path d="{self.path}" marker-end="url(#head)"/>{label}</g>'


@dataclass(frozen=True)
class Picture:
    """A diagram. It brings its own background, so it reads on light pages and on dark ones."""

    width: int
    height: int
    title: str
    start: tuple[int, int]
    boxes: list[Box] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)

    def svg(self) -> str:
        x, y = self.start
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {self.width} {self.height}"',
                f'     width="{self.width}" height="{self.height}">',
                f"<title>{escape(self.title)}</title>",
                STYLE,
                f'<rect class="page" x="1" y="1" width="{self.width - 2}" height="{self.height - 2}" rx="12"/>',
                f'<circle class="start" cx="{x}" cy="{y}" r="7"/>',
                *(edge.svg() for edge in self.edges),
                *(box.svg() for box in self.boxes),
                "</svg>\n",
            ]
        )


STYLE = """<style>
text { font: 13px system-ui, "DejaVu Sans", sans-serif; fill: #1f2937; }
.title { font-weight: 600; font-size: 14px; text-anchor: middle; }
.small { font-size: 12px; text-anchor: middle; }
.label { font-size: 12px; paint-order: stroke; stroke: #fff; stroke-width: 4px; }
.page { fill: #fff; stroke: #cbd5e1; }
.state { fill: #e0edff; stroke: #2563eb; }
.end { fill: #f1f5f9; stroke: #64748b; }
.start { fill: #1f2937; }
path { fill: none; stroke: #475569; stroke-width: 1.4; }
.head { fill: #475569; stroke: none; }
</style>
<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">
<path class="head" d="M 0 1 L 10 5 L 0 9 z"/></marker></defs>"""


def to(outcomes: str, *states: str) -> list[Transition]:
    """Return the transitions from these states to each of the outcomes."""
    return [(state, outcome) for state in states for outcome in outcomes.split()]


JOB_PICTURE = Picture(
    940,
    490,
    "The states of a job",
    (150, 100),
    [
        Box(420, 100, 120, "ACTIVE"),
        Box(190, 280, 120, "PAUSED"),
        Box(650, 280, 120, "HALTED"),
        Box(810, 100, 120, "FINISHED", end=True),
        Box(420, 440, 140, "CANCELLED", end=True),
    ],
    [
        Edge("M 157 100 L 358 100", (250, 76), "add_job, try_add_job,\napply, scheduled", [("", "active")]),
        Edge(
            "M 480 100 L 748 100",
            (614, 76),
            "no further occurrence is to come,\nand its last run has ended",
            [("active", "finished")],
        ),
        Edge("M 810 80 C 780 20, 480 10, 435 78", (640, 25), "added again under its key", [("finished", "active")]),
        Edge("M 362 118 L 185 258", (258, 180), "pause_job", [("active", "paused")], "end"),
        Edge("M 225 260 L 385 122", (320, 205), "resume_job", [("paused", "active")], "start"),
        Edge(
            "M 478 118 L 655 258",
            (580, 175),
            "halt_after runs failed;\nits schedule is faulty",
            [("active", "halted")],
            "start",
        ),
        Edge(
            "M 615 260 L 455 122",
            (530, 215),
            "resume_job;\nanother schedule",
            [("halted", "active")],
            "end",
        ),
        Edge("M 250 280 L 588 280", (335, 298), "update_job: faulty schedule", [("paused", "halted")]),
        Edge("M 420 120 L 420 418", (426, 340), "cancel_job,\nCancelJob", [("active", "cancelled")], "start"),
        Edge("M 205 300 L 370 418", (270, 365), "cancel_job", [("paused", "cancelled")], "end"),
        Edge("M 635 300 L 480 418", (568, 365), "cancel_job", [("halted", "cancelled")], "start"),
        Edge(
            "M 350 440 C 20 440, 10 200, 360 112",
            (75, 290),
            "replaced\nunder its key",
            [("cancelled", "active")],
        ),
    ],
)

RUN_PICTURE = Picture(
    960,
    470,
    "The states of a run",
    (60, 40),
    [
        Box(130, 100, 120, "planned"),
        Box(360, 100, 120, "QUEUED"),
        Box(600, 100, 130, "EXECUTING"),
        Box(840, 100, 140, "CLEANING_UP"),
        Box(500, 250, 150, "WAITING_RETRY"),
        Box(840, 250, 120, "STUCK"),
        Box(205, 420, 375, "did not run", "SKIPPED MISSED SUPERSEDED CANCELLED NEVER_STARTED", end=True),
        Box(680, 420, 440, "ran", "SUCCEEDED FAILED TIMED_OUT CANCELLED INTERRUPTED LOST", end=True),
    ],
    [
        Edge("M 64 46 L 104 78", (92, 60), "schedule", [("", "planned")], "start"),
        Edge("M 67 40 C 250 30, 330 40, 350 78", (250, 30), "trigger_job_now", [("", "queued")]),
        Edge("M 190 100 L 298 100", (244, 90), "its instant", [("planned", "queued")]),
        Edge("M 420 100 L 533 100", (476, 90), "a worker begins", [("queued", "executing")]),
        Edge(
            "M 830 80 C 760 20, 500 10, 385 78",
            (620, 22),
            "shutdown, kept by a store",
            [("cleaning_up", "queued"), ("stuck", "queued")],
        ),
        Edge(
            "M 665 100 L 768 100",
            (716, 60),
            "timeout, cancel,\nreplaced, forced",
            [("executing", "cleaning_up")],
        ),
        Edge("M 840 120 L 840 228", (850, 180), "cleanup_grace", [("cleaning_up", "stuck")], "start"),
        Edge(
            "M 585 120 L 530 228",
            (570, 158),
            "a retry is left;\nSnooze",
            [("executing", "waiting_retry")],
            "start",
        ),
        Edge("M 470 230 L 385 122", (440, 170), "its delay", [("waiting_retry", "queued")]),
        Edge(
            "M 790 120 L 572 238",
            (690, 200),
            "timed out,\na retry is left",
            [("cleaning_up", "waiting_retry")],
            "start",
        ),
        Edge("M 780 255 L 577 255", (690, 273), "the same", [("stuck", "waiting_retry")], "start"),
        Edge(
            "M 120 120 L 140 388",
            (120, 220),
            "overlap, catch_up,\nskip, update, cancel,\npause, shutdown",
            to("skipped missed superseded cancelled never_started", "planned"),
        ),
        Edge(
            "M 335 120 L 250 388",
            (295, 290),
            "start_deadline,\nreplaced, cancel,\npause, shutdown",
            to("missed superseded cancelled never_started", "queued"),
        ),
        Edge("M 368 120 C 385 200, 400 320, 480 388", (412, 350), "shutdown", to("interrupted", "queued")),
        Edge(
            "M 510 272 L 545 388",
            (540, 320),
            "the next occurrence,\ncancel, shutdown",
            to("failed cancelled interrupted", "waiting_retry"),
        ),
        Edge(
            "M 605 120 C 650 220, 665 300, 668 388",
            (672, 345),
            "it returned\nor raised",
            to("succeeded failed cancelled interrupted", "executing"),
            "start",
        ),
        Edge(
            "M 912 105 C 965 180, 955 330, 904 402",
            (935, 330),
            "",
            to("succeeded failed timed_out cancelled interrupted lost", "cleaning_up"),
        ),
        Edge(
            "M 840 272 L 820 388",
            (838, 340),
            "it has ended",
            to("succeeded failed timed_out cancelled interrupted lost", "stuck"),
        ),
    ],
)

PICTURES = {"job": JOB_PICTURE, "run": RUN_PICTURE}


if __name__ == "__main__":
    write()
