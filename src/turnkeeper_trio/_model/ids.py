"""The names by which jobs and runs are known."""

import random
from typing import Any, Final, NewType, final
from uuid import UUID, uuid5

RecurringJobId = NewType("RecurringJobId", UUID)
"""Names a job (a lineage of runs)."""

_KEYS: Final = UUID("6f0f3a5e-8f5b-5c0a-9d5c-2f2b1c7e4a10")


def job_id_of_key(key: str) -> RecurringJobId:
    """Return the id of the job with a key: the same in every process."""
    return RecurringJobId(uuid5(_KEYS, key))


_VERSION_AND_VARIANT: Final = 0xF000_C000_0000_0000_0000
_RANDOM: Final = 0x4000_8000_0000_0000_0000
"""The bits of an id that say that it is a random one: version 4 of RFC 9562."""

RunId = NewType("RunId", UUID)
"""Names one run of a job; fixed when the occurrence is planned."""


@final
class RandomIds:
    """Makes random ids (UUID version 4) from a generator of its own, which the system has seeded.

    ``uuid4`` asks the system for each. Ids are unique, and no secrets.
    """

    __slots__ = ("_bits",)

    def __init__(self) -> None:
        """Seed the generator."""
        self._bits = random.Random().getrandbits  # noqa: S311  (an id is no secret)

    def __call__(self) -> UUID:
        """Return a new id."""
        # As it is brought back by pickle: its constructor takes three times as long, to find out what it was given.
        made: Any = object.__new__(UUID)
        made.__setstate__({"int": self._bits(128) & ~_VERSION_AND_VARIANT | _RANDOM})
        job_or_run: UUID = made
        return job_or_run
