"""The quick start does what the README says of it, on both event loops, and Ctrl-C in the middle ends it cleanly."""

import re
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

BACKENDS = ["trio", "asyncio"]


@pytest.fixture(scope="module", autouse=True)
def quick_starts(start: Callable[..., Any]) -> dict[str, Any]:
    """Start both at once, before anything else: they mostly sleep."""
    return {backend: start("examples/quickstart.py", "--backend", backend) for backend in BACKENDS}


@pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to another process there")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("when", "books"),
    [
        # A thread is waited for: it cannot be cut off. If a tick falls due meanwhile, it does not start any more.
        ("report   attempt 1 begins", r"4 planned = [23] pending \+ 1 succeeded( \+ 1 never started)?"),
        ("fetch    attempt 1 begins", r"(\d) planned = 2 pending \+ \d succeeded \+ 1 interrupted"),
    ],
    ids=["in a thread", "in a coroutine"],
)
def test_ctrl_c_ends_it_cleanly(start: Callable[..., Any], backend: str, when: str, books: str) -> None:
    program = start("examples/quickstart.py", "--backend", backend)
    program.wait_for(when)
    program.process.send_signal(signal.SIGINT)
    assert program.wait() == 1
    assert program.lines[-1] == "ended by Ctrl-C"
    assert re.fullmatch(f"books: {books}", program.lines[-2])
    assert "Traceback" not in program.output


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_tells_its_story(quick_starts: dict[str, Any], backend: str) -> None:
    program = quick_starts[backend]
    assert program.wait() == 0
    # The seconds and the dates are the clock's.
    told = [re.sub(r"^ *[\d.]+ s +", "", line) for line in program.lines]
    fetch = [line for line in told if line.startswith("fetch")]
    assert fetch == [
        "fetch    attempt 1 begins",
        "fetch    attempt 1 failed: berlin-1 is down; the next one in 1 s",
        "fetch    attempt 2 begins",
        "fetch    attempt 2 failed: berlin-1 is down; the next one in 1 s",
        "fetch    attempt 3 begins",
        "fetch    failed after 3 attempts: berlin-1 is down",
    ]
    assert re.match(r"report   planned for Monday, \d\d \w+ \d{4}, 09:00 in Berlin", told[0])
    assert len([line for line in told if line.startswith("tick     planned for")]) >= 3
    assert "main     wait_job says of fetch: failed after 3 attempts: berlin-1 is down" in told
    assert any(
        re.fullmatch(r"runs +\d+ planned = 2 pending \+ 1 active \+ \d succeeded \+ 1 failed", line) for line in told
    )
    end = told[told.index("main     has left it") + 1 :]
    assert end[1] == "shut down: 1 finished; 2 occurrences planned for later, left unrun"
    assert end[2].startswith("  report  succeeded, in ")
    assert re.fullmatch(r"books: (\d+) planned = 2 pending \+ (\d+) succeeded \+ 1 failed", end[3])
    assert len(end) == 4
