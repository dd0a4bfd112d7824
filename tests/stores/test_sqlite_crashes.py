"""A process is killed, or its last commits are cut off: what is left is the batches up to one, each whole."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest
import store_child

from turnkeeper_trio.abc import JobQuery, RunQuery
from turnkeeper_trio.stores.sqlite import SQLiteStore, _tool
from turnkeeper_trio.testing._store_samples import StoreDriver


async def last_batch(path: Path) -> int:
    """Return the last batch that a store holds, after asserting that it holds all before it, and no part of another."""
    driver = StoreDriver(SQLiteStore(path, busy_timeout=0, offload="inline", durability="normal"))
    opened = await driver.open()
    last = opened.last_seq
    jobs = await driver.store.read_jobs(JobQuery(limit=100_000))
    assert [job.seq for job in jobs] == list(range(1, last + 1))
    assert [job.image.version for job in jobs] == [2] * (last - 1) + [1] * (last > 0)
    runs = await driver.store.read_runs(RunQuery(limit=100_000))
    assert [run.name for run in runs] == [f"job {number}" for number in range(last - 1, 0, -1)]
    counts = await driver.store.count()
    assert sum(counts.runs.values()) == sum(counts.jobs.values()) == last
    await driver.store.close(clean=True)
    assert _tool.main(["check", str(path)]) == 0
    return last


async def commit(path: Path, batches: int) -> None:
    """Commit some batches, and copy the file and its -wal before they are closed."""
    driver = StoreDriver(SQLiteStore(path / "jobs.db", offload="inline", durability="normal"))
    await driver.open()
    for number in range(1, batches + 1):
        await driver.apply(*store_child.batch(driver, number))  # type: ignore[arg-type]
    for name in ("jobs.db", "jobs.db-wal"):
        shutil.copy(path / name, path / f"copy-{name}")
    await driver.store.close(clean=True)


def test_the_wal_is_cut_at_any_byte(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is left is a prefix of the batches: the longer the -wal, the longer it is."""
    anyio.run(commit, tmp_path, 12)
    wal = (tmp_path / "copy-jobs.db-wal").read_bytes()
    cuts = sorted([*random.Random(1).sample(range(1, len(wal)), 60), 1, 32, 32 + 24 + 4096, len(wal)])
    seen = []
    for place, cut in enumerate(cuts):
        folder = tmp_path / f"cut-{place}"
        folder.mkdir()
        shutil.copy(tmp_path / "copy-jobs.db", folder / "jobs.db")
        (folder / "jobs.db-wal").write_bytes(wal[:cut])
        seen.append(anyio.run(last_batch, folder / "jobs.db"))
    assert seen == sorted(seen)
    assert seen[-1] == 12
    assert len(set(seen)) > 6
    assert "all is well" in capsys.readouterr().out


def kill_again_and_again(path: Path, kills: int, durability: str, chance: random.Random) -> None:
    """Kill the process that commits; each batch that it said it had committed is there, and at most one more."""
    told = 0
    for _ in range(kills):
        with subprocess.Popen(  # noqa: S603
            [sys.executable, store_child.__file__, str(path), durability], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            first = int(child.stdout.readline())
            assert first > told
            time.sleep(chance.uniform(0, 0.15))
            child.send_signal(signal.SIGKILL)
            rest = child.stdout.read().split("\n")[:-1]
            told = int(rest[-1]) if rest else first
        there = anyio.run(last_batch, path)
        assert told <= there <= told + 1
        told = there


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("durability", ["full", "normal"])
def test_the_process_is_killed(tmp_path: Path, durability: str) -> None:
    kill_again_and_again(tmp_path / "jobs.db", 2, durability, random.Random(1))
    assert not (tmp_path / "jobs.db-wal").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_the_process_is_killed_many_times(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path / "jobs.db", 25, "full", random.Random(2))
    assert not (tmp_path / "jobs.db-wal").exists()
