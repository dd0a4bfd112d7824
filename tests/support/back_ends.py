"""Marks for tests that are about one back end, or about each way of cancelling there is."""

import pytest

TRIO = pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)
"""The test runs on trio only."""

ASYNCIO = pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
"""The test runs on asyncio only."""

EACH_CANCELLATION = pytest.mark.parametrize(
    ("backend", "how"), [("trio", "scope"), ("asyncio", "scope"), ("asyncio", "task")]
)
"""The test runs with each way in which `cancel_sweep` cancels."""
