"""Schedules: when a job's occurrences are."""
