"""What was promised before it was measured: the table of targets, as data, and whether each is met.

Ratios are taken within one run, between subjects on the same event loop (APScheduler 3 has asyncio only: there it
stands for both). A target may hold at several points, such as numbers of workers; it is met if it is met at each.

Each target is for one of two: the library as plain Python, or the compiled wheel. Where a promise named neither, both
are judged: it is kept only if plain Python keeps it, and the compiled wheel is the row after it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from suite.results import Results, told

MILLION = 1_000_000
HANDLE, AHEAD = "turnkeeper/{loop}/handle", "turnkeeper/{loop}/handle/ahead"
COMPILED = "turnkeeper-compiled/{loop}/handle"
BOTH = (HANDLE, COMPILED)
APSCHEDULER = "apscheduler3/asyncio"
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

    def sittings(self, results: Results, loop: str) -> set[int]:
        """Return in which sittings it was measured: a ratio of two sittings says less than one of the same."""
        found = results.of(self.case, self.subject.format(loop=loop), **self.settings)
        others = (other.sittings(results, loop) for other in (self.divided_by, self.less) if other is not None)
        return {result.sitting for result in found}.union(*others)

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
    loops: tuple[str, ...] = ("trio", "asyncio")
    """On which it was promised; one only, if no event loop takes part."""

    @property
    def code(self) -> str:
        """For which of the two it is."""
        return "compiled" if self.figures[0].subject == COMPILED else "plain"

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
        ("APScheduler 3", APSCHEDULER, 2.5),
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


def _costs(case: str, name: str, settings: list[dict], subject: str, other: str = "") -> list[Figure]:
    """Return what a subject costs at some points; with ``other``, how many times what that one costs."""
    against = [Figure(case, name, each, other) if other else None for each in settings]
    return [Figure(case, name, *point) for point in zip(settings, [subject] * len(settings), against, strict=True)]


def _cheaper() -> Iterator[Target]:
    """Return what was promised of jobs with a request of their own."""
    points = [{"workers": workers, "jobs": jobs} for workers in (4, 64) for jobs in (10_000, 100_000)]
    what = "a job with a request of its own, against"
    against = _costs("own", "cpu_us", points, HANDLE, APSCHEDULER)
    yield Target(f"{what} APScheduler 3", 0.9, "times", against, loops=("asyncio",))
    yield Target(f"{what} APScheduler 3", 0.6, "times", _costs("own", "cpu_us", points, COMPILED, APSCHEDULER))
    yield Target(f"{what} floor (v)", 1.2, "times", _costs("own", "cpu_us", points, COMPILED, "floor-v/{loop}"))


def _compiled() -> Iterator[Target]:
    """Return what was promised of the compiled wheel alone."""
    for what, name in (("with datetimes", "datetimes_us"), ("with microseconds", "us")):
        figures = _costs("cron", name, [{}], COMPILED)
        yield Target(f"cron: the next occurrence, {what}", 1, "µs", figures, loops=("asyncio",))
    figures = _costs("virtual", "cpu_us", [{"schedule": "hourly"}], COMPILED)
    yield Target("virtual time: a run of an hourly job", 60, "µs", figures)
    pending = [{"pending": pending} for pending in (1_000, 10_000, 100_000, MILLION)]
    for act, limit in (("cancel", 12), ("update", 15), ("add", 15)):
        for flight, what in ((1, "one at a time"), (64, "64 in flight")):
            figures = _costs("control", f"{act}_{flight}_us", pending, COMPILED)
            yield Target(f"{act}_job, {what}", limit, "µs", figures)
    figures = _costs("bulk", "restart_s", [{"jobs": 100_000}], COMPILED)
    yield Target("a restart with 100,000 jobs", 1, "s", figures)


def _felt() -> Iterator[Target]:
    """Return what was promised without a word of compiled code."""
    for subject in BOTH:
        figures = [
            Figure("bulk", "bulk_us", settings, subject, Figure("bulk", "one_us", settings, subject))
            for settings in ({"jobs": 10_000}, {"jobs": 100_000})
        ]
        yield Target("add_jobs, against add_job", 0.6, "times", figures)
    instants = [{"instants": "spread"}, {"instants": "together"}]
    for subject in BOTH:
        figures = _costs("steady", "cpu_us", instants, subject, APSCHEDULER)
        yield Target("1,000 jobs a second: against APScheduler 3", 1, "times", figures)
    for what, case, name, limit, unit, loops in (
        ("an observer that counts runs, a run", "observe", "observer_us", 10, "µs", ("trio", "asyncio")),
        ("a scheduler with 4 workers, opened and closed", "opening", "cpu_ms", 1, "ms", ("trio", "asyncio")),
        ("import of what a program needs", "imported", "all_ms", 150, "ms", ("asyncio",)),
    ):
        for subject in BOTH:
            yield Target(what, limit, unit, _costs(case, name, [{}], subject), loops=loops)


def _durable() -> Iterator[Target]:
    for subject in BOTH:
        floor, memory = (Figure("durable", name, {}, subject) for name in ("floor_per_s", "memory_us"))
        figures = [Figure("durable", "sqlite_per_s", {}, subject, floor)]
        what = "SQLite, 100 workers: runs a second, against its floor (8,000 where that makes 14,000)"
        yield Target(what, 0.571, "times", figures, at_least=True)
        figures = _costs("durable", "sqlite_per_s", [{}], subject)
        yield Target("SQLite, 100 workers: runs a second, whatever its floor makes", 8000, "", figures, at_least=True)
        figures = [Figure("durable", "sqlite_us", {}, subject, memory)]
        yield Target("SQLite, 100 workers: a run, against the memory store", 2.2, "times", figures)
    for what, name, limit, unit in (
        ("CPU to open it", "open_ms", 300, "ms"),
        ("memory to open it", "open_mb", 60, "MB"),
        ("idle", "share", 0.01, "%"),
    ):
        points = [Figure("reopen", name, {"jobs": jobs}) for jobs in (100_000, MILLION)]
        yield Target(f"SQLite, a file of many jobs: {what}", limit, unit, points)


TARGETS = [
    *_throughputs(),
    *_cheaper(),
    *_submissions(),
    *_controls(),
    *_resources(),
    *_on_time(),
    *_felt(),
    *_compiled(),
    *_durable(),
]
