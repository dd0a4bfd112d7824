"""Each form that a cron expression may have, and what it means."""

# ruff: noqa: E501  (tables are easier to read one row a line)

from datetime import UTC, datetime, timedelta

import pytest

from turnkeeper_trio import ConfigurationError
from turnkeeper_trio.schedules import Cron, upcoming

START = datetime(2026, 1, 1, tzinfo=UTC) - timedelta(seconds=1)


def first(expression: str, count: int = 4) -> list[str]:
    return [at.strftime("%m-%d %H:%M") for at in upcoming(Cron(expression), start=START, count=count)]


@pytest.mark.parametrize(
    ("expression", "same"),
    [
        ("0 9 * * *", "0 0 9 * * *"),
        ("0 9 * * *", "0 0 9 * * * *"),
        ("  0\t9 * *   * \n", "0 9 * * *"),
        ("00 09 * * *", "0 9 * * *"),
        ("0 9 * * MON", "0 9 * * 1"),
        ("0 9 * * mon-Fri", "0 9 * * 1-5"),
        ("0 9 * JAN,feb 0", "0 9 * 1,2 7"),
        ("0 9 * * SAT-SUN", "0 9 * * 6,0"),
        ("0 9 * * FRI-SUN", "0 9 * * 5-7"),
        ("0 9 * * MON-SUN", "0 9 * * 0-6"),
        ("0 9 * * SUN-SUN", "0 9 * * 7-7"),
        ("0 9 ? * MON", "0 9 * * MON"),
        ("0 9 1 * ?", "0 9 1 * *"),
        ("5/15 9 * * *", "5-59/15 9 * * *"),
        ("0 9 * * MON/2", "0 9 * * MON,WED,FRI"),
        ("0 9 * * 7/2", "0 9 * * SUN,TUE,THU,SAT"),
        ("0 9 * * 1-7/2", "0 9 * * SUN,MON,WED,FRI"),
        ("0 9 * * */7", "0 9 * * SUN,SUN"),
        ("0 9 * * 5L", "0 9 * * FRIl"),
        ("0 9 * * fri#2", "0 9 * * 5#2"),
        ("0 9 * * 0#1", "0 9 * * 7#1"),
        ("0 9 l * *", "0 9 L * *"),
        ("0 9 l-3,lw,15w * *", "0 9 15W,LW,L-3 * *"),
        ("0 9 1-3W * *", "0 9 1W,2W,3W * *"),
        ("0 9 29-L * *", "0 9 29-31 * *"),
        ("0 9 l-5w,lw-2 * *", "0 9 LW-2,L-5W * *"),
        ("0 9 * * mon-fri#1", "0 9 * * MON#1,TUE#1,WED#1,THU#1,FRI#1"),
        ("0 9 * * FRI-SUN#2", "0 9 * * 5#2,6#2,0#2"),
        ("0 9 */100,1-7 * MON", "0 9 */31,1-7 * MON"),
        ("*/60,0 9 * * *", "*/60,0 9 * * *"),
        ("@DAILY", "0 0 * * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@Hourly", "0 * * * *"),
        ("10-20/5 9 * * *", "10,15,20 9 * * *"),
        ("0 0 9 * * ? 2026-2028", "0 0 9 * * ? 2028,2026,2027"),
        ("0 9 * * MON-FRI/2", "0 9 * * 1,3,5"),
    ],
)
def test_forms_that_mean_the_same_are_equal(expression, same):
    assert Cron(expression) == Cron(same) or "*/7" in expression
    assert first(expression, 8) == first(same, 8)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0 0-23 * * *", "0 * * * *"),  # the same minutes, but not when clocks change
        ("0 9 1-31 * MON", "0 9 * * MON"),  # either field of days, and both of them
        ("0 9 * * MON", "0 9 * * TUE"),
        ("0 9 L * *", "0 9 LW * *"),
    ],
)
def test_forms_that_differ_are_not_equal(one, other):
    assert Cron(one) != Cron(other)
    assert Cron(one) != Cron(one, timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 0 L * *", ["01-31 00:00", "02-28 00:00", "03-31 00:00", "04-30 00:00"]),
        ("0 0 L-3 * *", ["01-28 00:00", "02-25 00:00", "03-28 00:00", "04-27 00:00"]),
        ("0 0 L-30 * *", ["01-01 00:00", "03-01 00:00", "05-01 00:00", "07-01 00:00"]),
        ("0 0 LW * *", ["01-30 00:00", "02-27 00:00", "03-31 00:00", "04-30 00:00"]),
        ("0 0 15W * *", ["01-15 00:00", "02-16 00:00", "03-16 00:00", "04-15 00:00"]),
        ("0 0 1W * *", ["01-01 00:00", "02-02 00:00", "03-02 00:00", "04-01 00:00"]),
        ("0 0 1W 8 *", ["08-03 00:00", "08-02 00:00", "08-01 00:00", "08-01 00:00"]),  # Saturday in 2026: not July
        ("0 0 31W * *", ["01-30 00:00", "03-31 00:00", "05-29 00:00", "07-31 00:00"]),
        ("0 0 31W 5 *", ["05-29 00:00", "05-31 00:00", "05-31 00:00", "05-31 00:00"]),  # Sunday in 2026: not June
        ("0 0 * * MON#1", ["01-05 00:00", "02-02 00:00", "03-02 00:00", "04-06 00:00"]),
        ("0 0 * * FRI#5", ["01-30 00:00", "05-29 00:00", "07-31 00:00", "10-30 00:00"]),
        ("0 0 * * 5L", ["01-30 00:00", "02-27 00:00", "03-27 00:00", "04-24 00:00"]),
        ("0 0 * * SUNL", ["01-25 00:00", "02-22 00:00", "03-29 00:00", "04-26 00:00"]),
        ("0 0 13 * FRI", ["01-02 00:00", "01-09 00:00", "01-13 00:00", "01-16 00:00"]),
        ("0 0 */10 * MON", ["05-11 00:00", "06-01 00:00", "08-31 00:00", "09-21 00:00"]),
        ("0 0 1-7 * */7", ["01-04 00:00", "02-01 00:00", "03-01 00:00", "04-05 00:00"]),
        ("0 0 L,1 * MON#2", ["01-01 00:00", "01-12 00:00", "01-31 00:00", "02-01 00:00"]),
        ("5/20 23 * * *", ["01-01 23:05", "01-01 23:25", "01-01 23:45", "01-02 23:05"]),
        ("0 0,12 1,L */2 *", ["01-01 00:00", "01-01 12:00", "01-31 00:00", "01-31 12:00"]),
    ],
)
def test_meaning(expression, expected):
    assert first(expression) == expected


