"""What to write where a user gave something that is no schedule."""

from datetime import datetime, time, timedelta
from typing import cast

from turnkeeper_trio._model import guard
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules._literals import time_code, time_hint
from turnkeeper_trio.schedules.cron import Cron
from turnkeeper_trio.schedules.interval import Interval
from turnkeeper_trio.schedules.once import Once


def no_schedule(name: str, value: object, subject: str | None = None) -> ConfigurationError:
    """Return the error for a value that is no schedule; it says what to write if the value shows what was meant.

    Args:
        name: The name of the parameter.
        value: What was given.
        subject: What must be a schedule, if it is not the parameter itself.
    """
    hint = instead_of(value)
    kinds = (
        " such as Interval(minutes=5), Cron('0 9 * * *') or WeekdayTimes.on(WORKDAYS, time(9)), "
        "or an object with a method next_after(after)"
    )
    message = f"{subject or name} must be a schedule{'' if hint else kinds}, not {guard.shown(value)}"
    return ConfigurationError(f"{message}; write {hint}" if hint else message, parameter=name)


def instead_of(value: object) -> str:
    """Return the code of the schedule that was probably meant; an empty text if that cannot be known."""
    return guard.call(_code, value)[0] or ""


def _code(value: object) -> str:
    if value is None:
        return "Never(), if it is to run only by hand"
    if guard.is_a(value, type):
        name = guard.class_name(cast("type", value))
        return f"{name}(...), not the class itself" if callable(guard.attribute(value, "next_after")) else ""
    if guard.is_a(value, str):
        return _code_of_text(cast("str", value))
    if guard.is_a(value, (int, float, timedelta)) and not guard.is_a(value, bool):
        return repr(Interval(cast("float | timedelta", value)))
    if guard.is_a(value, datetime):
        at = cast("datetime", value)
        return f"Once({guard.shown(at)}, timezone='Europe/Berlin')" if at.tzinfo is None else repr(Once(at))
    return _daily(cast("time", value)) if guard.is_a(value, time) else ""


def _code_of_text(text: str) -> str:
    at = time_hint(text)
    if at is not None:
        return _daily(at)
    Cron(text)  # An expression that it does not understand is none: nothing is suggested.
    return f"Cron({text!r})"


def _daily(at: time) -> str:
    return f"WeekdayTimes.on(EVERY_DAY, {time_code(at)})" if at.tzinfo is None else ""
