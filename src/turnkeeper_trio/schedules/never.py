"""`Never`: a schedule without any occurrence."""

from typing import Any, Self, final

from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio.schedules._base import BuiltinSchedule

__all__ = ["Never"]


@final
class Never(BuiltinSchedule):
    """No occurrence at all, for a job that runs only when it is triggered, or at its initial run time."""

    __slots__ = ()
    kind = "never"

    def next_after_us(self, after: int) -> int | None:  # noqa: ARG002  (the answer is always the same)
        """Return ``None``."""
        return None

    def count_between_us(self, after: int, until: int) -> int:  # noqa: ARG002  (the answer is always the same)
        """Return 0."""
        return 0

    def _meaning(self) -> tuple[object, ...]:
        return ()

    def _code(self) -> str:
        return ""

    def _fields(self) -> dict[str, Any]:
        return {}

    @classmethod
    def _from_fields(cls, data: dict[str, Any]) -> Self:  # noqa: ARG003  (it has no fields)
        return cls()


set_public_path(Never)
