"""What a cron expression may not be, and what the message says to write instead."""

import re

import pytest

from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules import Cron

REFUSED = [
    # the number of fields
    ("", "0 fields; write 5"),
    ("* * * *", "4 fields; write 5"),
    ("* * * * * * * *", "8 fields"),
    ("hello", "1 field; write 5"),
    # numbers
    ("60 * * * *", "60 is out of range; write 0 to 59"),
    ("0 24 * * *", "24 is out of range; write 0 to 23"),
    ("0 0 0 * *", "0 is out of range; write 1 to 31"),
    ("0 0 32 * *", "write 1 to 31"),
    ("0 0 * 0 *", "write 1 to 12"),
    ("0 0 * 13 *", "write 1 to 12"),
    ("0 0 * * 8", "write 0 to 7"),
    ("60 0 0 * * *", "second '60'"),
    ("0 0 0 1 1 ? 1969", "write 1970 to 9999"),
    ("0 0 0 1 1 ? 10000", "write 1970 to 9999"),
    ("99999999999999999999 * * * *", "write 0 to 59"),
    ("+5 * * * *", "without a sign"),
    ("-5 * * * *", "write 0-5"),
    ("1.5 * * * *", "no whole number"),
    ("1e1 * * * *", "not understood; write 0 to 59"),
    ("0x5 * * * *", "not understood"),
    ("\u0663 * * * *", "only ASCII"),
    ("\uff11 * * * *", "only ASCII"),
    ("0 0 * * \u017fUN", "only ASCII"),
    ("0 9 * *\n*", "on one line"),
    ("0\u00a09 * * *", "only ASCII"),
    # names
    ("0 0 * * MONDAY", "three letters; write MON"),
    ("0 0 * * tues", "write TUE"),
    ("0 0 * JANUARY *", "write JAN"),
    ("0 0 * sept *", "write SEP"),
    ("0 0 * * XYZ", "'XYZ' is not understood; write 0 to 7 or SUN"),
    ("0 0 * * JAN", "JAN is the name of a month"),
    ("0 0 * MON *", "MON is the name of a weekday"),
    ("0 0 MONDAY * *", "MONDAY is the name of a weekday"),
    ("MON 0 * * *", "MON is the name of a weekday, and this is the field of the minute"),
    # ranges
    ("0 0 * * FRI-MON", "reversed; write FRI-SAT,SUN-MON"),
    ("0 0 * * SAT-MON", "reversed; write SAT,SUN-MON"),
    ("0 0 * * 5-0", "reversed; write 5-6,0"),
    ("0 0 * * 7-1", "reversed; write 0-1"),
    ("0 22-2 * * *", "reversed; write 22-23,0-2"),
    ("0 23-0 * * *", "reversed; write 23,0"),
    ("0 22-2/2 * * *", "reversed; write 22,0,2"),
    ("0 22-2/0 * * *", "reversed; write 22-23,0-2"),
    ("0 0 28-3 * *", "reversed; write 28-31,1-3"),
    ("0 0 * NOV-FEB *", "reversed; write NOV-DEC,JAN-FEB"),
    ("0 0 * 11-2/3 *", "reversed; write 11,2"),
    ("0 0 0 1 1 ? 2030-2027", "reversed; write 2027-2030"),
    ("5- * * * *", "write 5-59"),
    ("- * * * *", "write 0-59"),
    ("1-5-7 * * * *", "two ends; write 1-7"),
    ("1--5 * * * *", "two ends; write 1-5"),
    ("--- * * * *", "two ends; write 0"),
    # steps
    ("*/0 * * * *", "a step of 0"),
    ("*/ * * * *", "the step is missing"),
    ("5/ * * * *", "the step is missing; write 5/2"),
    ("/5 * * * *", "write */5"),
    ("*/60 * * * *", "write */60,0, or Interval(minutes=60)"),
    ("*/90 * * * *", "Interval(minutes=90)"),
    ("*/99999 * * * *", "Interval(minutes=99999)"),
    ("* */24 * * *", "Interval(hours=24)"),
    ("0 0 5-9/32 * *", "write 5, or CalendarInterval(days=32)"),
    ("0 0 * */13 *", "CalendarInterval(months=13)"),
    ("0 0 * * */8", "CalendarInterval(days=8)"),
    ("*/5/2 * * * *", "two steps; write one, such as */5"),
    ("*/-5 * * * *", "'-5' is not a whole number"),
    ("*/x * * * *", "'X' is not a whole number"),
    ("*/1.5 * * * *", "not a whole number"),
    # lists and stars
    ("1,,2 * * * *", "leave out the comma"),
    (",1 * * * *", "leave out the comma"),
    ("1, * * * *", "leave out the comma"),
    ("*5 * * * *", "* stands alone"),
    ("** * * * *", "* stands alone"),
    ("5* * * * *", "* stands alone"),
    ("*-5 * * * *", "* stands alone"),
    # special days
    ("0 0 * * MON#0", "write MON#1 to MON#5, or MONL"),
    ("0 0 * * MON#6", "write MON#1"),
    ("0 0 * * MON#1-3", "write MON#1,MON#2,MON#3"),
    ("0 0 * * MON#1-WED#1", "write MON-WED#1"),
    ("0 0 * * 1-5#3-1", "write 1-5#3"),
    ("0 0 1W-5W * *", "write 1-5W"),
    ("0 0 * * 1#", "write 1#1"),
    ("0 0 * * 1#1-2", "write 1#1"),
    ("0 0 * * MON-FRI#1/2", "write MON-FRI#1 to MON-FRI#5"),
    ("0 0 * * FRI-MON#1", "the range is reversed"),
    ("0 0 * * #1", "not understood here"),
    ("0 0 * * 9#1", "write 0 to 7"),
    ("0 0 * * 8L", "write 0 to 7"),
    ("0 0 * * L", "write SAT for Saturday, or FRIL"),
    ("0 0 * * L5", "written 5L"),
    ("0 0 * * XYZL", "'XYZ' is not understood"),
    ("0 0 32W * *", "write 1W to 31W"),
    ("0 0 0W * *", "write 1W to 31W"),
    ("0 0 W * *", "not understood here"),
    ("0 0 1-5W/2 * *", "without steps"),
    ("0 0 5-1W * *", "the range is reversed; write 1-5W"),
    ("0 0 1-32W * *", "write 1W to 31W"),
    ("0 0 32-L * *", "write 1-L to 31-L"),
    ("0 0 LW-0 * *", "write LW-1 to LW-30"),
    ("0 0 L-31W * *", "write L-1 to L-30"),
    ("0 9 ? * ?", "names no day; write * in one of them"),
    ("0 0 */100 * *", "write */31, or CalendarInterval(days=100)"),
    ("0 0 * * */100", "write */7, or CalendarInterval(days=100)"),
    ("0 */24 * * *", "write */24,0, or Interval(hours=24)"),
    ("0 0 1 */13 *", "write 1, or CalendarInterval(months=13)"),
    ("5/100 * * * *", "write 5, or Interval(minutes=100)"),
    ("0 0 L-0 * *", "write L-1 to L-30"),
    ("0 0 L-31 * *", "write L-1 to L-30"),
    ("0 0 L/2 * *", "without steps"),
    ("L * * * *", "not understood here"),
    ("0 0 * L *", "not understood here"),
    ("? * * * *", "? stands alone"),
    ("0 ? * * *", "only for the day of month or the weekday"),
    ("0 0 ?/2 * *", "? stands alone"),
    ("0 0 1,? * *", "? stands alone"),
    ("0 0 * ? *", "? stands alone"),
    ("0 0 0 * * * ?", "? stands alone"),
    # things of other programs
    ("@reboot", "write After(0)"),
    ("@every 5m", "write Interval(minutes=5)"),
    ("@fortnightly", "write one of @yearly"),
    ("@", "write one of @yearly"),
    ("TZ=Europe/Berlin 0 9 * * *", "Cron(…, timezone='Europe/Berlin')"),
    ("CRON_TZ=UTC 0 9 * * *", "Cron(…, timezone='UTC')"),
    ("H * * * *", "not understood"),
    ("0~30 * * * *", "not understood"),
    ("0 9 * * * root", "not understood"),
    # never
    ("0 0 30 2 *", "can never fire"),
    ("0 0 31 2 *", "can never fire"),
    ("0 0 31 4,6,9,11 *", "can never fire"),
    ("0 0 0 29 2 ? 2023", "can never fire"),
    ("0 0 0 29 2 * 2100", "can never fire"),
    ("0 0 0 29 2 * 1971-9999/2", "can never fire"),
    ("0 0 31W 4 *", "can never fire"),
    ("0 0 30W 2 *", "can never fire"),
    ("0 0 L-30 2,4 *", "can never fire"),
    ("0 0 L-29 2 *", "can never fire"),
    ("0 0 */30 2 MON#5", "can never fire"),
]


