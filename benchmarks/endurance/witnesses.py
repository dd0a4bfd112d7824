"""Who watches a scheduler: the log, warnings, an observer, and subscribers that are fast and slow."""

import gc
import logging
import sys
import warnings
import zlib
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import anyio

import turnkeeper_trio as tk

KINDS = [
    kind
    for kind in vars(tk.events).values()
    if isinstance(kind, type) and issubclass(kind, tk.events.Event) and kind not in {tk.events.Event, tk.events.Lagged}
]

EXPECTED = ("%s failed for good", "%(name)s is halted")
"""How the lines begin that jobs cause which are made to fail."""

SLOW_OBSERVER = "the observer %r took"
"""How the line begins that says that an observer was slow: by the real clock, so it depends on the machine."""


class Complaints(logging.Handler):
    """Counts the lines at WARNING and above that nobody expects, and whatever else goes wrong on the side."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.unexpected: Counter[str] = Counter()
        self.expected = 0
        self.slow_observer = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count a line."""
        text = str(record.msg)
        if text.startswith(EXPECTED):
            self.expected += 1
        elif text.startswith(SLOW_OBSERVER):
            self.slow_observer += 1
        else:
            self.unexpected[f"{record.name} {record.levelname}: {record.getMessage()[:300]}"] += 1

    def unraisable(self, what: Any) -> None:
        """Count an error that nobody could be given."""
        self.unexpected[f"unraisable: {what.exc_value!r} in {what.object!r}"] += 1


@contextmanager
def complaints() -> Generator[Complaints]:
    """Make warnings errors inside of the block, and hear what is logged; what nobody can raise is heard as well."""
    heard, root, hook = Complaints(), logging.getLogger(), sys.unraisablehook
    root.addHandler(heard)
    sys.unraisablehook = heard.unraisable
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield heard
            gc.collect()  # what was never awaited or closed complains when it goes
    finally:
        sys.unraisablehook = hook
        root.removeHandler(heard)


class Observer:
    """Counts events and outcomes, and folds them, without ids, into one number: the same story has the same number."""

    def __init__(self) -> None:
        self.events = 0
        self.outcomes: Counter[tk.Outcome] = Counter()
        self.fingerprint = 0
        for kind in KINDS:
            name = "on" + "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind.__name__)
            setattr(self, name, self.note)

    def note(self, event: Any) -> None:
        """Note an event of any kind."""
        self.events += 1
        name = getattr(event, "name", "")
        if isinstance(event, tk.events.RunFinished):
            self.outcomes[event.record.outcome] += 1
            name = f"{event.record.name} {event.record.outcome}"
        elif isinstance(event, tk.events.OccurrenceSkipped):
            self.outcomes[event.outcome] += 1
        elif isinstance(event, tk.events.OccurrenceMissed):
            self.outcomes[tk.Outcome.MISSED] += event.count
        line = f"{type(event).__name__} {name} {event.at.timestamp()}"
        self.fingerprint = zlib.crc32(line.encode(), self.fingerprint)


class Subscriber:
    """Reads all events, and takes a pause after each; what it missed, it was told."""

    def __init__(self, scheduler: tk.Scheduler, *, pause: float, buffer: int) -> None:
        self.scheduler, self.pause, self.buffer = scheduler, pause, buffer
        self.received = self.missed = self.out_of_order = 0

    async def read(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        """Read until the scheduler has stopped."""
        async with self.scheduler.events(buffer=self.buffer) as events:
            task_status.started()
            last = None
            async for event in events:
                if isinstance(event, tk.events.Lagged):
                    self.missed += event.count
                    last = None
                    continue
                self.received += 1
                self.out_of_order += last is not None and event.sequence != last + 1
                last = event.sequence
                if self.pause:
                    await anyio.sleep(self.pause)
