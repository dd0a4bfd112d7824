"""What is measured: this library, other schedulers, and floors written by hand, all behind one interface.

A subject is named ``family/loop`` or ``family/loop/variant``; `SUBJECTS` knows them all, without importing any.
"""

import importlib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from suite.subjects.interface import Opening

LOOPS = ("trio", "asyncio", "uvloop")


@dataclass(frozen=True)
class Subject:
    """One of those that are measured: which module opens it, on which event loop, with which options."""

    name: str
    module: str
    loop: str
    options: dict[str, Any] = field(default_factory=dict)
    environment: str = "main"
    """Which of the environments has its packages."""

    @property
    def family(self) -> str:
        """The first word of its name."""
        return self.name.split("/")[0]

    def opening(self) -> Opening:
        """Import its module, and return what opens it."""
        module = importlib.import_module(f"suite.subjects.{self.module}")
        return lambda workers: module.opened(workers, **self.options)


def _all() -> dict[str, Subject]:
    subjects = []
    for loop in LOOPS:
        for queue in ("handle", "heap"):
            for ahead in ("", "/ahead"):
                options = {"queue": queue, "ahead": bool(ahead)}
                subjects.append(Subject(f"turnkeeper/{loop}/{queue}{ahead}", "turnkeeper", loop, options))
    for floor, module in (
        ("floor-i", "floor_nursery"),
        ("floor-iii", "floor_stream"),
        ("floor-v", "floor_books"),
        ("floor-vi", "floor_taking"),
    ):
        subjects += [Subject(f"{floor}/{loop}", module, loop) for loop in LOOPS]
    subjects += [Subject(f"apscheduler3/{loop}", "apscheduler3", loop) for loop in ("asyncio", "uvloop")]
    subjects += [
        Subject(f"apscheduler4/{loop}", "apscheduler4", loop, environment="apscheduler4")
        for loop in ("asyncio", "trio")
    ]
    subjects.append(Subject("taskiq/asyncio", "taskiq_memory", "asyncio"))
    subjects.append(Subject("schedule/asyncio", "schedule_task", "asyncio"))
    return {subject.name: subject for subject in subjects}


SUBJECTS = _all()


def chosen(patterns: list[str]) -> list[Subject]:
    """Return the subjects whose names fit one of the patterns, such as ``floor-*/trio``; with no patterns, all."""
    return [
        subject
        for name, subject in SUBJECTS.items()
        if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
    ]