@pytest.mark.parametrize(("expression", "advice"), REFUSED)
def test_is_refused_with_advice(expression, advice):
    with pytest.raises(ConfigurationError, match=re.escape(advice)) as caught:
        Cron(expression)
    assert caught.value.parameter == "expression"
    shown = expression.strip(" \n") if expression.isascii() else ""
    assert shown in str(caught.value) or "\n" in shown


@pytest.mark.parametrize("expression", [None, 5, b"0 9 * * *", ["0", "9", "*", "*", "*"]])
def test_is_no_text(expression):
    with pytest.raises(ConfigurationError, match="must be a string such as"):
        Cron(expression)


def test_is_too_long():
    with pytest.raises(ConfigurationError, match="longer than 1000 characters"):
        Cron("0," * 600 + "1 * * * *")


def test_what_only_a_gap_could_hold_can_never_fire():
    with pytest.raises(ConfigurationError, match="can never fire"):
        Cron("0 * 2 29 3 ? 2026", timezone="Europe/Berlin")
    assert Cron("0 * 2 29 3 ? 2026", timezone="Europe/London").explain()
    assert Cron("0 30 2 29 3 ? 2026", timezone="Europe/Berlin").explain()


def test_a_first_leap_day_of_a_late_year_is_found():
    assert Cron("0 0 0 29 2 ? 2099-2104").explain()
    assert Cron("0 0 */29 2 *").explain()