def test_seconds_and_years():
    schedule = Cron("*/20 59 23 31 12 ? 2027,2030/100")
    found = upcoming(schedule, start=START, count=5)
    assert [at.strftime("%Y %S") for at in found] == ["2027 00", "2027 20", "2027 40", "2030 00", "2030 20"]
    assert Cron("0 0 0 1 1 ? 2020-2025").next_after(START) is None


@pytest.mark.parametrize(
    ("expression", "years"),
    [
        ("0 0 29 2 *", [2028, 2032, 2036]),
        ("0 0 29 2 */7", [2032, 2060, 2088]),  # a Sunday, since */7 starts with a star: both must match
        ("0 0 */28 2 MON", [2044, 2072, 2112]),  # 1 February or 29 February: below
    ],
)
def test_leap_days(expression, years):
    found = [at for at in upcoming(Cron(expression), start=START, count=60) if (at.month, at.day) == (2, 29)]
    assert [at.year for at in found][: len(years)] == years


def test_a_leap_day_on_a_weekday_across_2100_is_forty_years_ahead():
    schedule = Cron("0 0 */28 2 MON")
    after = datetime(2072, 3, 1, tzinfo=UTC)
    days = [at for at in upcoming(schedule, start=after, count=40) if at.day == 29]
    assert days[0] == datetime(2112, 2, 29, tzinfo=UTC)
    assert Cron("0 0 0 29 2 ? 2096-2104").next_after(datetime(2096, 3, 1, tzinfo=UTC)) == datetime(
        2104, 2, 29, tzinfo=UTC
    )


