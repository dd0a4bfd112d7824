"""What was promised before it was measured: the table of targets, as data, and whether each is met.

Ratios are taken within one run, between subjects on the same event loop (APScheduler 3 has asyncio only: there it
stands for both). A target may hold at several points, such as numbers of workers; it is met if it is met at each.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from suite.results import Results, told

MILLION = 1_000_000
HANDLE, AHEAD = "turnkeeper/{loop}/handle", "turnkeeper/{loop}/handle/ahead"
SIZES = [{"workers": workers, "jobs": jobs} for workers in (4, 64) for jobs in (10_000, 100_000)]


@dataclass(frozen=True)
class Figure:
    """A number to be found in the results, on one event loop; perhaps taken in relation to another."""

    case: str
    name: str
    settings: dict
    subject: str = HANDLE
    divided_by: "Figure | None" = None
    less: "Figure | None" = None

    def value(self, results: Results, loop: str) -> float | None:
        """Return it; ``None`` if some of it was not measured."""
        value = results.median(self.case, self.subject.format(loop=loop), self.name, **self.settings)
        if value is not None and self.divided_by is not None:
            other = self.divided_by.value(results, loop)
            return value / other if other else None
        if value is not None and self.less is not None:
            other = self.less.value(results, loop)
            return None if other is None else value - other
        return value

    def where(self) -> str:
        """Tell the settings."""
        return told(self.settings)


@dataclass(frozen=True)
class Target:
    """One promise: so much, at most (or at least), at each of some points."""

    what: str
    limit: float
    unit: str
    figures: list[Figure]
    at_least: bool = False

    def worst(self, results: Results, loop: str) -> tuple[Figure, float] | None:
        """Return the point that is furthest from the promise, and its value; ``None`` if nothing was measured."""
        values = [(figure, figure.value(results, loop)) for figure in self.figures]
        known = [(figure, value) for figure, value in values if value is not None]
        choose = min if self.at_least else max
        return choose(known, key=lambda point: point[1]) if known else None

    def met(self, value: float) -> bool:
        """Whether a value keeps the promise."""
        return value >= self.limit if self.at_least else value <= self.limit


def _throughput(subject: str, settings: dict, divided_by: Figure | None = None) -> Figure:
    return Figure("throughput", "cpu_us", settings, subject, divided_by)


def _against(subject: str, other: str) -> list[Figure]:
    """Return how many times what another costs a subject costs."""
    return [_throughput(subject, settings, _throughput(other, settings)) for settings in SIZES]


def _grown(case: str, name: str, settings: dict, sizes: dict[str, tuple[int, int]]) -> Figure:
    """Return how many times as much something costs where a setting is large as where it is small."""
    small, large = ({size: values[place] for size, values in sizes.items()} for place in (0, 1))
    return Figure(case, name, settings | large, divided_by=Figure(case, name, settings | small))


def _throughputs() -> Iterator[Target]:
    yield Target("throughput: default settings, against floor (v)", 1.2, "times", _against(HANDLE, "floor-v/{loop}"))
    what = "throughput: dispatch buffer = workers, against floor (vi)"
    yield Target(what, 1.5, "times", _against(AHEAD, "floor-vi/{loop}"))
    for name, peer, limit in (
        ("APScheduler 3", "apscheduler3/asyncio", 2.5),
        ("APScheduler 4", "apscheduler4/{loop}", 5),
    ):
        yield Target(f"throughput: {name} against it", limit, "times", _against(peer, HANDLE), at_least=True)
    one = [
        _throughput(HANDLE, {"workers": 1, "jobs": jobs}, _throughput(HANDLE, {"workers": 4, "jobs": jobs}))
        for jobs in (10_000, 100_000)
    ]
    yield Target("throughput: 1 worker against 4", 1.5, "times", one)
    sizes = {"jobs": (10_000, 100_000)}
    grown = [_grown("throughput", "cpu_us", {"workers": workers}, sizes) for workers in (4, 64)]
    yield Target("throughput: a job of 100,000 against one of 10,000", 1.3, "times", grown)


def _submissions() -> Iterator[Target]:
    for what, way, figure, limit in (
        ("a call of try_add_job", "try", "call_us", 6),
        ("add_job, until the job is planned", "wait", "cpu_us", 15),
    ):
        points = [Figure("submit", figure, {"way": way, "jobs": jobs}) for jobs in (10_000, 100_000, MILLION)]
        yield Target(what, limit, "µs", points)
        grown = _grown("submit", figure, {"way": way}, {"jobs": (10_000, MILLION)})
        yield Target(f"{what}: a million against 10,000", 1.5, "times", [grown])


def _controls() -> Iterator[Target]:
    for act in ("cancel", "update"):
        figure = f"{act}_64_us"
        points = [Figure("control", figure, {"pending": pending}) for pending in (1_000, 10_000, 100_000, MILLION)]
        yield Target(f"{act}_job, 64 in flight", 12, "µs", points)
        grown = _grown("control", figure, {}, {"pending": (1_000, MILLION)})
        yield Target(f"{act}_job: a million pending against 1,000 (log n doubles)", 2, "times", [grown])


def _resources() -> Iterator[Target]:
    for what, requests, limit in (("one shared request", "shared", 600), ("a request each", "own", 1000)):
        figure = Figure("memory", "bytes", {"requests": requests, "jobs": 100_000})
        yield Target(f"memory of a pending job, {what}", limit, "B", [figure])
    yield Target("a million pending, resident in all", 1000, "MB", [Figure("memory", "total_mb", {"jobs": MILLION})])
    for pending in (10_000, MILLION):
        yield Target(f"idle, {pending:,} pending", 0.01, "%", [Figure("idle", "share", {"pending": pending})])


def _on_time() -> Iterator[Target]:
    for name in ("p50", "p99"):
        floor = Figure("lateness", f"{name}_us", {}, "floor-i/{loop}")
        figure = Figure("lateness", f"{name}_us", {}, less=floor)
        yield Target(f"lateness: {name} beyond that of floor (i)", 200, "µs", [figure])
    yield Target("runs before their instant", 0, "", [Figure("lateness", "early", {})])
    instants = [{"instants": "spread"}, {"instants": "together"}]
    missing = [Figure("steady", "missing", settings) for settings in instants]
    yield Target("1,000 jobs a second: runs missing", 0, "", missing)
    against = [
        Figure("steady", "cpu_us", settings, divided_by=Figure("steady", "cpu_us", settings, "floor-v/{loop}"))
        for settings in instants
    ]
    yield Target("1,000 jobs a second: against floor (v)", 1, "times", against)
    yield Target(
        "virtual time: a run of an hourly job", 60, "µs", [Figure("virtual", "cpu_us", {"schedule": "hourly"})]
    )


TARGETS = [*_throughputs(), *_submissions(), *_controls(), *_resources(), *_on_time()]
