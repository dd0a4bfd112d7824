"""The id of a job, made from its key, with a check of the key."""

from turnkeeper_trio import _validation
from turnkeeper_trio._model import ids
from turnkeeper_trio._model.ids import RecurringJobId
from turnkeeper_trio._model.public_path import set_public_path


def job_id_of_key(key: str) -> RecurringJobId:
    """Return the id that a job with this ``key`` has. It is the same in every process, and needs no such job.

    Raises:
        ConfigurationError: no job can have this key: it is no string, is blank, or cannot be written in UTF-8.
    """
    return ids.job_id_of_key(_validation.key("key", key))


set_public_path(job_id_of_key)
