"""The commands for a file: check, backup, prune and export."""

import importlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.run import Outcome
from turnkeeper_trio.abc import JobQuery, RunState
from turnkeeper_trio.stores import Keep
from turnkeeper_trio.stores.sqlite import SQLiteStore, _schema, _tool
from turnkeeper_trio.testing._store_samples import (
    NOW,
    StoreDriver,
    ended,
    job_id,
    job_image,
    occurrence,
    run_id,
    run_image,
)  # fmt: skip


def opened(path: Path) -> StoreDriver:
    keep = Keep(per_job=None, age=None, total=None)
    return StoreDriver(SQLiteStore(path, offload="inline", durability="normal", history=keep, busy_timeout=0))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a store with jobs and runs of each kind."""

    async def make() -> None:
        driver = opened(tmp_path / "jobs.db")
        await driver.open()
        failed = ended(1, 2, Outcome.FAILED, error='{"type": "E", "message": "m", "traceback": "t"}')
        await driver.apply(
            driver.new(
                1, wake_at=NOW, pending=occurrence(9), entries=9, tags=("a", "b"), release=False, last_run=2,
                runs=(ended(1, 1, value='{"value": 1}'), failed, run_image(1, 3, state=RunState.RETRY, wake_at=NOW)),
            ),
            driver.new(2, state=JobState.FINISHED, runs=(ended(2, 1),)),
            driver.new(3, state=JobState.FINISHED, tags=("a",)),
        )  # fmt: skip
        for entry in range(10, 40):
            await driver.apply(
                driver.change(
                    1,
                    job_image(entries=entry, wake_at=NOW, pending=occurrence(9)),
                    runs=(ended(1, entry, number=entry),),
                )
            )
        await driver.store.close(clean=True)

    anyio.run(make)
    return tmp_path / "jobs.db"


def call(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = _tool.main([str(each) for each in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_all_is_well(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = path.read_bytes()
    assert call(capsys, "check", path) == (0, f"{path}: all is well\n", "")
    code, out, _ = call(capsys, "check", path, "--json")
    assert (code, json.loads(out)) == (0, {"file": str(path), "faults": []})
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE job SET owned = 0, wake_at = NULL WHERE seq = 1", "a job has something to do, and no time at which"),
        ("UPDATE job SET over = 0 WHERE seq = 2", "a job is over, and not marked so"),
        ("UPDATE node SET last_seq = 1", "a job comes after the last: 00000002"),
        ("UPDATE job SET entries = 30 WHERE seq = 1", "a job has an occurrence with a higher number than its highest"),
        ("UPDATE open_run SET job = 77", "a run has no job: 8000"),
        ("UPDATE ended_run SET job = 77 WHERE entry = 11", "a record has no job: 8000"),
        ("INSERT INTO tag VALUES ('x', 1, 1)", "a tag is not that of its job: x"),
        ("DELETE FROM tag WHERE tag = 'b'", "a tag of a job is missing: 00000001"),
        ("UPDATE open_run SET state = 'ended'", "a run has ended, and is among those that have not"),
        ("UPDATE ended_run SET state = 'due' WHERE entry = 10", "a record is not one of a run that ended"),
        ("UPDATE open_run SET entry = 10", "a run is in two rows"),
        ("UPDATE node SET last_ended = 3", "a record comes after the last"),
        ("UPDATE node SET tally = json_set(tally, '$.jobs finished', 1)", "jobs finished: 1 are counted, there are 2"),
        ("UPDATE node SET tally = json_set(tally, '$.outcomes failed', 0)", "outcomes failed: 0 are counted, 1 are"),
    ],
)
def test_what_does_not_fit_is_named(path: Path, capsys: pytest.CaptureFixture[str], statement: str, said: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.close()
    code, out, err = call(capsys, "check", path)
    assert (code, err) == (1, "")
    assert said in out


def test_a_damaged_file_is_named(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    connection = sqlite3.connect(path)
    ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ended_run_entry'")
    connection.close()
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 + 200 : page * 4096] = bytes(4096 - 200)
    path.write_bytes(content)
    code, out, _ = call(capsys, "check", path)
    assert code == 1
    assert "the file is damaged: " in out


def test_a_copy_is_a_store(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "copy.db"
    assert call(capsys, "backup", path, copy) == (0, f"{copy} is a copy of {path}\n", "")
    assert call(capsys, "check", copy)[0] == 0
    code, out, err = call(capsys, "backup", path, copy, "--json")
    assert (code, out, json.loads(err)["error"]) == (2, "", "FileExistsError")
    nowhere = tmp_path / "nowhere" / "copy.db"
    says = f"FileNotFoundError: there is no folder {nowhere.parent}; make it, or name another file\n"
    assert call(capsys, "backup", path, nowhere) == (2, "", says)

    async def look() -> list[int]:
        driver = opened(copy)
        await driver.open()
        jobs = [job.seq for job in await driver.store.read_jobs(JobQuery())]
        await driver.store.close(clean=True)
        return jobs

    assert anyio.run(look) == [1, 2, 3]


def test_what_has_ended_is_removed(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "prune", path) == (0, "removed 0 records of runs and 0 jobs that had ended\n", "")
    assert call(capsys, "prune", path, "--per-job", "10")[1] == "removed 22 records of runs and 0 jobs that had ended\n"
    code, out, _ = call(capsys, "prune", path, "--total", "1", "--json")
    assert (code, json.loads(out)) == (0, {"file": str(path), "records": 10, "jobs": 1})
    assert call(capsys, "prune", path, "--age", "0")[1] == "removed 0 records of runs and 1 jobs that had ended\n"
    assert call(capsys, "check", path)[0] == 0
    code, _, err = call(capsys, "prune", path, "--total", "-1")
    assert code == 2
    assert "ConfigurationError: total must be an integer of at least 0" in err


def test_much_is_removed(path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tool, "_BUDGET", 3)
    assert call(capsys, "prune", path, "--total", "0")[1] == "removed 32 records of runs and 2 jobs that had ended\n"
    assert call(capsys, "check", path)[0] == 0


def test_each_row_is_a_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "export", path)
    assert (code, err) == (0, "")
    lines: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    jobs = [line for line in lines if line["kind"] == "job"]
    runs = [line for line in lines if line["kind"] == "run"]
    assert [job["job_id"] for job in jobs] == [str(job_id(number)) for number in (1, 2, 3)]
    assert jobs[0]["text"] == {"number": 1}
    assert jobs[0]["tags"] == ["a", "b"]
    assert jobs[0]["pending"]["entry"] == 9
    assert jobs[1]["pending"] is None
    assert [run["ended"] for run in runs] == [*range(1, 34), 0]
    assert (runs[0]["run_id"], runs[0]["value"], runs[0]["error"]) == (str(run_id(1, 1)), {"value": 1}, None)
    assert runs[-1]["state"] == "retry"


def test_it_is_open(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    driver = opened(path)

    async def look() -> None:
        await driver.open()
        for command in (["check"], ["export"], ["prune", "--total", "1"]):
            code, out, err = call(capsys, command[0], path, *command[1:])
            assert (code, out) == (2, "")
            assert err.startswith(f"StoreInUse: {path} is open in process 1 on test")
        await driver.store.close(clean=True)

    anyio.run(look)


def test_it_is_none_of_ours(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "StoreNotFound: there is no" in call(capsys, "check", tmp_path / "nothing.db")[2]
    assert not (tmp_path / "nothing.db").exists()
    monkeypatch.setattr(_schema, "SCHEMA", 2)
    monkeypatch.setattr(_schema, "MIGRATIONS", {1: ()})
    code, _, err = call(capsys, "check", path)
    assert code == 2
    assert "has the schema 1: a scheduler that opens it brings it up to date" in err
    with pytest.raises(SystemExit) as caught:
        call(capsys, "mend", path)
    assert caught.value.code == 2


def test_it_is_called_by_its_module(path: Path) -> None:
    command = [sys.executable, "-m", "turnkeeper_trio.stores.sqlite", "check", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{path}: all is well\n", "")


def test_the_module_of_the_commands_can_be_imported() -> None:
    """Tools that document or check a package import each of its modules."""
    assert importlib.import_module("turnkeeper_trio.stores.sqlite.__main__").main is _tool.main
