"""Where an attempt is: the stack of the coroutine it awaits, or of the thread it runs in, as text."""

import sys
import traceback
from typing import Any

from turnkeeper_trio._engine.engine import Attempt


def stack_of(attempt: Attempt) -> str:
    """Return the stack of an executing attempt, the innermost call last; empty if it cannot be told."""
    if attempt.thread is not None:
        frame = sys._current_frames().get(attempt.thread)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  (documented)
        return "" if frame is None else "".join(traceback.format_stack(frame))
    frames: list[traceback.FrameSummary] = []
    awaited: Any = attempt.body
    while awaited is not None:
        frame = (
            getattr(awaited, "cr_frame", None)
            or getattr(awaited, "gi_frame", None)
            or getattr(awaited, "ag_frame", None)
        )
        if frame is not None:
            frames += traceback.StackSummary.extract([(frame, frame.f_lineno)])
        awaited = (
            getattr(awaited, "cr_await", None)
            or getattr(awaited, "gi_yieldfrom", None)
            or getattr(awaited, "ag_await", None)
        )
    return "".join(traceback.format_list(frames))
