"""Names of time zones, and what is relied upon in the tz database."""

import pickle
from datetime import UTC, datetime, time, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pendulum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkeeper_trio._model.times import MAX_INSTANT, MIN_INSTANT
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules import Cron, WeekdayTimes, _zone_names, _zones

ZONES = sorted(available_timezones())
TWO_DAYS = 2 * 86_400_000_000


@pytest.mark.parametrize(
    "zone",
    [
        "Europe/Berlin",
        ZoneInfo("Europe/Berlin"),
        pendulum.timezone("Europe/Berlin"),
        ZoneInfo.no_cache("Europe/Berlin"),
    ],
)
def test_a_zone_in_many_ways(zone):
    assert WeekdayTimes.on("mon", time(9), timezone=zone) == WeekdayTimes.on("mon", time(9), timezone="Europe/Berlin")


@pytest.mark.parametrize("zone", ["UTC", UTC, pendulum.UTC, ZoneInfo("UTC")])
def test_utc_in_many_ways(zone):
    assert Cron("@daily", timezone=zone) == Cron("@daily")


@pytest.mark.parametrize(
    "name", ["EST", "GMT+0", "Etc/GMT+5", "Asia/Calcutta", "America/Argentina/Buenos_Aires", "Zulu"]
)
def test_each_name_of_the_database_is_taken(name):
    assert Cron("@daily", timezone=name).timezone == name


@pytest.mark.parametrize(
    ("zone", "advice"),
    [
        ("Europe/Berln", "did you mean 'Europe/Berlin'"),
        ("europe/berlin", "did you mean 'Europe/Berlin'?"),
        ("EUROPE/BERLIN", "did you mean 'Europe/Berlin'?"),
        ("Berlin", "did you mean 'Europe/Berlin'?"),
        ("Europe/New_York", "did you mean 'America/New_York'?"),
        ("America/New York", "did you mean 'America/New_York'?"),
        ("utc", "did you mean 'UTC'?"),
        ("PST", "did you mean 'America/Los_Angeles'?"),
        ("cest", "did you mean 'Europe/Berlin'?"),
        ("Z", "did you mean 'UTC'?"),
        ("+02:00", "is an offset"),
        ("UTC+2", "is an offset"),
        ("GMT-05:30", "is an offset"),
        ("-0500", "is an offset"),
        ("/usr/share/zoneinfo/Europe/Berlin", "not a path"),
        ("/etc/localtime", "not a path"),
        ("../Europe/Berlin", "not a path"),
        ("Europe/../Europe/Berlin", "not a path"),
        ("Europe\\Berlin", "not a path"),
        ("posix/Europe/Berlin", "not a path"),
        ("right/UTC", "not a path"),
        ("Z\u00fcrich", "not a path"),
        ("Europe", "not known"),
        ("Europe/Berlin ", "did you mean 'Europe/Berlin'?"),
        ("", "write an IANA name such as 'Europe/Berlin'"),
        ("!", "write an IANA name such as 'Europe/Berlin'"),
        ("Mars/Olympus_Mons", "not known"),
        ("Europe/Berlin\0", "not known"),
        ("x" * 300, "not known"),
        ("zone.tab", "not known"),
        (None, "not None"),
        (2, "not 2"),
        (timedelta(hours=2), "IANA name such as"),
        (timezone(timedelta(hours=2)), "a fixed offset is no zone"),
        (pendulum.timezone(7200), "a fixed offset is no zone"),
    ],
    ids=repr,
)
def test_refused_with_the_closest_names(zone, advice):
    with pytest.raises(ConfigurationError) as caught:
        Cron("@daily", timezone=zone)
    assert advice in str(caught.value)
    assert caught.value.parameter == "timezone"


def test_case_is_checked_where_the_file_system_does_not(monkeypatch):
    _zones.zone_named.cache_clear()
    monkeypatch.setattr(_zone_names, "_loads", lambda key: key.casefold() in {"europe/berlin", "utc"})
    _zone_names._case_matters.cache_clear()
    assert _zone_names.refusal("Europe/Berlin") is None
    assert (
        _zone_names.refusal("europe/berlin") == "timezone 'europe/berlin' is not known; did you mean 'Europe/Berlin'?"
    )
    _zone_names._case_matters.cache_clear()


