"""By what work subjects are measured. Each case is a module of this shape; see `suite.cases.interface`."""

import importlib
from types import ModuleType

NAMES = ("throughput",)


def case(name: str) -> ModuleType:
    """Import a case."""
    return importlib.import_module(f"suite.cases.{name}")
