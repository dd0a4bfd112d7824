"""The environments in which subjects are measured: made here, or the one in use. Needs nothing but Python itself."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent.parent
REQUIREMENTS = {"main": "requirements.txt", "apscheduler4": "requirements-apscheduler4.txt"}


def made(work: Path) -> dict[str, str]:
    """Make those that are not there yet, and return the interpreter of each."""
    return {name: _made(work / name, BENCHMARKS / requirements) for name, requirements in REQUIREMENTS.items()}


def here() -> dict[str, str]:
    """Return the interpreter in use, for all: not every subject is installed in it."""
    return dict.fromkeys(REQUIREMENTS, sys.executable)


def versions(python: str) -> dict[str, str]:
    """Return the versions of all packages of an environment."""
    command = [python, "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {package["name"]: package["version"] for package in json.loads(listed)}


def _made(folder: Path, requirements: Path) -> str:
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    complete = folder / "complete"
    if not complete.exists() or complete.read_text() != requirements.read_text():
        print(f"making {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "-r", requirements.name], check=True, cwd=BENCHMARKS)
        complete.write_text(requirements.read_text())
    return str(python)
