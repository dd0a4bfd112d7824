"""Measuring it all: each repeat of each measurement in a process of its own, round by round."""

import argparse
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from suite import cases, environments, machine, page, plots, report
from suite.results import Result, Results
from suite.subjects import SUBJECTS, chosen

REPEATS = {"full": 5, "short": 3, "smoke": 1}
AT_ONCE = 4
LONGEST = 1200
"""Seconds after which a measurement is given up."""


def run(options: argparse.Namespace, pythons: dict[str, str]) -> int:
    """Measure what is asked for, write everything down, and return 1 if something failed."""
    file = options.out / "results.json"
    complete = True
    if not options.report:
        complete = _measured(options, pythons, file)
    results = Results.load(file)
    drawn = plots.draw(results, options.out)
    (options.out / "report.md").write_text(report.written(results, drawn), encoding="utf-8")
    if options.page is not None:
        page.write(results, options.out, options.page)
    failed = [result for result in results.results if result.errors]
    for result in failed:
        print(f"{_name(result)}: {result.errors[0]}", file=sys.stderr)
    print(f"see {options.out / 'report.md'}", file=sys.stderr)
    return bool(failed) or not complete


def _measured(options: argparse.Namespace, pythons: dict[str, str], file: Path) -> bool:
    """Measure what is asked for into a file; return whether that came to its end."""
    scale, facts = options.scale or "full", machine.facts(pythons)
    planned = _planned(options, scale, pythons)
    if not planned:
        sys.exit("nothing fits --case, --subject and --only, of what is installed")
    results, todo = Results([facts], scale, planned), planned
    if file.exists():
        if not (options.resume or options.again):
            sys.exit(
                f"{file} holds results: go on with --resume, measure --again what you choose, or name another --out"
            )
        results = Results.load(file)
        if results.scale != scale:
            sys.exit(f"{file} holds results of a {results.scale} run, and this is a {scale} one: name another --out")
        todo = results.join(facts, planned, again=options.again)
        order = [*SUBJECTS]
        results.results.sort(key=lambda result: (cases.NAMES.index(result.case), order.index(result.subject)))
    options.out.mkdir(parents=True, exist_ok=True)
    results.save(file)
    try:
        _measure(results, todo, options.repeats, pythons, file)
    except KeyboardInterrupt:
        print("cut short: --resume measures what is missing", file=sys.stderr)
        return False
    return True


def _planned(options: argparse.Namespace, scale: str, pythons: dict[str, str]) -> list[Result]:
    wanted = dict(setting.split("=", 1) for setting in options.only or [])
    return [
        Result(case, subject.name, settings)
        for case in options.case or cases.NAMES
        for subject in chosen(options.subject or [])
        if subject.environment in pythons and (not options.here or subject.installed())
        if not subject.compiled or case not in cases.NOT_COMPILED
        if scale != "smoke" or (subject.plain and subject.loop != "uvloop")
        for settings in cases.case(case).settings(subject, scale)
        if all(str(settings.get(name)) == value for name, value in wanted.items())
    ]


def _repeats(result: Result, scale: str) -> int:
    """Return how often to measure: in a short run, once what takes long."""
    return 1 if scale == "short" and result.case in cases.LONG else REPEATS[scale]


def _measure(results: Results, chosen: list[Result], repeats: int | None, pythons: dict[str, str], file: Path) -> None:
    """Go round by round, so that a time of noise hits all alike; and save after each measurement.

    One at a time, but in a smoke run, where the figures mean nothing.
    """
    sitting = len(results.sittings) - 1
    wanted = [(result, (repeats or _repeats(result, results.scale)) - len(result.repeats)) for result in chosen]
    last = max(left for _, left in wanted)
    rounds = [[result for result, left in wanted if left > number] for number in range(last)]
    began, done, all_of_them = time.monotonic(), 0, sum(map(len, rounds))
    with ThreadPoolExecutor(AT_ONCE if results.scale == "smoke" else 1) as pool:
        for todo in rounds:
            for result in pool.map(partial(_measure_once, pythons=pythons), todo):
                result.sitting = sitting
                results.save(file)
                done += 1
                left = (time.monotonic() - began) / done * (all_of_them - done) / 60
                found = ", ".join(f"{name} {value:.4g}" for name, value in (result.repeats or [{}])[-1].items())
                print(f"{done}/{all_of_them}, {left:.0f} min left: {_name(result)}: {found}", file=sys.stderr)


def _measure_once(result: Result, pythons: dict[str, str]) -> Result:
    python = pythons[SUBJECTS[result.subject].environment]
    settings = [f"{name}={value}" for name, value in result.settings.items()]
    command = [python, str(environments.BENCHMARKS / "measure.py"), result.case, result.subject, *settings]
    began = time.monotonic()
    try:
        ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=LONGEST)
    except subprocess.CalledProcessError as exc:
        said = [line for line in exc.stderr.splitlines() if ": " in line and not line.startswith(" ")]
        result.errors.append((said or [str(exc)])[-1])
    except subprocess.TimeoutExpired:
        result.errors.append(f"it took more than {LONGEST} s")
    else:
        result.repeats.append(json.loads(ended.stdout))
    result.seconds = round(time.monotonic() - began, 1)
    return result


def _name(result: Result) -> str:
    return f"{result.case}, {result.subject}, {result.where()}"
