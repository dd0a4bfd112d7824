"""The keys of jobs, and the ids made of them."""

from turnkeeper_trio import _validation
from turnkeeper_trio._model import ids
from turnkeeper_trio._model.ids import RecurringJobId


def job_id_of_key(key: str) -> RecurringJobId:
    """Return the id of the job whose request has this ``key``: the same in every process, whether there is one or not.

    Raises:
        ConfigurationError: no job can have this key.
    """
    return ids.job_id_of_key(_validation.key("key", key))
