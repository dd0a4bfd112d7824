"""Jobs as users handle them: requests, job sets, defaults, and the details that are shown of a job."""

from turnkeeper_trio.jobs._keys import job_id_of_key
from turnkeeper_trio.jobs._options import JobDefaults
from turnkeeper_trio.jobs.details import JobDetails, JobSummary
from turnkeeper_trio.jobs.job_set import JobSet, JobSetChanges, JobSetEntry
from turnkeeper_trio.jobs.request import RecurringJobRequest

__all__ = [
    "JobDefaults",
    "JobDetails",
    "JobSet",
    "JobSetChanges",
    "JobSetEntry",
    "JobSummary",
    "RecurringJobRequest",
    "job_id_of_key",
]
