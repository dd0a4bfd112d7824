"""What to write where a request or a submission is given a keyword that it does not take."""

from collections.abc import Collection, Mapping
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


def unknown_field(name: str, fields: Collection[str]) -> TypeError:
    """Return the error for a keyword that is no field of a request."""
    import difflib  # noqa: PLC0415  (most programs need none of this)

    if name in {"timezone", "tz", "zone"}:
        where = "the timezone belongs to the schedule, such as Cron('0 9 * * *', timezone='Europe/Berlin')"
    elif name in {"fn", "func", "args", "kwargs"}:
        where = "the function and its arguments follow the request, write add_job(request, fn, 1, kwargs={'two': 2})"
    else:
        near = difflib.get_close_matches(name, fields, 1)
        where = f"did you mean {near[0]!r}?" if near else f"the fields are {', '.join(sorted(fields))}"
    return TypeError(f"RecurringJobRequest() got an unexpected keyword argument {name!r}: {where}")