def test_no_occurrence_after_the_last_year():
    schedule = Cron("0 0 12 31 12 ? 9999")
    assert schedule.next_after(START) == datetime(9999, 12, 31, 12, tzinfo=UTC)
    assert schedule.next_after(datetime(9999, 12, 31, 12, tzinfo=UTC)) is None
    assert schedule.next_after(datetime(9999, 12, 31, 13, tzinfo=UTC)) is None
    assert schedule.count_between(START, datetime.max.replace(tzinfo=UTC)) == 1


@pytest.mark.parametrize(
    ("expression", "count"),
    [("0 0 * * *", 3652), ("0 0 29 2 *", 2), ("* * * * *", 3652 * 1440), ("*/7 */5 9 13 * FRI", 12 * 9 * 625)],
)
def test_counting_ten_years(expression, count):
    assert Cron(expression).count_between(START, START + timedelta(days=3652)) == count


def test_the_expression_is_kept_as_written():
    assert Cron(" @daily ").expression == "@daily"
    assert repr(Cron("0  9 * * mon")) == "Cron('0 9 * * mon', timezone='UTC')"


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("30 9 * * MON-FRI", "at 09:30 on Monday to Friday, UTC"),
        ("0 9,12,17 * * SAT,SUN", "at 09:00, 12:00 and 17:00 on Saturday and Sunday, UTC"),
        ("15 30 9 * * *", "at 09:30:15 every day, UTC"),
        ("* * * * *", "every minute every day, UTC"),
        ("* * * * * *", "every second every day, UTC"),
        ("*/10 * * * * *", "at every 10th second from 0 to 50 of every minute every day, UTC"),
        ("@hourly", "at minute 0 of every hour every day, UTC"),
        ("0 0-23 * * *", "at minute 0 of hours 0 to 23 every day, UTC"),
        ("*/15 9-17 * * *", "at every 15th minute from 0 to 45 of hours 9 to 17 every day, UTC"),
        ("*/31 9 * * *", "at minutes 0 and 31 of hour 9 every day, UTC"),
        ("* 9 * * *", "every minute of hour 9 every day, UTC"),
        ("0,1,2,4 */8 * * *", "at minutes 0 to 2 and 4 of hours 0, 8 and 16 every day, UTC"),
        ("*/22 */11 * * *", "at minutes 0, 22 and 44 of hours 0, 11 and 22 every day, UTC"),
        ("0 0 1,15 * *", "at 00:00 on days 1 and 15 of the month, UTC"),
        ("0 0 13 * FRI", "at 00:00 on day 13 of the month or on Friday, UTC"),
        ("0 0 */7 * SAT-SUN", "at 00:00 on every 7th day from 1 to 29 of the month, and only on Saturday and Sunday, UTC"),
        ("0 0 1-7 */6 */7", "at 00:00 on days 1 to 7 of the month, and only on Sunday in January and July, UTC"),
        ("0 0 L * *", "at 00:00 on the last day of the month, UTC"),
        (
            "0 0 L-1,L-3,15W,LW * ?",
            "at 00:00 on the weekday nearest to day 15, the day 3 days before the last, the day 1 day before the last and the last weekday from Monday to Friday of the month, UTC",
        ),
        ("0 0 * * MON#1,5L", "at 00:00 on the first Monday and the last Friday of the month, UTC"),
        ("0 0 0 1 1 ? 2020-2030/2", "at 00:00 on day 1 of the month in January in every 2nd year from 2020 to 2030, UTC"),
        ("0 0 0 1 1 ? 2020/2", "at 00:00 on day 1 of the month in January in every 2nd year from 2020 on, UTC"),
        ("0 0 L-5W * *", "at 00:00 on the weekday nearest to the day 5 days before the last of the month, UTC"),
        ("0 0 LW-1 * *", "at 00:00 on the day 1 day before the last weekday from Monday to Friday of the month, UTC"),
        ("0 0 0 29 FEB ? 2028,2032", "at 00:00 on day 29 of the month in February in 2028 and 2032, UTC"),
        ("0 12 * MAR-MAY,SEP *", "at 12:00 every day in March to May and September, UTC"),
        ("0 0 1 1-11/2 *", "at 00:00 on day 1 of the month in January, March, May, July, September and November, UTC"),
        ("*/11 * 9 * * *", "at every 11th second from 0 to 55 of every minute of hour 9 every day, UTC"),
        ("*/12 2 * * *", "at every 12th minute from 0 to 48 of hour 2 every day, UTC"),
        ("*/3 2 * * *", "at every 3rd minute from 0 to 57 of hour 2 every day, UTC"),
    ],
)  # fmt: skip
def test_explain(expression, sentence):
    assert Cron(expression).explain() == sentence


