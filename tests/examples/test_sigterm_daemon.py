"""The daemon goes on until it is told to stop, and then lets what is executing come to its end, or cuts it off."""

import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to another process there")


BACKENDS = ["trio", "asyncio"]


@pytest.fixture(scope="module")
def daemons(start: Callable[..., Any]) -> dict[tuple[str, int], Any]:
    """Start all at once: they mostly sleep."""
    keys = [(backend, signals) for backend in BACKENDS for signals in (1, 2)]
    return {key: start("examples/sigterm_daemon.py", "--backend", key[0]) for key in keys}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_second_signal_cuts_off_what_is_executing(daemons: dict[tuple[str, int], Any], backend: str) -> None:
    program = daemons[backend, 2]
    program.wait_for_next("INFO daemon [poll] asking")
    program.process.send_signal(signal.SIGTERM)
    program.wait_for("shutdown started")
    program.process.send_signal(signal.SIGINT)
    assert program.wait() == 0
    assert "INFO daemon [poll] cut off, and tidied up" in program.lines
    assert program.lines[-2:] == [
        "shut down: 1 interrupted; 2 occurrences planned for later, left unrun",
        "  poll  interrupted: cut off by the shutdown",
    ]


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_signal_lets_it_finish(daemons: dict[tuple[str, int], Any], backend: str) -> None:
    program = daemons[backend, 1]
    program.wait_for_next("INFO daemon [poll] asking")
    program.process.send_signal(signal.SIGTERM)
    assert program.wait() == 0
    assert program.lines[-2] == "shut down: 1 finished; 2 occurrences planned for later, left unrun"
    assert program.lines[-1].startswith("  poll  succeeded, in ")
    assert program.lines.count("INFO daemon [poll] asking") == program.lines.count("INFO daemon [poll] asked")
