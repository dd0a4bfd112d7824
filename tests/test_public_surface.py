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


def kept_path(value: object) -> str | None:
    """Return where a class or function says that it is from, or None for a constant."""
    if isinstance(value, type | types.FunctionType | typing.NewType):
        return value.__module__
    return None


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_all_is_defined(module: types.ModuleType) -> None:
    assert len(module.__all__) == len(set(module.__all__))
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
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


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_annotations_can_be_read_at_run_time(module: types.ModuleType) -> None:
    for name in module.__all__:
        value = getattr(module, name)
        if dataclasses.is_dataclass(value) or isinstance(value, types.FunctionType):
            assert typing.get_type_hints(value).keys() >= vars(value).get("__annotations__", {}).keys(), name
        for method, function in vars(value).items() if isinstance(value, type) else ():
            if isinstance(function, types.FunctionType) and (method == "__init__" or method[0] != "_"):
                assert typing.get_type_hints(function).keys() >= function.__annotations__.keys(), (name, method)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
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


def test_an_event_is_found_in_the_package_too() -> None:
    """Its place is `turnkeeper_trio.events`; who looks for it at the top finds it, and the error of that name stays."""
    events = importlib.import_module("turnkeeper_trio.events")
    assert turnkeeper_trio.RunFinished is events.RunFinished  # type: ignore[attr-defined]  # at run time only
    assert turnkeeper_trio.JobHalted is turnkeeper_trio.errors.JobHalted
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        turnkeeper_trio.nonsense  # type: ignore[attr-defined]  # noqa: B018
