"""Against cronsim, croniter and dateutil, where they and we say the same, and each point where we do not.

None of the three is taken for the truth: where they disagree with each other or with the rules of this library, the
case is listed in `DISAGREEMENTS` with both answers, so that it is seen when one of them changes.
"""

# ruff: noqa: DTZ001, E501  (naive datetimes are part of what is tested; tables are easier to read one row a line; a row of a table)

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from croniter import CroniterBadDateError, croniter
from cronsim import CronSim
from dateutil import rrule

from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules import Cron, upcoming

START = datetime(2026, 2, 10, 13, 37, 42, tzinfo=UTC)


def ours(expression: str, start: datetime, count: int, zone: str = "UTC") -> list[datetime]:
    found = upcoming(Cron(expression, timezone=zone), start=start, count=count)
    return [datetime.fromtimestamp(at.timestamp(), UTC) for at in found]


def by_cronsim(expression: str, start: datetime, count: int) -> list[datetime]:
    simulation = CronSim(expression, start)
    return [next(simulation).astimezone(UTC) for _ in range(count)]


def by_croniter(expression: str, start: datetime, count: int) -> list[datetime]:
    iterator = croniter(expression, start, max_years_between_matches=100)
    return [iterator.get_next(datetime).astimezone(UTC) for _ in range(count)]


def field(rng: random.Random, low: int, high: int) -> str:
    """Return a random field."""
    form = rng.randrange(6)
    first, last = sorted(rng.sample(range(low, high + 1), 2))
    if form == 0:
        return "*"
    if form == 1:
        return f"*/{rng.randrange(1, (high - low) // 2 + 1)}"
    if form == 2:
        return str(first)
    if form == 3:
        return f"{first}-{last}"
    if form == 4:
        return f"{first}-{last}/{rng.randrange(1, last - first + 1)}"
    return ",".join(str(rng.randrange(low, high + 1)) for _ in range(rng.randrange(2, 5)))


def expression(rng: random.Random) -> str:
    """Return a random expression of five fields; each third has only one field of days."""
    days, week = field(rng, 1, 31), field(rng, 0, 6)
    if rng.randrange(3) == 0:
        days, week = rng.choice([(days, "*"), ("*", week)])
    return f"{field(rng, 0, 59)} {field(rng, 0, 23)} {days} {rng.choice(['*', '*', field(rng, 1, 12)])} {week}"


@pytest.mark.parametrize("seed", range(150))
def test_cronsim_in_utc(seed):
    rng = random.Random(seed)
    written = expression(rng)
    start = START + timedelta(hours=rng.randrange(100_000))
    try:
        found = ours(written, start, 6)
    except ConfigurationError:
        with pytest.raises(StopIteration):
            next(CronSim(written, start))
        return
    assert found == by_cronsim(written, start, 6), written


@pytest.mark.parametrize("seed", range(60))
def test_croniter_in_utc(seed):
    rng = random.Random(1000 + seed)
    written = expression(rng)
    while {"*/"} & {written.split()[2][:2], written.split()[4][:2]}:
        written = expression(rng)  # these are listed below: croniter joins them with "or"
    start = START + timedelta(hours=rng.randrange(100_000))
    try:
        found = ours(written, start, 6)
    except ConfigurationError:
        with pytest.raises(CroniterBadDateError):
            by_croniter(written, start, 1)
        return
    assert found == by_croniter(written, start, 6), written


@pytest.mark.parametrize(
    "written", ["0 0 L * *", "0 0 1,L * *", "0 0 * * 5L", "0 0 * * 1#1", "0 0 * * 5#5", "0 0 29 2 *"]
)
def test_cronsim_on_special_days(written):
    assert ours(written, START, 20) == by_cronsim(written, START, 20)


@pytest.mark.parametrize("written", ["0 0 1W * *", "0 0 15W * *", "0 0 28W * *", "0 0 * * 3#2"])
def test_croniter_on_special_days(written):
    assert ours(written, START, 20) == by_croniter(written, START, 20)


@pytest.mark.parametrize(
    "written",
    [
        "30 2 * * *",
        "15 2 * * *",
        "45 1 * * *",
        "0 0 * * *",
        "30 * * * *",
        "*/15 * * * *",
        "30 */2 * * *",
        "30 23 * * *",
    ],
)
@pytest.mark.parametrize(
    ("zone", "start"),
    [
        ("Europe/Berlin", datetime(2026, 3, 28, 12, 15)),
        ("Europe/Berlin", datetime(2026, 10, 24, 12, 15)),
        ("America/New_York", datetime(2026, 3, 7, 12, 15)),
        ("America/New_York", datetime(2026, 10, 31, 12, 15)),
        ("Australia/Lord_Howe", datetime(2026, 10, 3, 12, 15)),
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 12, 15)),
        ("America/Sao_Paulo", datetime(2018, 11, 3, 12, 15)),
        ("America/Sao_Paulo", datetime(2018, 2, 17, 12, 15)),
        ("Antarctica/Troll", datetime(2026, 3, 28, 12, 15)),
        ("Antarctica/Troll", datetime(2026, 10, 24, 12, 15)),
        ("Pacific/Apia", datetime(2011, 12, 29, 1, 15)),
    ],
)
def test_cronsim_around_clock_changes(written, zone, start):
    start = start.replace(tzinfo=ZoneInfo(zone))
    assert ours(written, start, 12, zone) == by_cronsim(written, start, 12)


