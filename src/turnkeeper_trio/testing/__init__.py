"""Tools for testing schedules and jobs in virtual time."""
