"""Stores that keep jobs and runs: in a file (`turnkeeper_trio.stores.sqlite`), or only in memory."""

from turnkeeper_trio.stores._keep import Keep
from turnkeeper_trio.stores.memory import MemoryStore

__all__ = ["Keep", "MemoryStore"]

for _name in __all__:
    globals()[_name].__module__ = __name__  # the module to import it from; the private module may change
