"""A real process is killed at each point of the life of a job: what is on the disk, and what the next process does.

Each test is a row of the table "What survives a kill". ``benchmarks/kill9`` kills at random.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import killed_child
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL, and no fork"),
]

ROOT = Path(__file__).parents[2]
CRASHED = "its process died while it executed"
UNTIL_NOTED = 20.0


both = pytest.mark.parametrize("backend", ["asyncio", "trio"], indirect=True)
"""On both back ends. What is on the disk does not depend on them, and a process takes a second."""


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> str:
    return str(getattr(request, "param", "trio"))


class Lives:
    """Processes, one after the other, that use one file."""

    def __init__(self, path: Path, backend: str) -> None:
        self.path, self.backend = path, backend
        self.request: dict[str, Any] = {}
        self.body = ""

    def start(self, *do: str, point: str = "", add: bool = False) -> "subprocess.Popen[str]":
        plan = {"do": do, "point": point, "add": add, "request": self.request, "body": self.body}
        return killed_child.start(self.path, self.backend, **plan)

    def killed(self, *do: str, point: str = "", add: bool = True) -> list[list[Any]]:
        """Have a process live until it kills itself; return what it noted."""
        before = len(killed_child.notes(self.path))
        child = self.start(*do, "wait", point=point, add=add)
        _, errors = child.communicate(timeout=60)
        assert child.returncode == -signal.SIGKILL, errors
        return killed_child.notes(self.path)[before:]

    def ends(self, *do: str, add: bool = False) -> tuple[dict[str, Any], list[list[Any]]]:
        """Have a process live to its end; return what it says of the job, and what it noted."""
        before = len(killed_child.notes(self.path))
        child = self.start(*do, "show", add=add)
        shown, errors = child.communicate(timeout=60)
        assert child.returncode == 0, errors
        return killed_child.json.loads(shown), killed_child.notes(self.path)[before:]

    def wait_for(self, what: str) -> list[Any]:
        """Wait until a process has noted something, and return that."""
        until = time.monotonic() + UNTIL_NOTED
        while time.monotonic() < until:
            for note in killed_child.notes(self.path):
                if note[0] == what:
                    return note
            time.sleep(0.01)
        raise AssertionError(f"nobody noted {what!r}: {killed_child.notes(self.path)}")


@pytest.fixture
def lives(tmp_path: Path, backend: str) -> Lives:
    return Lives(tmp_path / "jobs.db", backend)


def outcomes(shown: dict[str, Any]) -> list[tuple[str, int, str]]:
    return [(outcome, attempts, reason) for outcome, attempts, reason, _, _ in shown["runs"]]


def bodies(notes: list[list[Any]]) -> list[list[Any]]:
    """Return what bodies noted. A body may begin before the caller is told that its job is accepted."""
    return [note for note in notes if note[0] in {"begun", "done"}]


def effects(path: Path) -> list[int]:
    """Return what the copy of a file holds of the effects of a body."""
    copy = path.with_name("copy.db")
    for suffix in ("", "-wal"):
        Path(f"{copy}{suffix}").unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
    with closing(sqlite3.connect(copy)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'effect'").fetchall():
            return []
        return [attempt for (attempt,) in connection.execute("SELECT attempt FROM effect")]


def test_before_the_job_is_committed(lives: Lives) -> None:
    """There is nothing, and the caller had no answer."""
    lives.request = {"after": 0.3}
    assert lives.killed(point="before accept") == []
    shown, notes = lives.ends("idle")
    assert (shown["jobs"], shown["runs"]) == (0, [])
    assert notes == [["left"]]


@both
def test_after_the_job_is_committed_and_before_the_caller_knows(lives: Lives) -> None:
    """The job is there, and a caller that submits its key again has the same one."""
    lives.request = {"after": 1}
    assert lives.killed(point="after accept") == []
    shown, notes = lives.ends("idle", add=True)
    assert (shown["jobs"], shown["state"], outcomes(shown)) == (1, "finished", [("succeeded", 1, "")])
    assert bodies(notes) == [["begun", 1], ["done", 1]]
    assert ["accepted"] in notes


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [
        ("one", [("succeeded", 1, "")]),
        ("none", [("missed", 0, "its instant passed before the scheduler could look")]),
    ],
)
def test_before_a_run_is_due(lives: Lives, catch_up: str, expected: list[Any]) -> None:
    """Its instant passes while nothing runs: the policy for catch-up says what happens."""
    lives.request = {"after": 0.5, "catch_up": catch_up}
    assert lives.killed("die") == [["accepted"]]
    time.sleep(1.7)  # one that is less than a second late runs whatever the policy is
    shown, notes = lives.ends("idle")
    assert outcomes(shown) == expected
    assert [note[0] for note in notes] == (["begun", "done", "left"] if catch_up == "one" else ["left"])


@pytest.mark.parametrize("point", ["before start", "after start"])
def test_when_a_run_begins(lives: Lives, point: str) -> None:
    """No body began: before the commit no attempt counts, after it one that crashed."""
    lives.request = {"after": 1}
    assert lives.killed(point=point) == [["accepted"]]
    shown, notes = lives.ends("idle")
    attempt = 1 if point == "before start" else 2
    assert outcomes(shown) == [("succeeded", attempt, "")]
    assert notes == [["begun", attempt], ["done", attempt], ["left"]]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ("succeeded", 2, "")),
        ({"on_crash": "rerun", "crash_limit": 1}, ("failed", 1, "its process died 1 time while it executed")),
        ({"on_crash": "mark"}, ("interrupted", 1, CRASHED)),
        ({"on_crash": "fail"}, ("failed", 1, CRASHED)),
        ({"on_crash": "fail", "max_retries": 1, "retry": 0.01}, ("succeeded", 2, "")),
    ],
)
def test_before_the_end_of_a_run_is_committed(lives: Lives, fields: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """The body was done, which nobody was told: the job says whether it begins again."""
    lives.request = {"after": 0.05, **fields}
    assert bodies(lives.killed(point="before end")) == [["begun", 1], ["done", 1]]
    shown, notes = lives.ends("idle")
    assert outcomes(shown) == [expected]
    again = expected[1] == 2
    assert notes == [*([["begun", 2], ["done", 2]] if again else []), ["left"]]
    assert lives.ends("idle") == (shown, [["left"]])


@both
def test_after_the_end_of_a_run_is_committed(lives: Lives) -> None:
    """Nothing runs again, though nobody was told."""
    lives.request = {"after": 0.05}
    assert bodies(lives.killed(point="after end")) == [["begun", 1], ["done", 1]]
    shown, notes = lives.ends("idle")
    assert (shown["state"], outcomes(shown)) == ("finished", [("succeeded", 1, "")])
    assert notes == [["left"]]


@both
def test_a_body_that_kills_its_process_ends_as_failed(lives: Lives) -> None:
    """Three deaths are the limit. The fourth process finds a run that has failed, and says why."""
    lives.body = "die"
    for life in (1, 2, 3):
        noted = lives.killed(add=life == 1)
        assert noted[-1] == ["begun", life]
    shown, notes = lives.ends("idle")
    assert outcomes(shown) == [("failed", 3, "its process died 3 times while it executed")]
    assert notes == [["left"]]


@pytest.mark.parametrize("body", ["fail once", "snooze once"])
@pytest.mark.parametrize("point", ["before retry", "after retry"])
def test_while_a_run_waits_for_its_next_attempt(lives: Lives, body: str, point: str) -> None:
    """It waits for the rest of the time; if that was not committed, the attempt was cut off."""
    lives.body = body
    lives.request = {"max_retries": 1, "retry": 0.6} if body == "fail once" else {}
    assert bodies(lives.killed(point=point)) == [["begun", 1]]
    shown, notes = lives.ends("idle")
    assert outcomes(shown) == [("succeeded", 2, "")]
    assert notes == [["begun", 2], ["done", 2], ["left"]]


def test_a_wait_for_a_retry_is_over_when_the_time_has_passed(lives: Lives) -> None:
    lives.body, lives.request = "fail once", {"max_retries": 1, "retry": 3600}
    lives.killed(point="after retry")
    shown, _ = lives.ends()
    assert shown["runs"] == []
    assert 3500 < shown["next"] - time.time() < 3600


def test_paused_updated_and_halted_jobs_are_as_they_were(lives: Lives) -> None:
    lives.request = {"after": 2}
    assert lives.killed("update", "pause", "die") == [["accepted"], ["version", 2]]
    shown, notes = lives.ends("sleep", "sleep")
    assert (shown["state"], shown["reason"], notes) == ("paused", "for a while", [["left"]])
    assert outcomes(shown) == [("cancelled", 0, "paused: for a while")]
    assert shown["version"] >= 2
    assert lives.killed("resume", "wait", "die", add=False)[-1] == ["told"]
    shown, _ = lives.ends()
    assert (shown["state"], outcomes(shown)[-1]) == ("finished", ("succeeded", 1, ""))


def test_a_halted_job_stays_halted(lives: Lives) -> None:
    lives.body, lives.request = "fail", {"every": 0.05, "halt_after": 2}
    assert lives.killed("wait", "die")[-1] == ["told"]
    shown, notes = lives.ends("sleep")
    assert shown["state"] == "halted"
    assert [outcome for outcome, *_ in outcomes(shown) if outcome == "failed"] == ["failed", "failed"]
    assert notes == [["left"]]


def test_a_cancelled_job_stays_cancelled(lives: Lives) -> None:
    lives.request = {"after": 5}
    assert lives.killed("cancel", "die") == [["accepted"]]
    shown, notes = lives.ends("sleep")
    assert (shown["state"], shown["reason"], outcomes(shown)) == (
        "cancelled", "not wanted", [("cancelled", 0, "not wanted")]
    )  # fmt: skip
    assert notes == [["left"]]


def test_a_run_that_was_triggered_keeps_the_id_that_was_told(lives: Lives) -> None:
    """Its process is killed before a body begins, or when one has: it is the run that runs."""
    lives.request, lives.body = {"after": 3600}, "slow"
    noted = lives.killed("trigger", "die")
    run_id = next(note[1] for note in noted if note[0] == "triggered")
    lives.body = ""
    shown, _ = lives.ends("sleep")
    assert [(run[0], run[4]) for run in shown["runs"]] == [("succeeded", run_id)]


@pytest.mark.parametrize(
    ("body", "point", "attempts", "wrote"),
    [
        ("complete", "before complete", 2, False),
        ("die inside", "", 2, False),
        ("complete", "after complete", 1, True),
        ("die after", "", 1, True),
        ("complete", "before end", 1, True),
        ("complete", "after end", 1, True),
        ("raise after", "after end", 1, True),
    ],
)
def test_what_a_body_wrote_and_its_success_agree(
    lives: Lives, body: str, point: str, attempts: int, wrote: bool
) -> None:
    """Wherever its process is killed: either both are on the disk, or neither, and then the body begins again."""
    lives.body, lives.request = body, {"after": 0.05, "on_crash": "rerun"}
    lives.killed(point=point)
    assert effects(lives.path) == ([1] if wrote else [])
    lives.body = "complete"
    shown, notes = lives.ends("idle")
    reason = "it raised ValueError after it was completed" if body == "raise after" else ""
    assert outcomes(shown) == [("succeeded", attempts, reason)]
    assert effects(lives.path) == [attempts]
    assert [note for note in bodies(notes) if note[0] == "begun"] == ([["begun", 2]] if attempts == 2 else [])


@both
def test_sigterm_loses_nothing_and_runs_nothing_again(lives: Lives) -> None:
    """What executes ends, and is not run again; what is planned stays planned."""
    lives.request, lives.body = {"every": 0.2}, "slow"
    child = lives.start("signal", add=True)
    lives.wait_for("begun")
    child.send_signal(signal.SIGTERM)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 0, errors
    assert [note[0] for note in killed_child.notes(lives.path)].count("done") == 1
    lives.body = ""
    shown, notes = lives.ends()
    assert outcomes(shown)[0] == ("succeeded", 1, "")
    assert shown["state"] == "active"
    assert all(attempts == 1 for outcome, attempts, _ in outcomes(shown) if outcome == "succeeded")
    assert not any(note[0] == "begun" and note[1] != 1 for note in notes)


def test_a_second_process_is_refused_at_once(lives: Lives) -> None:
    lives.request = {"after": 3600}
    first = lives.start("signal", add=True)
    lives.wait_for("ready")
    second = lives.start()
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 1
    assert "StoreInUse" in errors
    assert str(first.pid) in errors
    first.kill()
    first.communicate()
    shown, _ = lives.ends()
    assert shown["jobs"] == 1


def test_a_process_that_a_killed_one_has_forked_does_not_hold_the_file(lives: Lives) -> None:
    """It has all that was open in the other, and the lock is not among that."""
    lives.request = {"after": 3600}
    child = lives.start("fork", "die", add=True)
    assert child.wait(timeout=60) == -signal.SIGKILL
    forked = lives.wait_for("forked")[1]
    try:
        shown, _ = lives.ends()
        os.kill(forked, 0)  # it still lives
        assert shown["jobs"] == 1
    finally:
        with suppress(ProcessLookupError):
            os.kill(forked, signal.SIGKILL)
        child.communicate()


@both
@pytest.mark.timeout(200)
def test_kills_at_random(tmp_path: Path, backend: str) -> None:
    """30 kills: nothing that was told is lost, and nothing runs twice without a crash that is counted."""
    command = [sys.executable, "-m", "benchmarks.kill9", "--kills", "30", "--backend", backend]
    command += ["--folder", str(tmp_path), "--seed", "13"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
