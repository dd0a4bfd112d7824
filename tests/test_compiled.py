"""What compiled wheels need of the sources, and that users do not see which of the two they have."""

import ast
import copy
import importlib
import inspect
import pickle
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

import turnkeeper_trio
from turnkeeper_trio import abc, errors, events, jobs, policies, retries, schedules, verdicts

ROOT = Path(__file__).parents[1]
PACKAGE = Path(turnkeeper_trio.__file__).parent
HOOK = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"][
    "hooks"
]
LEFT_OUT = [pattern.removeprefix("**/") for pattern in HOOK["mypyc"]["exclude"]]

READS_ALL = {"all", "any", "frozenset", "list", "max", "min", "next", "set", "sorted", "sum", "tuple"}
"""Functions that read an iterator at once: it does not matter for them that mypyc makes a generator a list."""
METHODS = {"extend", "fromkeys", "join", "update"}


def compiled() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if not any(map(path.match, LEFT_OUT))]


def dotted(path: Path) -> str:
    return ".".join(("turnkeeper_trio", *path.relative_to(PACKAGE).with_suffix("").parts))


def nodes(path: Path) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Yield each node of a module with the node around it."""
    for around in ast.walk(ast.parse(path.read_text("utf-8"))):
        for node in ast.iter_child_nodes(around):
            yield around, node


@pytest.mark.parametrize("pattern", LEFT_OUT)
def test_what_is_left_out_is_there(pattern: str) -> None:
    assert [path for path in PACKAGE.rglob("*.py") if path.match(pattern)]


def test_a_wheel_of_the_sources_has_nothing_that_an_earlier_build_left_there() -> None:
    """Hatchling leaves out what git ignores, but for what the build itself has made."""
    assert {"*.py[cod]", "*.so", "pyproject.toml.bak"} <= {*(ROOT / ".gitignore").read_text("utf-8").splitlines()}


@pytest.mark.parametrize("path", compiled(), ids=dotted)
def test_a_module_is_compiled_if_the_wheel_is(path: Path) -> None:
    module = importlib.import_module(dotted(path))
    assert module.__file__ is not None
    assert module.__file__.endswith(".py") is not turnkeeper_trio.__compiled__


@pytest.mark.parametrize("path", compiled(), ids=dotted)
def test_the_cause_of_an_error_is_set_by_a_call(path: Path) -> None:
    """Because mypyc leaves out the ``from`` of a ``raise``."""
    raised = [node.exc for _, node in nodes(path) if isinstance(node, ast.Raise) and node.cause is not None]
    assert [ast.unparse(exc) for exc in raised if exc and not ast.unparse(exc).startswith("guard.caused(")] == []


@pytest.mark.parametrize("path", compiled(), ids=dotted)
def test_a_generator_expression_is_read_at_once(path: Path) -> None:
    """Because mypyc makes a list of it, which would never end where there is no end of items."""
    lazy: list[str] = []
    for around, node in nodes(path):
        if isinstance(node, ast.GeneratorExp):
            called = around.func if isinstance(around, ast.Call) else None
            read = (isinstance(called, ast.Name) and (called.id in READS_ALL or called.id.startswith("_"))) or (
                isinstance(called, ast.Attribute) and called.attr in METHODS
            )
            unpacked = isinstance(around, ast.Assign) and isinstance(around.targets[0], ast.Tuple)
            if not (read or unpacked or isinstance(around, ast.Starred)):
                lazy.append(ast.unparse(node))
    assert lazy == []


PUBLIC = {
    f"{module.__name__.removeprefix('turnkeeper_trio.')}.{name}": getattr(module, name)
    for module in (turnkeeper_trio, abc, errors, events, jobs, policies, retries, schedules, verdicts)
    for name in module.__all__
}


@pytest.mark.parametrize("shown", [value for value in PUBLIC.values() if isinstance(value, types.FunctionType | type)])
def test_what_users_see_is_of_python(shown: type | types.FunctionType) -> None:
    """So `help` shows its signature, editors show its source, and a class can be subclassed and has a ``__dict__``."""
    assert inspect.getsourcefile(shown)
    for name, each in vars(shown).items() if isinstance(shown, type) else ():
        function = getattr(each, "__func__", getattr(each, "fget", each))
        if callable(function) and name != "__class__" and "turnkeeper" in str(getattr(function, "__module__", "")):
            assert isinstance(function, types.FunctionType | type), name


def test_no_public_function_is_compiled() -> None:
    assert [name for name, value in PUBLIC.items() if isinstance(value, types.BuiltinFunctionType)] == []


@pytest.mark.parametrize(
    "value",
    [
        schedules.Cron("*/5 9-17 * * MON-FRI", timezone="Europe/Berlin"),
        schedules.Except(schedules.Interval(5), schedules.Cron("@monthly")) | schedules.After(3),
        jobs.RecurringJobRequest("a", schedules.Cron("@daily"), max_retries=3, retry=retries.FixedRetryDelay(3)),
        retries.ExponentialBackoff(3),
    ],
    ids=repr,
)
def test_a_value_survives_pickle_and_copy(value: object) -> None:
    for other in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):  # noqa: S301
        assert other == value
        assert hash(other) == hash(value)
        assert repr(other) == repr(value)
