"""By what work subjects are measured.

Each case is a module with

- a docstring that says what is measured;
- ``FIGURES``: what it finds out, by name, with the unit; the first is the headline;
- ``settings(subject, scale)``: with which settings a subject is measured at the scale "smoke", "short" or "full"; none
  if it cannot do that work;
- ``measure(subject, **settings)``: measure it once, in this process, and return the figures by name.
"""

import importlib
from types import ModuleType

NAMES = (
    "throughput",
    "own",
    "submit",
    "bulk",
    "control",
    "memory",
    "lateness",
    "idle",
    "steady",
    "virtual",
    "cron",
    "observe",
    "opening",
    "imported",
    "durable",
    "reopen",
)
NOT_COMPILED = ("submit", "memory", "lateness", "idle", "reopen")
"""Those in which the compiled library is not measured beside the other."""

LONG = ("submit", "bulk", "control", "memory", "lateness", "idle", "steady", "durable", "reopen", "imported")
"""Those that take long, or that take the median of repeats themselves: a short run measures them once."""


def case(name: str) -> ModuleType:
    """Import a case."""
    return importlib.import_module(f"suite.cases.{name}")
