"""Asks any schedule, the library's or a user's, for its occurrences, as integers.

A schedule of the library has methods that take and return integers; these are called directly. A user's schedule has
``next_after`` and perhaps ``count_between`` and ``anchored``. Its answers are checked in this module and nowhere else.
If an answer makes no sense, or the method raises, that is a `ScheduleFault`: it halts the job, and nothing else.
"""

from collections.abc import Callable
from datetime import datetime
from types import CoroutineType
from typing import Any, Final, NoReturn, TypeGuard, cast, final

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.error import TurnKeeperError
from turnkeeper_trio._model.times import MAX_INSTANT, MIN_INSTANT, instant_us, utc_datetime
from turnkeeper_trio.abc import Schedule
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules._base import BuiltinSchedule, latest_by_search
from turnkeeper_trio.schedules._count_nodes import Node, Plan
from turnkeeper_trio.schedules._hints import no_schedule
from turnkeeper_trio.schedules._search import Search

LISTING_LIMIT: Final = 1000
"""How many occurrences are listed, at most, to count a schedule that has no ``count_between``."""


@final
class ScheduleFault(TurnKeeperError):
    """A schedule raised, returned something that is no instant, or did not advance."""


def _is_builtin(schedule: Schedule) -> TypeGuard[BuiltinSchedule]:
    """Return whether a schedule is the library's, by its real type; `guard.is_a` says the same, but costs more."""
    return issubclass(type(schedule), BuiltinSchedule)


def is_schedule(value: object) -> bool:
    """Return whether ``value`` is a schedule: an object (not a class) with a method ``next_after``."""
    return guard.is_a(value, BuiltinSchedule) or (
        not guard.is_a(value, type) and callable(guard.attribute(value, "next_after"))
    )


def checked_schedule(name: str, value: object, subject: str | None = None) -> Schedule:
    """Return ``value`` if it is a schedule.

    Raises:
        ConfigurationError: It is none; the message calls it ``subject``, or ``name`` if that is not given.
    """
    if not is_schedule(value):
        raise no_schedule(name, value, subject)
    return cast("Schedule", value)


def next_after_us(schedule: Schedule, after: int) -> int | None:
    """Return the first occurrence strictly later than ``after``, or ``None`` if there is none up to the year 9999.

    Raises:
        ScheduleFault: The schedule raised, returned something other than an aware datetime, or did not advance.
    """
    if _is_builtin(schedule):
        return schedule.next_after_us(after)
    if after >= MAX_INSTANT:
        return None
    moment = utc_datetime(max(after, MIN_INSTANT))
    answer = _called(schedule, "next_after", lambda: schedule.next_after(moment))
    if answer is None:
        return None
    at = _instant(schedule, "next_after", answer)
    if at <= after:
        raise ScheduleFault(
            f"{guard.type_name(schedule)}.next_after did not advance: asked for the first occurrence after "
            f"{moment.isoformat()}, it answered {guard.shown(answer)}"
        )
    return at if at <= MAX_INSTANT else None


def next_within_us(schedule: Schedule, after: int, until: int, search: Search) -> int | None:
    """Return the first occurrence t with ``after < t <= until``, or ``None``.

    Raises:
        ScheduleFault: As `next_after_us`.
    """
    if _is_builtin(schedule):
        return schedule.next_within_us(after, until, search)
    at = next_after_us(schedule, after)
    return at if at is not None and at <= until else None


def not_before_us(schedule: Schedule, after: int, search: Search) -> int | None:
    """Return an instant later than ``after`` before which there is no occurrence, or ``None`` if there is none at all.

    This costs no steps, because it does not look at excluded days.

    Raises:
        ScheduleFault: As `next_after_us`.
    """
    if _is_builtin(schedule):
        return schedule.not_before_us(after, search)
    return next_after_us(schedule, after)


def most_steps(schedule: Schedule) -> int:
    """Return the number of steps that one search for an occurrence may have; 0 for a user's schedule."""
    return schedule.most_steps if _is_builtin(schedule) else 0


def first_us(schedule: Schedule, at: int) -> int | None:
    """Return the first occurrence for a job that was accepted at ``at``, the instant to which the schedule is bound.

    This is ``next_after_us(schedule, at)``, except for `Once` and `After`: they return their instant even if it has
    passed.

    Raises:
        ScheduleFault: As `next_after_us`.
    """
    if _is_builtin(schedule):
        return schedule.first_us(at)
    return next_after_us(schedule, at)


