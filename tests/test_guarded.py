"""The engine shows, asks and compares no object of a user's but through the guard.

What may stand in an f-string, in ``str()``, ``repr()``, ``isinstance()`` or ``bool()`` there, or have its class named,
is listed here, by what it is: a value of the library's own, or text that was checked at the call. Whoever adds another
has to say that it is one.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import turnkeeper_trio

ENGINE = Path(turnkeeper_trio.__file__).parent / "_engine"

SHOWN = {
    # Names and keys: texts of exactly the type str, checked at the call.
    "job.request.name",
    "retry[-1].job.request.name",
    # Reasons, which the library writes itself or has taken through the guard.
    "job.reason",
    "last.reason",
    "reason",
    "note",
    "': '.join(filter(None, (said, reason)))",
    "version",
    "SET_VERSION",
    "counted(run.crashes, 'time')",
    "why",
    "why_not",
    "PASSED",
    "PAUSED",
    # The library's own values, of closed types.
    "job.state",
    "last.outcome",
    "job.version",
    "if_version",
    "run_id",
    "job.target",
    "job_id",
    "name",
    "str(name)",
    "count",
    "failures",
    "fault",
    "kind",
    "'key' if by_key else 'id'",
}
"""What is shown, or made a text."""

TESTED = {
    "at",
    "item",
    "subject",
    "which",
    "name",
    "job_id",
    "each",
}
"""What ``isinstance`` asks: rows of the engine, and ids and instants that were checked at the call."""

JUDGED = {
    "len(self.state.ready)",
    "job.runs or (job.history is not None and (job.history.runs or job.history.non_runs))",
    "refused",
    "job.pending or job.runs",
}
"""What ``bool`` asks: containers of the engine."""

BY_CALL = {"str": SHOWN, "repr": SHOWN, "format": SHOWN, "isinstance": TESTED, "bool": JUDGED}


def found(code: str) -> Iterator[tuple[int, str]]:
    """Iterate over what a module does to objects that are not on the lists: its line, and the object."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FormattedValue):
            inner, allowed = node.value, SHOWN
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BY_CALL and node.args:
            inner, allowed = node.args[0], BY_CALL[node.func.id]
        elif (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format") or (
            isinstance(node, ast.Attribute) and node.attr in {"__name__", "__qualname__", "__class__"}
        ):
            inner, allowed = node, set()
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and isinstance(node.left, ast.Constant):
            if not isinstance(node.left.value, str):
                continue
            inner, allowed = node, set()
        else:
            continue
        text = ast.unparse(inner)
        if text not in allowed and not text.startswith("guard."):
            yield node.lineno, text


@pytest.mark.parametrize("module", sorted(ENGINE.glob("*.py")), ids=lambda path: path.stem)
def test_the_engine_touches_no_object_of_a_users_but_through_the_guard(module: Path) -> None:
    assert list(found(module.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "line",
    [
        "f'{value!r}'",
        "f'{attempt.error}'",
        "f'{type(schedule).__name__} fails'",
        "str(attempt.value)",
        "repr(job.args)",
        "bool(value)",
        "isinstance(attempt.error, Verdict)",
        "attempt.error.__class__",
        "'%s' % value",
        "'{}'.format(value)",
    ],
)
def test_what_somebody_adds_is_found(line: str) -> None:
    assert list(found(line))


def test_what_is_allowed_is_there() -> None:
    """A list that outlives its lines allows what nobody has looked at."""
    source = "\n".join(ast.unparse(ast.parse(path.read_text(encoding="utf-8"))) for path in ENGINE.glob("*.py"))
    assert [each for each in (*SHOWN, *TESTED, *JUDGED) if each not in source] == []
