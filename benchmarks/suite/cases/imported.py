"""What an import costs: CPU time of a fresh interpreter, the median of some, after one that compiles to bytecode.

`all`: what a program imports that opens a scheduler on asyncio and adds a job by a cron expression. `package`: the
name of the package alone.
"""

import os
import statistics
import subprocess
import sys

from suite.subjects import Subject

FIGURES = {"all_ms": "ms of CPU, what a program needs", "package_ms": "ms of CPU, the package alone"}

IMPORTS = {
    "turnkeeper": ("turnkeeper_trio", "from turnkeeper_trio import Cron, RecurringJobRequest, open_scheduler"),
    "apscheduler3": (
        "apscheduler",
        (
            "from apscheduler.schedulers.asyncio import AsyncIOScheduler; "
            "from apscheduler.triggers.cron import CronTrigger"
        ),
    ),
    "apscheduler4": (
        "apscheduler",
        "from apscheduler import AsyncScheduler; from apscheduler.triggers.cron import CronTrigger",
    ),
    "taskiq": ("taskiq", "from taskiq import InMemoryBroker, TaskiqScheduler"),
    "schedule": ("schedule", "import schedule"),
}


def settings(subject: Subject, scale: str) -> list[dict]:
    """Some processes; once for each package, since no loop is run."""
    if subject.family not in IMPORTS or subject.variant not in ("", "handle") or subject.loop != "asyncio":
        return []
    return [{"processes": {"smoke": 1, "short": 7, "full": 15}[scale]}]


def measure(subject: Subject, *, processes: int) -> dict[str, float]:
    """Measure it in processes of its own."""
    package, everything = IMPORTS[subject.family]
    return {"all_ms": _cost(everything, processes), "package_ms": _cost(f"import {package}", processes)}


def _cost(statement: str, processes: int) -> float:
    program = f"import time; began = time.process_time(); {statement}; print((time.process_time() - began) * 1000)"
    compiling = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def cost() -> float:
        command = [sys.executable, "-c", program]
        return float(subprocess.run(command, check=True, capture_output=True, text=True, env=compiling).stdout)

    return statistics.median([cost() for _ in range(processes + 1)][1:])
