"""What is measured: this library, other schedulers, and floors written by hand, all behind one interface.

A subject is named ``family/loop`` or ``family/loop/variant``; `SUBJECTS` knows them all, without importing any.
"""

import importlib
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib import metadata
from importlib.util import find_spec
from typing import Any

LOOPS = ("trio", "asyncio", "uvloop")

REQUIRES = {
    "apscheduler3": ("apscheduler", "3."),
    "apscheduler4": ("apscheduler", "4."),
    "taskiq": ("taskiq", ""),
    "schedule": ("schedule", ""),
}
"""A package that a family needs, and how its version begins."""


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
        """The first word of its name, without whether it is compiled: what it can do."""
        return self.brand.removesuffix("-compiled")

    @property
    def brand(self) -> str:
        """The first word of its name."""
        return self.name.split("/")[0]

    @property
    def compiled(self) -> bool:
        """Whether it is this library, compiled."""
        return self.environment == "compiled"

    @property
    def variant(self) -> str:
        """What comes after the loop in its name."""
        return "/".join(self.name.split("/")[2:])

    def installed(self) -> bool:
        """Whether its packages can be imported in this interpreter, in the version that it is for."""
        if self.family == "turnkeeper" and importlib.import_module("turnkeeper_trio").__compiled__ != self.compiled:
            return False
        package, version = REQUIRES.get(self.family, ("anyio", ""))
        try:
            return metadata.version(package).startswith(version) and (
                self.loop != "uvloop" or bool(find_spec("uvloop"))
            )
        except metadata.PackageNotFoundError:
            return False

    @property
    def plain(self) -> bool:
        """Whether it is what most users have, of its family: not a variant for one comparison."""
        return self.variant in ("", "handle", "heap")

    def opened(self, workers: int, **options: Any) -> AbstractAsyncContextManager[Any]:
        """Open it, with so many workers or with whatever limits how many runs execute at once; see `interface`.

        ``options`` are its own, for cases in which no other takes part.
        """
        module = importlib.import_module(f"suite.subjects.{self.module}")
        return module.opened(workers, **self.options, **options)


def _all() -> dict[str, Subject]:
    subjects = []
    for loop in LOOPS:
        for queue in ("handle", "heap"):
            for ahead in ("", "/ahead"):
                options = {"queue": queue, "ahead": bool(ahead)}
                subjects.append(Subject(f"turnkeeper/{loop}/{queue}{ahead}", "turnkeeper", loop, options))
    for loop in LOOPS:
        options = {"queue": "handle"}
        name = f"turnkeeper-compiled/{loop}/handle"
        subjects.append(Subject(name, "turnkeeper", loop, options, environment="compiled"))
    for floor, module in (
        ("floor-i", "floor_nursery"),
        ("floor-iii", "floor_stream"),
        ("floor-v", "floor_books"),
        ("floor-vi", "floor_taking"),
    ):
        subjects += [Subject(f"{floor}/{loop}", module, loop) for loop in LOOPS]
    for loop in ("asyncio", "uvloop"):
        for equipped in ("", "/equipped"):
            options = {"equipped": bool(equipped)}
            subjects.append(Subject(f"apscheduler3/{loop}{equipped}", "apscheduler3", loop, options))
    for loop in ("asyncio", "trio"):
        for direct in ("", "/direct"):
            options = {"direct": bool(direct)}
            name = f"apscheduler4/{loop}{direct}"
            subjects.append(Subject(name, "apscheduler4", loop, options, environment="apscheduler4"))
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
