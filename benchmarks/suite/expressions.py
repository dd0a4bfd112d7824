"""Cron expressions by which schedules are measured."""

USUAL = (
    "* * * * *",
    "*/5 * * * *",
    "0 * * * *",
    "30 9 * * *",
    "0 9 * * MON-FRI",
    "*/15 9-17 * * MON-FRI",
    "0 0 1 * *",
    "0 0 1,15 * *",
    "0 12 * JAN,JUL *",
    "0 0 13 * FRI",
    "0 0 * * 1#1",
    "0 0 L * *",
)
"""Those that people write."""
