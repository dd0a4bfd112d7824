"""On what the measurements were made."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from suite import environments

OF_INTEREST = ("anyio", "trio", "uvloop", "turnkeeper-trio", "APScheduler", "taskiq", "schedule")


def facts(pythons: dict[str, str]) -> dict:
    """Return what a reader of the numbers wants to know."""
    packages = {}
    names: dict[str, str] = {}
    for name, python in pythons.items():
        names.setdefault(python, name)  # with --here, one stands for all
    for python, name in names.items():
        versions = environments.versions(python)
        packages[name] = {package: versions[package] for package in OF_INTEREST if package in versions}
    return {
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "commit": _commit(),
        "packages": packages,
        "absent": [name for name in environments.NAMES if name not in pythons],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str:
    git = ["git", "-C", str(environments.BENCHMARKS)]
    try:
        commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], check=True, capture_output=True, text=True)
        changed = subprocess.run([*git, "status", "--porcelain"], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip() + (", with changes" if changed.stdout else "")
