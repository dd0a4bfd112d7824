"""The two clocks, read together."""

from typing import Final, NamedTuple

NEVER: Final = 1 << 63
"""An instant later than any."""


class Now(NamedTuple):
    """One reading of both clocks, in microseconds."""

    wall: int
    """Since 1970-01-01 00:00 UTC. It can step: instants of schedules are compared with it."""

    loop: int
    """Of the event loop; it never steps: delays and durations are measured with it."""
