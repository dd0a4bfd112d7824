"""The report: what was found, as JSON for programs and as Markdown for people."""

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .result import Result

THOUSAND = 1000
HEADS = {
    "day": "A day of mixed load in virtual time",
    "soak": "A busy scheduler on the real clock",
    "burst": "Many jobs due at one instant",
}
ADVICE = """\
`gap` is the longest time for which the event loop saw to nothing else; `without gc` is it without the pauses of the
garbage collector, which stops everything for as long as it takes to look at all objects. Where many jobs are alive, a
full collection takes long. `gc.freeze()` once the jobs are submitted has it look only at what came later (the case
"frozen"), but what is due at once comes later, too; a high third threshold, `gc.set_threshold(700, 10, 1_000_000)`, has
it not come at all ("no full collections"), and the program then calls `gc.collect()` when it suits.
"""


def environment() -> dict[str, Any]:
    """Return what the numbers depend on besides the library."""
    libraries = ("turnkeeper-trio", "anyio", "trio")
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "versions": {name: _version(name) for name in libraries},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"


def write_json(results: Sequence[Result], file: Path) -> None:
    """Write everything, series included."""
    whole = {"environment": environment(), "results": [asdict(result) for result in results]}
    file.write_text(json.dumps(whole, indent=1) + "\n")


def markdown(results: Sequence[Result], pictures: Iterable[Path]) -> str:
    """Return tables of numbers and of checks."""
    lines = ["# Endurance", ""]
    about = environment()
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    lines += [f"{about['python']} on {about['system']}, {about['cores']} cores; {versions}.", ""]
    shown = {picture.stem.removeprefix("endurance-"): picture.name for picture in pictures}
    for part, head in HEADS.items():
        of_part = [result for result in results if result.part == part]
        if not of_part:
            continue
        lines += [f"## {head}", ""]
        if part in shown:
            lines += [f"![{head}]({shown[part]})", ""]
        lines += [*_numbers(of_part), ""]
        if part == "burst":
            lines += [ADVICE]
        lines += [*_checks(of_part), ""]
    return "\n".join(lines)


def _numbers(results: Sequence[Result]) -> list[str]:
    names = list(dict.fromkeys(name for result in results for name in result.numbers))
    plain = [name for name in names if not any(isinstance(result.numbers.get(name), dict) for result in results)]
    titles = [", ".join(filter(None, (result.backend, result.case))) for result in results]
    lines = [f"| | {' | '.join(titles)} |", f"|---|{'---:|' * len(results)}"]
    for name in plain:
        cells = " | ".join(_cell(result.numbers.get(name, "")) for result in results)
        lines.append(f"| {name.replace('_', ' ')} | {cells} |")
    for name in names:
        if name not in plain:
            inner = {key: None for result in results for key in result.numbers.get(name, {})}
            for key in inner:
                cells = " | ".join(_cell(result.numbers.get(name, {}).get(key, 0)) for result in results)
                lines.append(f"| {name}: {key.replace('_', ' ')} | {cells} |")
    return lines


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= THOUSAND else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _checks(results: Sequence[Result]) -> list[str]:
    lines = ["| checked | found | |", "|---|---|---|"]
    for result in results:
        for check in result.checks:
            found = check.found.replace("|", "\\|")
            lines.append(f"| {result.title}: {check.claim} | {found} | {'ok' if check.passed else '**failed**'} |")
    return lines
