"""The base class of `Interval`, `FixedDelay` and `After`: a length of elapsed time, counted from an anchor."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Self, cast

from turnkeeper_trio._model.times import utc_datetime
from turnkeeper_trio.schedules._base import BuiltinSchedule, instant_in_range, set_slot
from turnkeeper_trio.schedules._literals import duration_code, instant_code, instant_from_text, instant_text, total_us


class ElapsedSchedule(BuiltinSchedule):
    """A length of elapsed time, and the instant from which it is counted: the anchor, given or bound at acceptance."""

    __slots__ = ("_anchor", "_length")
    _length: int
    _anchor: int | None

    def _fill(
        self, name: str, length: float | timedelta | None, anchor: datetime | None, *, least: int, **units: float | None
    ) -> None:
        """Check the arguments of a constructor and store them; ``name`` is what the constructor calls the length."""
        set_slot(self, "_length", total_us(name, length, units, least=least))
        set_slot(self, "_anchor", None if anchor is None else instant_in_range("anchor", anchor))

    def _bound_at(self, at: int) -> Self:
        """Return a copy with the anchor ``at``."""
        bound = type(self).__new__(type(self))
        set_slot(bound, "_length", self._length)
        set_slot(bound, "_anchor", at)
        return bound

    @property
    def anchor(self) -> datetime | None:
        """The instant from which it is counted, in UTC; ``None`` until it is bound."""
        return None if self._anchor is None else utc_datetime(self._anchor)

    def _meaning(self) -> tuple[object, ...]:
        return self._length, self._anchor

    def _code(self) -> str:
        anchor = "" if self._anchor is None else f", anchor={instant_code(self._anchor)}"
        return duration_code(self._length) + anchor

    def _fields(self) -> dict[str, Any]:
        anchor = None if self._anchor is None else instant_text(self._anchor)
        return {"microseconds": self._length, "anchor": anchor}

    @classmethod
    def _from_fields(cls, data: dict[str, Any]) -> Self:
        anchor = None if data["anchor"] is None else instant_from_text(data["anchor"])
        make = cast("Callable[..., Self]", cls)  # each subclass takes its length and an anchor
        return make(timedelta(microseconds=data["microseconds"]), anchor=anchor)
