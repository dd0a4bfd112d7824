"""What the package shows is what it means to show, and importing it does nothing else."""

import ast
import dataclasses
import importlib
import subprocess
import sys
import types
import typing
from pathlib import Path

import pytest

import turnkeeper_trio
import turnkeeper_trio.errors
import turnkeeper_trio.schedules
import turnkeeper_trio.testing

TYPING = Path(__file__).parent / "typing" / "public_surface.py"
MODULES = [turnkeeper_trio, turnkeeper_trio.errors, turnkeeper_trio.schedules, turnkeeper_trio.testing]
SHOWN = [module for module in MODULES if hasattr(module, "__all__")]


def kept_path(value: object) -> str | None:
    """Return where a class or function says that it is from, or None for a constant."""
    if isinstance(value, type | types.FunctionType | typing.NewType):
        return value.__module__
    return None


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_a_public_module_says_what_is_public(module: types.ModuleType) -> None:
    if not hasattr(module, "__all__"):
        pytest.skip("it has nothing to show yet")


@pytest.mark.parametrize("module", SHOWN, ids=lambda module: module.__name__)
def test_all_is_defined(module: types.ModuleType) -> None:
    assert len(module.__all__) == len(set(module.__all__))
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("module", SHOWN, ids=lambda module: module.__name__)
def test_nothing_public_is_left_out(module: types.ModuleType) -> None:
    ours = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and (kept_path(value) or "").startswith(module.__name__)
    }
    assert ours <= set(module.__all__)


@pytest.mark.parametrize("module", [turnkeeper_trio, turnkeeper_trio.testing], ids=lambda module: module.__name__)
def test_a_public_name_shows_the_path_it_is_imported_from(module: types.ModuleType) -> None:
    paths = {name: kept_path(getattr(module, name)) for name in getattr(module, "__all__", ())}
    assert {name: path for name, path in paths.items() if path not in {module.__name__, None}} == {}


@pytest.mark.parametrize("module", SHOWN, ids=lambda module: module.__name__)
def test_annotations_can_be_read_at_run_time(module: types.ModuleType) -> None:
    for name in module.__all__:
        value = getattr(module, name)
        if dataclasses.is_dataclass(value) or isinstance(value, types.FunctionType):
            typing.get_type_hints(value)
        for method, function in vars(value).items() if isinstance(value, type) else ():
            if isinstance(function, types.FunctionType) and (method == "__init__" or method[0] != "_"):
                typing.get_type_hints(function)


@pytest.mark.parametrize("module", SHOWN, ids=lambda module: module.__name__)
def test_every_public_name_is_in_the_typing_file(module: types.ModuleType) -> None:
    tree = ast.parse(TYPING.read_text("utf-8"))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert set(module.__all__) - used == set()


def test_importing_does_nothing_else() -> None:
    program = """
import logging, signal, sys, threading
handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
before = set(sys.modules)
import turnkeeper_trio
assert threading.active_count() == 1, threading.enumerate()
assert handlers == {number: signal.getsignal(number) for number in signal.valid_signals()}
assert not logging.getLogger("turnkeeper_trio").handlers and not logging.getLogger().handlers
unwanted = {"pytest", "_pytest", "hypothesis", "sqlite3", "unittest", "uvloop", "turnkeeper_trio.testing"}
assert not unwanted & set(sys.modules) - before, unwanted & set(sys.modules) - before
"""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_is_at_the_top_is_what_all_says() -> None:
    """Beside the modules of the package: nothing that it imports for itself, and nothing of other modules."""
    shown = {name for name in dir(turnkeeper_trio) if name.isidentifier() and not name.startswith("_")}
    modules = {name for name in shown if isinstance(getattr(turnkeeper_trio, name), types.ModuleType)}
    assert shown - modules == set(turnkeeper_trio.__all__)
    assert {getattr(turnkeeper_trio, name).__name__ for name in modules} == {
        f"turnkeeper_trio.{name}" for name in modules
    }


@pytest.mark.parametrize("module", ["events", "errors", "jobs", "retries", "schedules", "simulation", "verdicts"])
def test_a_name_of_a_module_is_not_found_at_the_top_but_told_where_it_is(module: str) -> None:
    names = set(importlib.import_module(f"turnkeeper_trio.{module}").__all__) - set(turnkeeper_trio.__all__)
    for name in names:
        with pytest.raises(AttributeError) as caught:
            getattr(turnkeeper_trio, name)
        place = f"write: from turnkeeper_trio.{module} import {name}"
        assert str(caught.value) == f"module 'turnkeeper_trio' has no attribute {name!r}; {place}"
    with pytest.raises(AttributeError, match=r"has no attribute 'nonsense'$"):
        turnkeeper_trio.nonsense  # type: ignore[attr-defined]  # noqa: B018
    assert turnkeeper_trio.JobHalted is turnkeeper_trio.errors.JobHalted
