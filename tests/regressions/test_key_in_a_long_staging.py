"""A million submissions with keys took hours: each checked every submission with a key that was still in staging.

Cause: the table of the keys in staging was written again for each of them, without those that had been taken. But they
are in the order in which they came, so those that have been taken are at its front.
"""

from collections import OrderedDict
from collections.abc import ItemsView, Iterator, ValuesView
from typing import Any

import anyio
import pytest

from turnkeeper_trio import JobExists, Never, OnConflict, RecurringJobRequest, open_scheduler

pytestmark = pytest.mark.anyio
MANY = 500


class Looked(OrderedDict[Any, Any]):
    """Counts how many of its entries are looked at one after the other."""

    looked = 0

    def __iter__(self) -> Iterator[Any]:
        for each in super().__iter__():
            self.looked += 1
            yield each

    def values(self) -> ValuesView[Any]:
        return ValuesView(self)

    def items(self) -> ItemsView[Any, Any]:
        return ItemsView(self)


async def test_one_submission_looks_at_a_few_others_at_most() -> None:
    async with open_scheduler(max_workers=1, staging_buffer_size=MANY) as scheduler:
        staged = scheduler._staged = Looked()
        for _ in range(2):
            for number in range(MANY):
                scheduler.try_add_job(RecurringJobRequest("job", Never(), key=str(number)), anyio.sleep, 0)
            assert scheduler._staged is staged
            assert len(staged) == MANY
            await scheduler.list_all_jobs()
        assert staged.looked <= 3 * MANY


async def test_a_key_is_taken_while_it_is_in_staging_and_not_longer() -> None:
    once = RecurringJobRequest("job", Never(), key="a")
    async with open_scheduler(max_workers=1) as scheduler:
        first = scheduler.try_add_job(once, anyio.sleep, 0)
        scheduler.try_add_job(RecurringJobRequest("job", Never(), key="b"), anyio.sleep, 0)
        scheduler.try_add_job(once, anyio.sleep, 1)  # It comes behind the other now.
        await scheduler.delete_job(first)
        scheduler.try_add_job(once, anyio.sleep, 0, on_conflict=OnConflict.RAISE)
        with pytest.raises(JobExists):
            scheduler.try_add_job(once, anyio.sleep, 0, on_conflict=OnConflict.RAISE)
