"""Decisions: a synchronous state machine that takes the time as an argument and imports no event loop."""
