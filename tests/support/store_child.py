"""A process that commits batches to a store until it is killed, and says of each when it was committed."""

import sys

import anyio

from turnkeeper_trio.stores.sqlite import SQLiteStore
from turnkeeper_trio.testing._store_samples import NOW, StoreDriver, ended, job_image, run_image


def batch(driver: StoreDriver, number: int) -> list[object]:
    """Return the changes of the batch ``number``: a job is added with a run, and the run of the one before ends."""
    changes = [driver.new(number, release=False, wake_at=NOW, runs=(run_image(number, 1),))]
    if number > 1:
        runs = (ended(number - 1, 1, number=number),)
        changes.append(driver.change(number - 1, job_image(last_run=1, version=2), runs=runs, release=True))
    return changes  # type: ignore[return-value]


async def main(path: str, durability: str) -> None:
    driver = StoreDriver(SQLiteStore(path, busy_timeout=60, durability=durability))
    opened = await driver.open()
    number = opened.last_seq
    if number:
        await driver.claim(job_ids=(driver.change(number, None).job_id,))
    while True:
        number += 1
        await driver.apply(*batch(driver, number))  # type: ignore[arg-type]
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:])