def count_between_us(schedule: Schedule, after: int, until: int, limit: int = LISTING_LIMIT) -> tuple[int, bool]:
    """Return the number of occurrences t with ``after < t <= until``, and whether the number is exact.

    The occurrences of a user's schedule without ``count_between`` are listed. If there are more than ``limit``, the
    number is ``limit``, a lower bound.

    Raises:
        ScheduleFault: The schedule raised, or returned something that is no number of occurrences.
    """
    until = min(until, MAX_INSTANT)
    after = max(after, MIN_INSTANT - 1)
    if until <= after:
        return 0, True
    if _is_builtin(schedule):
        return schedule.count_upto_us(after, until, limit)
    counting: Callable[[datetime, datetime], object] | None = _method(schedule, "count_between")
    if counting is None:
        return _listed(schedule, after, until, limit)
    first, last = utc_datetime(max(after, MIN_INSTANT)), utc_datetime(until)
    answer = _called(schedule, "count_between", lambda: counting(first, last))
    if not guard.is_a(answer, int) or guard.is_a(answer, bool) or (count := int.__pos__(cast("int", answer))) < 0:
        raise ScheduleFault(
            f"{guard.type_name(schedule)}.count_between must return how many, it returned {guard.shown(answer)}"
        )
    return count, True


def latest_us(schedule: Schedule, after: int, until: int) -> int | None:
    """Return the last occurrence t with ``after < t <= until``, or ``None``.

    Raises:
        ScheduleFault: As `next_after_us`.
    """
    if _is_builtin(schedule):
        return schedule.latest_us(after, until)
    search = Search(0)
    return latest_by_search(lambda low, high: next_within_us(schedule, low, high, search), after, until)


def node(schedule: Schedule, plan: Plan) -> Node:
    """Return the node that stands for a schedule when a combination is counted; a user's schedule is listed.

    Raises:
        ScheduleFault: As `next_after_us`.
        TooLong: It cannot be counted in bounded time.
    """
    if _is_builtin(schedule):
        return schedule.node(plan)
    return plan.listed(lambda at: next_after_us(schedule, at))


def anchored_us(schedule: Schedule, at: int) -> Schedule:
    """Return the schedule bound to ``at``, the instant of acceptance; itself if it needs no binding.

    Raises:
        ScheduleFault: A user's ``anchored`` raised, or returned something that is no schedule.
    """
    if _is_builtin(schedule):
        return _bound(schedule, at)
    binding: Callable[[datetime], object] | None = _method(schedule, "anchored")
    if binding is None:
        return schedule
    moment = utc_datetime(at)
    bound = _called(schedule, "anchored", lambda: binding(moment))
    try:
        made = checked_schedule("the schedule", bound)
    except ConfigurationError as exc:
        message = f"{guard.type_name(schedule)}.anchored must return a schedule, it returned {guard.shown(bound)}"
        raise guard.caused(ScheduleFault(message), exc) from exc
    return _bound(cast("BuiltinSchedule", made), at) if guard.is_a(made, BuiltinSchedule) else made


def _bound(schedule: BuiltinSchedule, at: int) -> Schedule:
    """Return a schedule of the library, bound to ``at``.

    Even this may fail: a part of it may be a user's schedule, and that part's ``anchored`` may raise or return
    something that cannot be part of a combination.
    """
    bound, fault = guard.call(schedule.anchored_us, at)
    if fault is not None:
        _raise(fault, f"{guard.type_name(schedule)} cannot be bound:")
    assert bound is not None
    return bound


def _listed(schedule: Schedule, after: int, until: int, limit: int) -> tuple[int, bool]:
    count = 0
    at = next_after_us(schedule, after)
    while at is not None and at <= until:
        if count == limit:
            return count, False
        count += 1
        at = next_after_us(schedule, at)
    return count, True


def _called(schedule: Schedule, method: str, call: Callable[[], object]) -> object:
    answer, fault = guard.call(call)
    if fault is not None:
        _raise(fault, f"{guard.type_name(schedule)}.{method} raised")
    if guard.is_coroutine(answer):
        # A coroutine that is never awaited makes Python warn, unless it is closed.
        guard.call(cast("CoroutineType[Any, Any, Any]", answer).close)
        raise ScheduleFault(
            f"{guard.type_name(schedule)}.{method} is async: a schedule answers at once, write plain def"
        )
    return answer


def _instant(schedule: Schedule, method: str, answer: object) -> int:
    name = f"{guard.type_name(schedule)}.{method}"
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


def _method(schedule: Schedule, name: str) -> Any:
    """Return an optional method of a user's schedule, or ``None`` if it has none."""
    method, fault = guard.call(getattr, schedule, name, None)
    if fault is not None:
        _raise(fault, f"{guard.type_name(schedule)}.{name} raised")
    return method


def _raise(fault: BaseException, what: str) -> NoReturn:
    """Raise the `ScheduleFault` that ``fault`` means; ``what`` says where it was raised."""
    if type(fault) is ScheduleFault:
        raise fault  # the user's schedule contains a schedule, and the fault is of that one
    raise guard.caused(ScheduleFault(f"{what} {guard.raised(fault)}"), fault) from fault
