"""Tools for testing schedules and jobs in virtual time."""

from turnkeeper_trio.testing._loop import VirtualEventLoop

__all__ = ["VirtualEventLoop"]
