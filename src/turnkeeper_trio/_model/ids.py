"""The names by which jobs and runs are known."""

from typing import NewType
from uuid import UUID

RecurringJobId = NewType("RecurringJobId", UUID)
"""Names a job (a lineage of runs)."""

RunId = NewType("RunId", UUID)
"""Names one run of a job; fixed when the occurrence is planned."""
