"""Cancel scopes that a job left open, on asyncio.

A job can enter a cancel scope and not leave it: an async generator that yields inside of ``move_on_after`` and that
nobody exhausts does so. trio closes such a scope with the one around it, and says so by an error. anyio on asyncio
refuses to leave the outer one from then on: the task is spoilt, and with it a worker. Nothing public closes the inner
scope, so this looks where anyio keeps it.
"""

import asyncio
import sys

import anyio


def close_inner_scopes(scope: anyio.CancelScope) -> bool:
    """Close every scope that the current task has entered inside of ``scope``; return whether there was one."""
    state = sys.modules["anyio._backends._asyncio"].__dict__["_task_states"][asyncio.current_task()]
    found = False
    while state.cancel_scope is not scope:
        found = True
        state.cancel_scope.__exit__(None, None, None)
    return found
