"""How to ask any schedule, the library's or a user's, for occurrences in integers.

A user's class has ``next_after`` and perhaps ``count_between`` and ``anchored``. What it answers is checked here, at
the one place where it enters: a fault is a `ScheduleFault`, which halts the job that asked and nothing else.
"""

from collections.abc import Callable
from datetime import datetime
from types import CoroutineType
from typing import Any, Final, NoReturn, cast, final

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.error import TurnKeeperError
from turnkeeper_trio._model.times import MAX_INSTANT, MIN_INSTANT, instant_us, utc_datetime
from turnkeeper_trio.abc import Schedule
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules._base import BuiltinSchedule, latest_by_search
from turnkeeper_trio.schedules._count_nodes import Node, Plan
from turnkeeper_trio.schedules._hints import no_schedule

LISTING_LIMIT: Final = 1000
"""Up to how many occurrences of a schedule without ``count_between`` are listed to count them."""


@final
class ScheduleFault(TurnKeeperError):
    """A schedule raised, gave something that is no instant, or did not advance."""


def schedule(name: str, value: object, subject: str | None = None) -> Schedule:
    """Return ``value`` if it is a schedule: an object (not a class) with a method ``next_after``."""
    if guard.is_a(value, type) or not callable(guard.attribute(value, "next_after")):
        raise no_schedule(name, value, subject)
    return value  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


def next_after_us(asked: Schedule, after: int) -> int | None:
    """Return the first occurrence strictly later than ``after``, or ``None``, also beyond the year 9999.

    Raises:
        ScheduleFault: The schedule raised, answered with something else than an aware datetime, or did not advance.
    """
    if guard.is_a(asked, BuiltinSchedule):
        return cast("BuiltinSchedule", asked).next_after_us(after)
    if after >= MAX_INSTANT:
        return None
    moment = utc_datetime(max(after, MIN_INSTANT))
    answer = _called(asked, "next_after", lambda: asked.next_after(moment))
    if answer is None:
        return None
    at = _instant(asked, "next_after", answer)
    if at <= after:
        raise ScheduleFault(
            f"{guard.type_name(asked)}.next_after did not advance: asked for the first occurrence after "
            f"{moment.isoformat()}, it answered {guard.shown(answer)}"
        )
    return at if at <= MAX_INSTANT else None


def first_us(asked: Schedule, at: int) -> int | None:
    """Return the first occurrence of a schedule that was accepted, and bound, at ``at``.

    It is ``next_after_us(asked, at)``, but for `Once` and `After`: these give their instant even if it has passed.

    Raises:
        ScheduleFault: As `next_after_us`.
    """
    if guard.is_a(asked, BuiltinSchedule):
        return cast("BuiltinSchedule", asked).first_us(at)
    return next_after_us(asked, at)


def count_between_us(asked: Schedule, after: int, until: int, limit: int = LISTING_LIMIT) -> tuple[int, bool]:
    """Return how many occurrences t there are with ``after < t <= until``, and whether that is exact.

    A user's schedule without ``count_between`` is listed, up to ``limit``; then the count is a lower bound.

    Raises:
        ScheduleFault: The schedule raised, or answered with what makes no sense.
    """
    until = min(until, MAX_INSTANT)
    after = max(after, MIN_INSTANT - 1)
    if until <= after:
        return 0, True
    if guard.is_a(asked, BuiltinSchedule):
        return cast("BuiltinSchedule", asked).count_upto_us(after, until, limit)
    counting: Callable[[datetime, datetime], object] | None = _method(asked, "count_between")
    if counting is None:
        return _listed(asked, after, until, limit)
    first, last = utc_datetime(max(after, MIN_INSTANT)), utc_datetime(until)
    answer = _called(asked, "count_between", lambda: counting(first, last))
    if not guard.is_a(answer, int) or guard.is_a(answer, bool) or (count := int.__pos__(cast("int", answer))) < 0:
        raise ScheduleFault(
            f"{guard.type_name(asked)}.count_between must return how many, it returned {guard.shown(answer)}"
        )
    return count, True