DISAGREEMENTS = [
    # who, why, expression, zone, asked at (UTC), our answer, theirs
    ("cronsim", "asked in the second pass, it answers with an instant that has passed",
     "30 2 * * *", "Europe/Berlin", "2026-10-25T01:15", "2026-10-26T01:30", "2026-10-25T00:30"),
    ("cronsim", "it takes each overlap for one of a whole hour, and loses 02:00 to 02:30 here",
     "*/15 2 * * *", "Australia/Lord_Howe", "2026-04-04T15:20", "2026-04-04T15:30", "2026-04-04T16:00"),
    ("croniter", "it runs a daily job at the second pass, and from before it at both",
     "30 2 * * *", "Europe/Berlin", "2026-10-25T00:45", "2026-10-26T01:30", "2026-10-25T01:30"),
    ("croniter", "it runs a daily job twice where the clock goes back at midnight",
     "30 23 * * *", "America/Sao_Paulo", "2018-02-18T01:45", "2018-02-19T02:30", "2018-02-18T02:30"),
    ("croniter", "it moves what follows the clock out of a gap, where the clock shows none of it",
     "*/15 2 * * *", "Europe/Berlin", "2026-03-28T11:15", "2026-03-30T00:00", "2026-03-29T01:00"),
    ("croniter", "it moves what follows the clock out of a gap, where the clock shows none of it",
     "30 */2 * * *", "Antarctica/Troll", "2026-03-29T00:45", "2026-03-29T02:30", "2026-03-29T01:00"),
]  # fmt: skip


@pytest.mark.parametrize(("who", "why", "written", "zone", "asked", "answer", "theirs"), DISAGREEMENTS)
def test_disagreements_around_clock_changes(who, why, written, zone, asked, answer, theirs):
    start = datetime.fromisoformat(f"{asked}+00:00").astimezone(ZoneInfo(zone))
    oracle = by_cronsim if who == "cronsim" else by_croniter
    assert ours(written, start, 1, zone) == [datetime.fromisoformat(f"{answer}+00:00")]
    assert oracle(written, start, 1) == [datetime.fromisoformat(f"{theirs}+00:00")], why


def test_croniter_joins_starred_days_with_or():
    """croniter takes ``*/2`` for a given field, and joins the fields of days with "or"; Vixie cron joins with "and"."""
    assert ours("0 0 */2 * MON", START, 2) == [datetime(2026, 2, 23, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC)]
    assert by_croniter("0 0 */2 * MON", START, 2) == [
        datetime(2026, 2, 11, tzinfo=UTC),
        datetime(2026, 2, 13, tzinfo=UTC),
    ]


def test_cronsim_counts_a_stepped_weekday_up_to_seven():
    """cronsim reads ``MON/2`` as 1-7/2, Sunday included; here and in croniter the week ends with Saturday, as in ``*/2``."""
    assert {at.weekday() for at in ours("0 0 * * MON/2", START, 9)} == {0, 2, 4}
    assert {at.weekday() for at in by_croniter("0 0 * * MON/2", START, 9)} == {0, 2, 4}
    assert {at.weekday() for at in by_cronsim("0 0 * * MON/2", START, 9)} == {0, 2, 4, 6}


@pytest.mark.parametrize("written", ["*/60 * * * *", "0 */24 * * *"])
def test_steps_beyond_the_field_are_not_taken(written):
    """Both take a step that leaves the first value only, and nobody who writes it means that."""
    by_cronsim(written, START, 1)
    by_croniter(written, START, 1)
    with pytest.raises(ConfigurationError, match="larger than the field"):
        Cron(written)


def test_croniter_takes_reversed_ranges():
    """croniter lets ``FRI-MON`` go round the end of the week; cronsim and we do not."""
    by_croniter("0 0 * * FRI-MON", START, 1)
    with pytest.raises(ConfigurationError, match="write FRI-SAT,SUN-MON"):
        Cron("0 0 * * FRI-MON")


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        ("0 9 * * MON-FRI", {"byweekday": range(5), "byhour": 9}),
        ("30 6,18 1,15 * *", {"bymonthday": (1, 15), "byhour": (6, 18), "byminute": 30}),
        ("0 0 L * *", {"bymonthday": -1}),
        ("0 0 L-2 * *", {"bymonthday": -3}),
        ("0 0 * * MON#1", {"byweekday": rrule.MO(1)}),
        ("0 0 * * FRIL", {"byweekday": rrule.FR(-1)}),
        ("0 0 LW * *", {"byweekday": range(5), "bysetpos": -1}),
        ("0 0 29 2 *", {"bymonth": 2, "bymonthday": 29}),
        ("0 12 */5 JUN-AUG *", {"bymonth": (6, 7, 8), "bymonthday": range(1, 32, 5), "byhour": 12}),
    ],
)
def test_dateutil_rules(written, rule):
    options = {"byhour": 0, "byminute": 0, "bysecond": 0, **rule}
    expected = rrule.rrule(rrule.MONTHLY, dtstart=datetime(2026, 1, 1), count=40, **options)
    found = ours(written, datetime(2026, 1, 1, tzinfo=UTC) - timedelta(seconds=1), 40)
    assert [at.replace(tzinfo=None) for at in found] == list(expected)


@pytest.mark.parametrize("written", ["0 0 29-L * *", "0 0 15-L * *", "0 0 * * MON-FRI#1"])
def test_croniter_agrees_on_ranges_to_the_last_day_and_of_weekdays(written):
    assert ours(written, START, 40) == by_croniter(written, START, 40)
