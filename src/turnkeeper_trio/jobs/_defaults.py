"""Defaults of jobs: the values that a scheduler or a job set has for fields that a request does not give.

A request knows which of its fields were given. A given field always wins, even if its value is the one that the field
has when it is not given. A default that has no meaning for a request is left out: ``retry`` without retries, and
``max_concurrent`` without `Overlap.ALLOW_ALL`. (In a request, such a field is refused.)
"""

from collections.abc import Mapping
from typing import Any, Final, cast, final

from turnkeeper_trio import _validation
from turnkeeper_trio._model import guard
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.jobs._options import JobDefaults
from turnkeeper_trio.jobs.request import RecurringJobRequest, checked_fields
from turnkeeper_trio.policies import Overlap

_ALLOWED: Final = JobDefaults.__optional_keys__


@final
class Defaults:
    """Defaults, which it checks, for the requests that it completes.

    ``values``, given as the parameter ``name``, is a mapping of fields of a request to values, or ``None``.
    """

    __slots__ = ("_last", "_values")

    def __init__(self, name: str, values: object) -> None:
        self._values: dict[str, Any] = {} if values is None else _checked(name, values)
        self._last: tuple[RecurringJobRequest | None, RecurringJobRequest | None] = (None, None)

    def complete(self, request: RecurringJobRequest) -> RecurringJobRequest:
        """Return a request in which each field that was not given has its default, if there is one."""
        if not self._values:
            return request
        before, after = self._last
        if before is not request or after is None:  # Many jobs in a row often share one request.
            after = self._completed(request)
            self._last = (request, after)
        return after

    def _completed(self, request: RecurringJobRequest) -> RecurringJobRequest:
        missing = self.missing({name: getattr(request, name) for name in request.given})
        return request.replace(**cast("JobDefaults", missing)) if missing else request

    def missing(self, written: Mapping[str, Any]) -> dict[str, Any]:
        """Return the defaults of the fields that are not in ``written``, as far as they have a meaning beside it."""
        missing = {name: value for name, value in self._values.items() if name not in written}
        both = {"max_retries": 0, "overlap": Overlap.SKIP, **missing, **written}
        if both["max_retries"] == 0:
            missing.pop("retry", None)
        if both["overlap"] is not Overlap.ALLOW_ALL:
            missing.pop("max_concurrent", None)
        return missing


def _checked(name: str, values: object) -> dict[str, Any]:
    if not guard.is_a(values, Mapping):
        message = f"{name} must be a mapping of fields to values, such as {{'timeout': 30}}, not {guard.shown(values)}"
        raise ConfigurationError(message, parameter=name)
    fields = _validation.keywords(name, values)
    for field in fields:
        if field not in _ALLOWED:
            message = f"{name} cannot hold {field!r}, only {', '.join(sorted(_ALLOWED))}"
            raise ConfigurationError(message, parameter=name)
    return checked_fields(fields)
