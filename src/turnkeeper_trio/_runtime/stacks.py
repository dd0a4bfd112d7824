"""Stacks: where the coroutine or the thread of an attempt is."""

import sys
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import Any

from turnkeeper_trio._engine.engine import Attempt


def stack_of(attempt: Attempt) -> str:
    """Return the stack of an executing attempt as text, the innermost call last; empty if it is not known."""
    if attempt.thread is not None:
        frame = sys._current_frames().get(attempt.thread)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  (documented)
        return "" if frame is None else "".join(traceback.format_stack(frame))
    frames = ((frame, frame.f_lineno) for frame in suspended_frames(attempt.body))
    return "".join(traceback.format_list(traceback.StackSummary.extract(frames)))


def suspended_frames(awaited: Any) -> Iterator[FrameType]:
    """Yield the frames of a suspended coroutine and of what it awaits, the outermost call first."""
    while awaited is not None:
        frame = (
            getattr(awaited, "cr_frame", None)
            or getattr(awaited, "gi_frame", None)
            or getattr(awaited, "ag_frame", None)
        )
        if frame is not None:
            yield frame
        awaited = (
            getattr(awaited, "cr_await", None)
            or getattr(awaited, "gi_yieldfrom", None)
            or getattr(awaited, "ag_await", None)
        )
