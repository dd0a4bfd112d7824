"""Tools for testing schedules and jobs in virtual time."""

from turnkeeper_trio.testing._loop import VirtualEventLoop

__all__ = ["VirtualEventLoop"]

VirtualEventLoop.__module__ = __name__  # where it is imported from; its file is not a promise
