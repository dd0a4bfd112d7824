"""The names by which jobs and runs are known."""

from typing import Final, NewType
from uuid import UUID, uuid5

RecurringJobId = NewType("RecurringJobId", UUID)
"""Names a job (a lineage of runs)."""

_KEYS: Final = UUID("6f0f3a5e-8f5b-5c0a-9d5c-2f2b1c7e4a10")


def job_id_of_key(key: str) -> RecurringJobId:
    """Return the id of the job with a key: the same in every process."""
    return RecurringJobId(uuid5(_KEYS, key))


RunId = NewType("RunId", UUID)
"""Names one run of a job; fixed when the occurrence is planned."""
