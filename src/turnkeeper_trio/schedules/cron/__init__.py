"""Cron expressions: how they are read, which instants they mean, and how they are explained in words."""

from turnkeeper_trio.schedules.cron._schedule import Cron

__all__ = ["Cron"]
