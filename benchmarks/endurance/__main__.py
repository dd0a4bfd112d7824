"""Does a scheduler stay what it is: for a day, under load, and when a hundred thousand jobs are due at once?

Three parts; each case of each runs in a process of its own, and its claims are checked:

day    hours of mixed load in virtual time: memory and tasks return to what they were, the books balance, histories stay
       within their bounds, no warning, and the shutdown report accounts for everything
soak   minutes of busy load on the real clock: the p99 of lateness, memory and tasks do not grow
burst  many one-shot jobs due at one instant: order kept, the event loop never blocked for long, nothing starved

Writes endurance.json, endurance.md and a picture of each part. Exits with 1 if a check failed, and says which.

Usage: ``python -m benchmarks.endurance [day] [soak] [burst] [--quick] [--backend trio] [--output DIR]``
The whole takes about half an hour, ``--quick`` a few minutes. It needs matplotlib and psutil.
"""

import argparse
import multiprocessing
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from . import burst, day, soak
from .report import markdown, write_json
from .result import Result

PARTS = ("day", "soak", "burst")
QUICK = {"hours": 2.0, "minutes": 1.0, "jobs": 20_000}
WHOLE = {"hours": 24.0, "minutes": 10.0, "jobs": 100_000}

Case = tuple[tuple[str, str, str], Callable[[], Result]]
"""The part, the back end and the name of a case, and what to call."""


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """Return what to measure, in order."""
    for part in options.parts or PARTS:
        for backend in options.backend or ["trio", "asyncio"]:
            if part == "day":
                hours, fleets = options.hours, options.fleets or 1
                measure = partial(day.measure, backend, hours=hours, fleets=fleets, seed=options.seed)
                yield (part, backend, ""), measure
            elif part == "soak":
                minutes, fleets = options.minutes, options.fleets or 10
                measure = partial(soak.measure, backend, minutes=minutes, fleets=fleets, seed=options.seed)
                yield (part, backend, ""), measure
            else:
                for case in burst.CASES:
                    measure = partial(burst.measure, backend, case, jobs=options.jobs, workers=options.workers)
                    yield (part, backend, case), measure


def repeated(case: Case, times: int) -> Result:
    """Measure a case; a burst several times, because one pause of the machine would hide what it is about."""
    several = [measured(case) for _ in range(times if case[0][0] == "burst" else 1)]
    return several[0] if len(several) == 1 else burst.truest(several)


def measured(case: Case) -> Result:
    """Measure one case in a fresh process."""
    named, measure = case
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        try:
            return process.submit(measure).result()
        except Exception as exc:  # noqa: BLE001  (the other cases are measured all the same)
            result = Result(*named)
            result.check("it came to its end", repr(exc), passed=False)
            return result


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.endurance", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="part", help="day, soak, burst; none for all")
    parser.add_argument("--quick", action="store_true", help=f"a short version: {QUICK}, not {WHOLE}")
    parser.add_argument("--backend", choices=["trio", "asyncio"], action="append")
    parser.add_argument("--hours", type=float, help="the length of the day, in virtual time")
    parser.add_argument("--minutes", type=float, help="the length of the soak")
    parser.add_argument(
        "--fleets", type=int, help="how many fleets of jobs, of ten runs a second each (day 1, soak 10)"
    )
    parser.add_argument("--jobs", type=int, help="how many jobs are due at one instant")
    parser.add_argument("--workers", type=int, default=64, help="how many workers the burst has")
    parser.add_argument("--repeat", type=int, default=3, help="how often each burst is measured, to show the truest")
    parser.add_argument("--seed", type=int, default=1, help="what the mixed load is drawn from")
    parser.add_argument("--output", type=Path, default=Path("endurance-results"), help="where the files go")
    parser.add_argument("--no-plots", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(unknown)}, only {', '.join(PARTS)}")
    if (options.hours or 1) < 1 or (options.minutes or 1) < 1:
        parser.error(
            "less than an hour of a day, or a minute of a soak, is over before it has come to its steady state"
        )
    for name, value in (QUICK if options.quick else WHOLE).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def main() -> None:
    options = parsed()
    options.output.mkdir(parents=True, exist_ok=True)
    results: list[Result] = []
    for case in cases(options):
        print(" ".join(case[0]), "…", flush=True)
        results.append(repeated(case, options.repeat))
        for check in results[-1].checks:
            if not check.passed:
                print(f"  FAILED: {check.claim}: {check.found}", flush=True)
        write_json(results, options.output / "endurance.json")
    pictures: list[Path] = []
    if not options.no_plots:
        from .plots import plot  # noqa: PLC0415  (the processes that measure must not carry matplotlib)

        pictures = plot(results, options.output)
    (options.output / "endurance.md").write_text(markdown(results, pictures))
    failed = sum(not check.passed for result in results for check in result.checks)
    print(f"{sum(len(result.checks) for result in results)} checks, {failed} failed; see {options.output}/endurance.md")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
