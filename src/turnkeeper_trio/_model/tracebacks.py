"""How a stored error lets go of the local variables that the frames of its traceback hold."""

import dis
import inspect
import traceback
from types import FrameType
from typing import Final

from turnkeeper_trio._model import guard


def forget_locals(error: BaseException | None) -> None:
    """Clear the local variables of every frame that ``error``, and the errors that it links to, keep alive.

    The text of the traceback stays. A stored traceback otherwise keeps each local variable of each frame (a large
    result, a connection) as long as the error itself. It also keeps the frames from which those were called, because a
    frame that has ended keeps its caller: frames of the library are among them, which hold the arguments of the job.
    An `AttributeError` keeps the object on which the attribute was looked up; this reference is removed too.

    Frames that may continue are left alone. An error that a background task caught and handed to the job shows that
    task's frame, and before Python 3.13 clearing the frame of a suspended coroutine closes the coroutine.
    """
    seen: set[int] = set()
    todo = [] if error is None else [error]
    while todo:
        exc = todo.pop()
        if id(exc) in seen:
            continue
        seen.add(id(exc))
        for frame, _ in traceback.walk_tb(guard.traceback_of(exc)):
            _clear(frame, seen)
        if guard.is_a(exc, AttributeError):
            guard.assign(exc, "obj", None)
        todo += guard.chained(exc)


def _clear(frame: FrameType | None, seen: set[int]) -> None:
    """Clear a frame, its caller, and so on up to the first frame that may continue."""
    while frame is not None and id(frame) not in seen and not _may_be_suspended(frame):
        caller = frame.f_back
        try:
            frame.clear()
        except RuntimeError:
            return  # It is being executed, or (since Python 3.13) suspended.
        seen.add(id(frame))
        frame = caller


_RESUMABLE: Final = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_YIELD: Final = dis.opmap["YIELD_VALUE"]


def _may_be_suspended(frame: FrameType) -> bool:
    """Return whether a frame is at a point where a generator or coroutine waits to be resumed.

    A frame that has ended is rarely at such a point. While a generator waits, its frame has no caller. (In Python 3.11
    it has no caller after it has ended, either.)
    """
    code = frame.f_code
    return bool(code.co_flags & _RESUMABLE) and frame.f_back is None and code.co_code[frame.f_lasti] == _YIELD
