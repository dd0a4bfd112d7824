"""The handle that users hold, a facet a module: it submits, changes, waits, asks and ends, and decides nothing."""
