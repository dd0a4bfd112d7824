"""Cron expressions: read, evaluated, explained."""

from turnkeeper_trio.schedules.cron._schedule import Cron

__all__ = ["Cron"]
