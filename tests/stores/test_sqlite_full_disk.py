"""A disk that is really full: what was committed is there, and it goes on when there is room."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from turnkeeper_trio.abc import JobQuery
from turnkeeper_trio.errors import StoreUnavailable
from turnkeeper_trio.stores.sqlite import SQLiteStore
from turnkeeper_trio.testing._store_samples import StoreDriver

resource = pytest.importorskip("resource", reason="the system has no limit for the size of files")

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["file system", "limit"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 1 MB, where this user may mount one, and a folder whose files may not be larger."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    mounted = False
    if request.param == "file system" and mount and umount:
        command = [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    if not mounted:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    yield folder
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    if mounted:
        assert umount is not None
        subprocess.run([umount, str(folder)], check=True)  # noqa: S603


async def opened(path: Path) -> StoreDriver:
    driver = StoreDriver(SQLiteStore(path, busy_timeout=0, offload="inline", durability="normal"))
    await driver.open()
    return driver


async def seqs(driver: StoreDriver) -> list[int]:
    return [job.seq for job in await driver.store.read_jobs(JobQuery(limit=1000))]


async def test_the_disk_is_really_full(small_disk: Path, tmp_path: Path) -> None:
    """Batches are committed until there is no room, and each that was is there afterwards."""
    driver = await opened(small_disk / "jobs.db")
    done = 0
    with pytest.raises(StoreUnavailable):
        for number in range(1, 10_000):
            batch = driver.batch(driver.new(number, text=f'"{"x" * 9000}"'))
            await driver.store.apply(batch)
            done = number
    assert done > 10
    assert await seqs(driver) == list(range(1, done + 1))
    with suppress(StoreUnavailable):  # it may have found room: what was in the -wal is in the file by now
        await driver.store.apply(batch)
        done += 1
    assert await seqs(driver) == list(range(1, done + 1))
    await driver.store.close(clean=False)
    for name in ("jobs.db", "jobs.db-wal"):  # what could not be written into the file itself is in its -wal
        if (small_disk / name).exists():
            shutil.move(small_disk / name, tmp_path / name)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.getrlimit(resource.RLIMIT_FSIZE)[1],) * 2)
    driver = await opened(tmp_path / "jobs.db")
    assert await seqs(driver) == list(range(1, done + 1))
    assert list(await driver.apply(driver.new(done + 1))) == []
    await driver.store.close(clean=True)
