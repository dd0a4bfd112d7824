"""Examples run as a reader runs them: as programs, unchanged, on the real clock."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
LIMIT = 60
"""Seconds after which a program is taken to hang; on an idle machine each takes less than six."""


class Program:
    """A running program; what it writes is collected line by line."""

    def __init__(self, *args: str) -> None:
        # Warnings are errors here as in the rest of the suite.
        command = [sys.executable, "-W", "error", "-u", *args]
        self.process = subprocess.Popen(  # noqa: S603
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", cwd=EXAMPLES.parent
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            self.lines.extend(line.rstrip("\n") for line in stdout)

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, text: str, *, after: int = 0) -> str:
        """Wait until a line contains a text, and return the line; ``after`` so many lines."""
        end = time.monotonic() + LIMIT
        while True:
            ended = not self._reader.is_alive()
            if found := [line for line in self.lines[after:] if text in line]:
                return found[0]
            assert not ended, f"no {text!r} in:\n{self.output}"
            assert time.monotonic() < end, f"no {text!r} yet in:\n{self.output}"
            time.sleep(0.01)

    def wait_for_next(self, text: str) -> str:
        """Wait until a further line contains a text."""
        return self.wait_for(text, after=len(self.lines))

    def wait(self) -> int:
        """Wait until it has ended, and return its exit status."""
        status = self.process.wait(LIMIT)
        self._reader.join(LIMIT)
        return status


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[..., Program]]:
    """Start programs that do not outlive the module's tests."""
    programs: list[Program] = []

    def start(*args: str) -> Program:
        programs.append(Program(*args))
        return programs[-1]

    yield start
    for program in programs:
        program.process.kill()
        program.wait()
