"""The ids of jobs and runs, and how they are made."""

import random
from collections.abc import Callable
from typing import Final, NewType, final
from uuid import UUID, SafeUUID, uuid5

from turnkeeper_trio._model.public_path import set_public_path

RecurringJobId = NewType("RecurringJobId", UUID)
"""The id of a job (a lineage of runs)."""

_KEYS: Final = UUID("6f0f3a5e-8f5b-5c0a-9d5c-2f2b1c7e4a10")


def job_id_of_key(key: str) -> RecurringJobId:
    """Return the id of the job with a key. It is the same in every process."""
    return RecurringJobId(uuid5(_KEYS, key))


_VERSION_AND_VARIANT: Final = 0x7000_8000_0000_0000_0000
"""The bits that mark an id as one of version 7 of RFC 9562, which begins with a time."""

_RANDOM_PART: Final = 0x0FFF_3FFF_FFFF_FFFF_FFFF
_LAST_TIME: Final = (1 << 48) - 1

_SET: Final[Callable[[object, str, object], None]] = object.__setattr__
_UNKNOWN: Final = SafeUUID.unknown

RunId = NewType("RunId", UUID)
"""The id of one run of a job. It stays the same from the planning of the occurrence on."""


@final
class TimeOrderedIds:
    """Makes ids that begin with the time (UUID version 7) and are random otherwise, from a generator of its own.

    Neighbours in time are neighbours in the index of a store: random ids would touch a page of it each. The operating
    system seeds the generator once; ``uuid4`` asks it for each id, which is slower. The ids are unique, but no secrets.
    """

    __slots__ = ("_bits", "_now")

    def __init__(self, now: Callable[[], int]) -> None:
        """Begin; ``now`` returns the nanoseconds since the epoch."""
        self._now: Callable[[], int] = now
        self._bits = random.Random().getrandbits  # noqa: S311  (an id is no secret)

    def __call__(self) -> UUID:
        # As pickle restores one: the constructor takes four times as long, because it takes five kinds of arguments.
        new_id = object.__new__(UUID)
        milliseconds = self._now() // 1_000_000
        _SET(
            new_id,
            "int",
            (milliseconds & _LAST_TIME) << 80 | self._bits(80) & _RANDOM_PART | _VERSION_AND_VARIANT,
        )
        _SET(new_id, "is_safe", _UNKNOWN)
        return new_id


set_public_path(RecurringJobId, RunId)
