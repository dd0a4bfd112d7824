"""Schedules and retry policies of a user's that can be written as JSON and read back, and requests drawn at random."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

import turnkeeper_trio as tk


@dataclass(frozen=True)
class OpeningHours:
    """A schedule: at an hour of each day in UTC."""

    kind: ClassVar[str] = "shop.opening_hours"
    hour: int = 9

    def next_after(self, after: datetime) -> datetime:
        today = datetime(after.year, after.month, after.day, self.hour, tzinfo=UTC)
        return today if today > after else today + timedelta(days=1)

    def to_json(self) -> Any:
        return {"hour": self.hour}

    @classmethod
    def from_json(cls, data: Any) -> "OpeningHours":
        return cls(data["hour"])


@dataclass(frozen=True)
class Patience:
    """A retry policy: always the same wait."""

    kind: ClassVar[str] = "shop.patience"
    seconds: float = 5.0

    def delay(self, failed: Any, rng: Any) -> float:
        del failed, rng
        return self.seconds

    def to_json(self) -> Any:
        return self.seconds

    @classmethod
    def from_json(cls, data: Any) -> "Patience":
        return cls(data)


KINDS = [OpeningHours, Patience]

ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia"])
LABELS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1))  # noqa: DTZ001  (each zone is added)
INSTANTS = st.builds(
    lambda label, zone, fold: label.replace(tzinfo=ZoneInfo(zone), fold=fold), LABELS, ZONES, st.integers(0, 1)
)
DURATIONS = st.one_of(
    st.integers(1, 10**6), st.floats(0.001, 1e6), st.timedeltas(timedelta(milliseconds=1), timedelta(days=4000))
)
SINGLE_SCHEDULES = st.one_of(
    st.just(tk.Never()),
    st.builds(tk.Once, st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))),  # noqa: DTZ001  (a zone is added)
    st.builds(tk.After, DURATIONS),
    st.builds(tk.Interval, DURATIONS, anchor=st.none() | INSTANTS),
    st.builds(tk.Cron, st.sampled_from(["*/5 * * * *", "0 9 L-5W * *", "@hourly"]), timezone=ZONES),
    st.builds(lambda hour, zone: tk.WeekdayTimes.on(tk.WORKDAYS, time(hour), timezone=zone), st.integers(0, 23), ZONES),
    st.builds(
        lambda months, day: tk.CalendarInterval(months=months, start=date(2026, 1, day)), *[st.integers(1, 28)] * 2
    ),
    st.builds(OpeningHours, st.integers(0, 23)),
)
SCHEDULES = st.builds(tk.FixedDelay, DURATIONS) | st.recursive(
    SINGLE_SCHEDULES,
    lambda parts: st.one_of(
        st.builds(lambda several: tk.AnyOf(*several), st.lists(parts, min_size=1, max_size=3)),
        st.builds(tk.Between, parts, start=INSTANTS),
        st.builds(tk.Except, parts, st.dates(date(2000, 1, 1), date(2050, 1, 1)), timezone=ZONES),
    ),
    max_leaves=4,
)
RETRIES = st.one_of(
    st.builds(tk.FixedRetryDelay, DURATIONS, st.floats(0, 1)),
    st.builds(
        tk.ExponentialBackoff,
        initial=DURATIONS,
        factor=st.floats(1, 10),
        maximum=DURATIONS,
        jitter=st.floats(0, 1),
        max_elapsed=st.none() | DURATIONS,
    ),
    st.builds(Patience, st.floats(0, 100)),
)
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: bool(text.strip()))
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "schedule": SCHEDULES,
    "key": st.none() | TEXTS,
    "retry": st.none() | RETRIES,
    "initial_run_time": st.none() | INSTANTS | st.timedeltas(timedelta(0), timedelta(days=400)),
    "timeout": st.none() | DURATIONS,
    "cleanup_grace": st.none() | DURATIONS | st.just(float("inf")),
    "stuck_after": st.none() | DURATIONS,
    "overlap": st.sampled_from(tk.Overlap),
    "max_waiting": st.integers(0, 10**9),
    "catch_up": st.sampled_from(tk.CatchUp),
    "start_deadline": st.none() | DURATIONS,
    "retry_past_next": st.booleans(),
    "priority": st.integers(-(10**9), 10**9),
    "jitter": DURATIONS,
    "max_runs": st.none() | st.integers(1, 10**9),
    "until": st.none() | INSTANTS,
    "halt_after": st.none() | st.integers(1, 100),
    "critical": st.booleans(),
    "tags": st.lists(TEXTS, max_size=3).map(tuple),
    "on_crash": st.sampled_from(tk.OnCrash),
    "crash_limit": st.integers(1, 100),
}
"""Values of the fields, but for the name and the two that are drawn with the field that they belong to."""


@st.composite
def requests(draw: st.DrawFn) -> tk.RecurringJobRequest:
    """Return a request with some fields, each of any value that it may have."""
    given = draw(st.fixed_dictionaries({}, optional=FIELDS))
    if given.get("retry") is not None or draw(st.booleans()):
        given["max_retries"] = draw(st.none() | st.integers(1, 100))
    if given.get("overlap") is tk.Overlap.ALLOW_ALL:
        given["max_concurrent"] = draw(st.none() | st.integers(1, 100))
    return tk.RecurringJobRequest(draw(TEXTS), **given)
