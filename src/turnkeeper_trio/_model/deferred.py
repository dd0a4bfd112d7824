"""pendulum, which is imported when something of it is first read: that takes longer than to import this library.

Who only makes schedules and requests from numbers, texts and standard datetimes does not need it. Before a scheduler
begins to work, `load` imports it: an import in the middle of a turn would hold up the event loop, and might fail.

The annotation of a field is evaluated when its class is made, so it cannot name a class of pendulum. It names
`DateTime` here, which `typing.get_type_hints` resolves when it is asked.
"""

import sys
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, ForwardRef, final

__all__ = ["DateTime", "Deferred", "datetime_and_utc", "has_months", "load", "pendulum"]


@final
class Deferred:
    """Stands for a module, and imports it when an attribute is first read."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)


if TYPE_CHECKING:
    import pendulum
    from pendulum import DateTime
else:
    pendulum: Final = Deferred("pendulum")
    DateTime: Final = ForwardRef("pendulum.DateTime", module=__name__)


@cache
def datetime_and_utc() -> "tuple[type[pendulum.DateTime], pendulum.Timezone]":
    """Return the class of pendulum's datetimes, and its UTC; read from the module each time, they would cost more."""
    return pendulum.DateTime, pendulum.UTC


def load() -> None:
    """Import pendulum, if nothing has needed it yet."""
    datetime_and_utc()


def has_months(value: Any) -> bool:
    """Return whether a value is a duration of pendulum with years or months, which have no fixed length."""
    loaded = sys.modules.get("pendulum")  # If it was never imported, no value is of one of its classes.
    duration, interval = (getattr(loaded, name, ()) for name in ("Duration", "Interval"))
    return isinstance(value, duration) and not isinstance(value, interval) and bool(value.months + value.years)
