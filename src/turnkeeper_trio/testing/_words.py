"""How the harness speaks of a job that does not run as a test expects."""

from datetime import timedelta
from uuid import UUID

from turnkeeper_trio._model.job import ENDED_STATES
from turnkeeper_trio.testing._opened import Opened


def over(schedulers: list[Opened], job: UUID | str) -> str | None:
    """Return why a job runs no more, in words, if that is so."""
    outlook = [each for opened in schedulers for each in opened.outlook(job)]
    if not outlook or any(alive for _, alive in outlook):
        return None
    states = ", ".join(dict.fromkeys(state for state, _ in outlook))
    ended = all(state in ENDED_STATES for state, _ in outlook)
    return f"{told(job)} does not run again: it is {states}" if ended else f"{told(job)} has no run planned ({states})"


def told(job: UUID | str) -> str:
    """Return what to call a job."""
    return f"the job {job!r}" if isinstance(job, str) else f"the job with the id {job}"


def known(schedulers: list[Opened], job: UUID | str) -> str:
    """Return nothing for a job that there is, or else which jobs there are."""
    if any(opened.outlook(job) for opened in schedulers):
        return ""
    names = ", ".join(repr(name) for opened in schedulers for name in opened.names())
    return f" (there is no such job; there are: {names or 'none'})"


def in_time(within: timedelta) -> str:
    """Return a limit in words."""
    text = str(within)
    return f"within {text.removesuffix(', 0:00:00') if within.days else text}"


def times(n: int) -> str:
    """Return a number of times in words."""
    return {0: "not at all", 1: "once"}.get(n, f"{n} times")