@pytest.mark.slow
def test_the_database_is_as_relied_upon():
    """No change of over 24 hours, none within two days of another or before 1800, only those of rules after 2100."""
    for name in ZONES[::6]:
        zone = _zones.zone_named(name)
        assert zone.offset(MIN_INSTANT + 2 * _zones.DAY) == zone.offset(_zones._year_start(1800) + 2 * _zones.DAY), name
        for year in (2500, 2583):
            assert _zones._changes(zone, year) == _zones._search_changes(zone, year), name
        changes = [each for year in range(1860, 2050) for each in _zones._changes(zone, year)]
        assert all(later - at >= TWO_DAYS for (at, _), (later, _) in pairwise(changes)), name
        for at, offset in changes:
            assert abs(offset - zone.offset(at - 1)) < _zones.SHIFT, name


@pytest.mark.parametrize("name", ["Europe/Berlin", "America/Santiago", "Africa/Casablanca", "Asia/Jerusalem"])
def test_changes_of_far_years_are_those_of_their_rules(name):
    """They are taken from a year 400, 800 … years before, so that a count up to the year 9999 is no search of each."""
    zone = _zones.zone_named(name)
    for year in (2499, 2500, 2899, 2900, 9999):
        found = _zones._changes(zone, year)
        assert found == _zones._search_changes.__wrapped__(zone, year)
        assert bool(found) is (name != "Africa/Casablanca")


@settings(derandomize=True, deadline=None, max_examples=200, database=None)
@given(st.sampled_from(ZONES), st.integers(MIN_INSTANT, MAX_INSTANT), st.integers(0, 10**15))
def test_segments_cover_a_window_with_one_offset_each(name, start, length):
    zone = _zones.zone_named(name)
    end = min(start + length, MAX_INSTANT) + 1
    segments = list(zone.segments(start, end))
    assert segments[0][0] == start
    assert segments[-1][1] == end
    for (_, stop, offset), (later, _, other) in pairwise(segments):
        assert stop == later
        assert offset != other
    for low, high, offset in segments:
        assert zone.offset(low) == zone.offset(high - 1) == offset


def test_offsets_are_remembered_in_cells_and_forgotten(monkeypatch):
    monkeypatch.setattr(_zones, "_MOST_CELLS", 50)
    zone, other = (_zones.Zone("Europe/Berlin", ZoneInfo("Europe/Berlin")) for _ in range(2))
    for _ in range(2):
        for hour in range(0, 8760, 5):
            at = 1_767_225_600_000_000 + hour * 3_600_000_000
            local = other.local(at)
            assert zone.offset(at) == local.utcoffset() // timedelta(microseconds=1)
            assert zone.clear_offset(at) == (None if local.fold else zone.offset(at))
            assert len(zone._cells) <= 50


def test_beyond_the_calendar_the_offset_is_that_of_its_ends():
    tokyo = _zones.zone_named("Asia/Tokyo")
    assert tokyo.offset(MAX_INSTANT) == tokyo.offset(10**30) == 9 * 3600 * 1_000_000
    assert tokyo.offset(-(10**30)) == tokyo.offset(MIN_INSTANT)


def test_a_zone_is_pickled_by_name():
    zone = _zones.zone_named("Europe/Berlin")
    assert pickle.loads(pickle.dumps(zone)) is zone  # noqa: S301


def test_instants_before_1970_where_the_platform_refuses_them(monkeypatch):
    class Windows(datetime):
        @classmethod
        def fromtimestamp(cls, at, zone):
            raise OSError(22)

    zone, other = (_zones.Zone("Europe/Berlin", ZoneInfo("Europe/Berlin")) for _ in range(2))
    expected = other.offset(-1_500_000_000_000_000)
    monkeypatch.setattr(_zones, "datetime", Windows)
    assert zone.offset(-1_500_000_000_000_000) == expected
