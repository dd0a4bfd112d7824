"""What to write where a submission is given a keyword that it does not take, because it belongs somewhere else."""

from collections.abc import Mapping
from typing import Final, Never, TypeAlias

from turnkeeper_trio._model import guard
from turnkeeper_trio.jobs._options import RequestFields

NoKeyword: TypeAlias = Never
"""The type of keywords that are taken only to be refused: no value has it, so a type checker refuses them, too."""

_FIELDS: Final = frozenset(RequestFields.__annotations__)


def misplaced(method: str, given: Mapping[str, object]) -> TypeError:
    """Return the error for keywords that ``method`` does not take: ``timeout=3`` belongs to the request."""
    name, value = next(iter(given.items()))
    shown = guard.shown(value)
    function = f"for the function, write kwargs={{{name!r}: {shown}}}"
    if name == "args":
        where = "the arguments of the function follow it, write fn, 1, 'two'"
    elif name in _FIELDS:
        where = f"it is a field of the request, write RecurringJobRequest(..., {name}={shown}); {function}"
    else:
        where = function
    return TypeError(f"{method}() got an unexpected keyword argument {name!r}: {where}")