def latest_us(asked: Schedule, after: int, until: int) -> int | None:
    """Return the last occurrence t with ``after < t <= until``, or ``None``.

    Raises:
        ScheduleFault: As `next_after_us`.
    """
    if guard.is_a(asked, BuiltinSchedule):
        return cast("BuiltinSchedule", asked).latest_us(after, until)
    return latest_by_search(lambda at: next_after_us(asked, at), after, until)


def node(asked: Schedule, plan: Plan) -> Node:
    """Return a schedule as a part of what is counted; a user's is listed.

    Raises:
        ScheduleFault: As `next_after_us`.
        TooLong: It cannot be counted in bounded time.
    """
    if guard.is_a(asked, BuiltinSchedule):
        return cast("BuiltinSchedule", asked).node(plan)
    return plan.listed(lambda at: next_after_us(asked, at))


def anchored_us(asked: Schedule, at: int) -> Schedule:
    """Return the schedule bound to the instant of acceptance; itself if there is nothing to bind.

    Raises:
        ScheduleFault: A user's ``anchored`` raised, or returned something that is no schedule.
    """
    if guard.is_a(asked, BuiltinSchedule):
        return _bound(cast("BuiltinSchedule", asked), at)
    binding: Callable[[datetime], object] | None = _method(asked, "anchored")
    if binding is None:
        return asked
    moment = utc_datetime(at)
    bound = _called(asked, "anchored", lambda: binding(moment))
    try:
        made = schedule("the schedule", bound)
    except ConfigurationError as exc:
        raise ScheduleFault(
            f"{guard.type_name(asked)}.anchored must return a schedule, it returned {guard.shown(bound)}"
        ) from exc
    return _bound(cast("BuiltinSchedule", made), at) if guard.is_a(made, BuiltinSchedule) else made


def _bound(asked: BuiltinSchedule, at: int) -> Schedule:
    """Return a schedule of the library, bound; a part of it may be a user's, and become what cannot be a part."""
    bound, fault = guard.call(asked.anchored_us, at)
    if fault is not None:
        _raise(fault, f"{guard.type_name(asked)} cannot be bound:")
    assert bound is not None
    return bound


def _listed(asked: Schedule, after: int, until: int, limit: int) -> tuple[int, bool]:
    count = 0
    at = next_after_us(asked, after)
    while at is not None and at <= until:
        if count == limit:
            return count, False
        count += 1
        at = next_after_us(asked, at)
    return count, True


def _called(asked: Schedule, method: str, call: Callable[[], object]) -> object:
    answer, fault = guard.call(call)
    if fault is not None:
        _raise(fault, f"{guard.type_name(asked)}.{method} raised")
    if guard.is_coroutine(answer):
        guard.call(cast("CoroutineType[Any, Any, Any]", answer).close)  # or Python warns that it was never awaited
        raise ScheduleFault(f"{guard.type_name(asked)}.{method} is async: a schedule answers at once, write plain def")
    return answer


def _instant(asked: Schedule, method: str, answer: object) -> int:
    name = f"{guard.type_name(asked)}.{method}"
    if not guard.is_a(answer, datetime):
        raise ScheduleFault(f"{name} must return an aware datetime or None, it returned {guard.shown(answer)}")
    given = cast("datetime", answer)
    naive, fault = guard.call(lambda: given.utcoffset() is None)
    if naive:
        raise ScheduleFault(f"{name} returned a datetime without a timezone: {guard.shown(answer)}")
    at = None
    if fault is None:
        at, fault = guard.call(instant_us, given)
    if fault is not None:
        _raise(fault, f"{name} returned a datetime whose timezone raises")
    if type(at) is not int:
        raise ScheduleFault(f"{name} returned a datetime that names no instant: {guard.shown(answer)}")
    return at


def _method(asked: Schedule, name: str) -> Any:
    """Return a method that a schedule may have, or ``None``."""
    method, fault = guard.call(getattr, asked, name, None)
    if fault is not None:
        _raise(fault, f"{guard.type_name(asked)}.{name} raised")
    return method


def _raise(fault: BaseException, what: str) -> NoReturn:
    if type(fault) is ScheduleFault:
        raise fault  # That of a schedule it asked itself.
    raise ScheduleFault(f"{what} {guard.raised(fault)}") from fault
