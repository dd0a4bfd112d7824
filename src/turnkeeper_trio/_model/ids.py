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


_VERSION_AND_VARIANT: Final = 0xF000_C000_0000_0000_0000
_RANDOM: Final = 0x4000_8000_0000_0000_0000
"""The bits that mark an id as a random one, version 4 of RFC 9562."""

_SET: Final[Callable[[object, str, object], None]] = object.__setattr__
_UNKNOWN: Final = SafeUUID.unknown

RunId = NewType("RunId", UUID)
"""The id of one run of a job. It stays the same from the planning of the occurrence on."""


_set = object.__setattr__


@final
class RandomIds:
    """Makes random ids (UUID version 4) from its own generator, which the operating system seeds once.

    ``uuid4`` asks the operating system for each id, which is slower. The ids are unique, but no secrets.
    """

    __slots__ = ("_bits",)

    def __init__(self) -> None:
        self._bits = random.Random().getrandbits  # noqa: S311  (an id is no secret)

    def __call__(self) -> UUID:
        # As pickle restores one: the constructor takes four times as long, because it takes five kinds of arguments.
        new_id = object.__new__(UUID)
        _SET(new_id, "int", self._bits(128) & ~_VERSION_AND_VARIANT | _RANDOM)
        _SET(new_id, "is_safe", _UNKNOWN)
        return new_id


set_public_path(RecurringJobId, RunId)
