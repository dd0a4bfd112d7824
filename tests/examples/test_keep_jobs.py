"""The service is ended, killed and started again, and its jobs go on where they were."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to another process there")


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_it_goes_on_after_a_signal_and_after_a_kill(start: Callable[..., Any], tmp_path: Path, backend: str) -> None:
    command = ["examples/keep_jobs.py", str(tmp_path / "jobs.db"), "--backend", backend]
    first = start(*command)
    begun = first.wait_for("attempt 1")
    first.wait_for("ready")
    # It says so just before it receives signals, without a checkpoint between. What a job prints next comes later.
    first.wait_for("counted", after=first.lines.index("ready"))

    first.process.send_signal(signal.SIGTERM)
    assert first.wait() == 0
    assert "1 run left to the store" in first.output
    assert "1 added" in first.lines

    second = start(*command)
    assert second.wait_for("attempt 2") == begun.replace("attempt 1", "attempt 2")  # the same run, with the same key
    second.wait_for("counted 3")
    second.process.kill()
    second.wait()
    assert "1 unchanged" in second.lines

    third = start(*command)
    assert third.wait_for("attempt 3") == begun.replace("attempt 1", "attempt 3")
    third.wait_for("count has ended")
    third.wait_for("hello, Ada")
    other = start(*command)
    assert other.wait() == 1
    assert f"is open in process {third.process.pid}" in other.output
    third.process.send_signal(signal.SIGTERM)
    assert third.wait() == 0
    assert sum(program.output.count("hello, Ada") for program in (first, second, third)) == 1


@pytest.fixture(autouse=True)
def nothing_is_left_open(tmp_path: Path) -> Any:
    """See that the last one has tidied up beside the file."""
    yield
    assert [path.name for path in tmp_path.iterdir()] == ["jobs.db"]