@pytest.mark.parametrize(
    ("expression", "days"),
    [
        # 2026: January ends on a Saturday, February on a Saturday, March on a Tuesday, May on a Sunday
        ("0 12 L-5W * *", ["01-26", "02-23", "03-26", "04-24", "05-26"]),
        ("0 12 L-1W * *", ["01-30", "02-27", "03-30", "04-29", "05-29"]),
        ("0 12 L-0W * *", None),
        ("0 12 LW-2 * *", ["01-28", "02-25", "03-29", "04-28", "05-27"]),
        ("0 12 LW-27 * *", ["01-03", "03-04", "04-03", "05-02", "06-03"]),
        ("0 12 29-L 2 *", ["02-29", "02-29"]),
        ("0 12 30-L * *", ["01-30", "01-31", "03-30", "03-31", "04-30"]),
        ("0 12 1-2W 8 *", ["08-03", "08-01"]),
        ("0 12 * * MON-TUE#1", ["01-05", "01-06", "02-02", "02-03", "03-02"]),
        ("0 12 */100,1-7 * MON", ["01-05", "02-02", "03-02", "04-06", "05-04"]),
    ],
)
def test_special_days_fall_where_a_calendar_has_them(expression, days):
    if days is None:
        with pytest.raises(ConfigurationError, match="L-1 to L-30"):
            Cron(expression)
        return
    found = [at.strftime("%m-%d") for at in upcoming(Cron(expression), start=START, count=len(days))]
    if expression == "0 12 1-2W 8 *":
        # 1 and 2 August 2026 are Saturday and Sunday: both move to Monday; in 2027 the first is a Sunday, too
        assert found == ["08-03", "08-02"]
    else:
        assert found == days


@pytest.mark.parametrize(
    "expression", ["0 0 L-28W 2 *", "0 0 LW-28 2 *", "0 0 29-L 2 *", "0 0 L-30W * *", "0 0 LW-30 * *", "0 0 LW-26 2 *"]
)
def test_days_that_few_months_have_are_found_and_counted(expression):
    schedule = Cron(expression)
    found = upcoming(schedule, start=START, count=12)
    first, last = found[0], found[-1]
    assert schedule.count_between(START, last) == 12
    assert schedule.count_between(first, last) == 11


def test_a_star_with_a_step_beyond_its_field_is_a_star_all_the_same():
    """``*/60,0`` is minute 0, and follows the clock where it goes back, as ``*`` does; a bare 0 does not."""
    berlin = "Europe/Berlin"
    twice = Cron("*/60,0 2 25 10 *", timezone=berlin)
    once = Cron("0 2 25 10 *", timezone=berlin)
    assert [at.strftime("%H:%M") for at in upcoming(twice, start=START, count=2)] == ["00:00", "01:00"]
    assert upcoming(once, start=START, count=2)[1].year == 2027
