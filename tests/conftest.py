"""Every async test runs on trio and on asyncio, in virtual time, on a schedule that its name decides."""

import gc
import os
from collections.abc import Iterator

import pytest
import trio.testing
from hypothesis import settings

from turnkeeper_trio import pytest_plugin
from turnkeeper_trio.testing import VirtualEventLoop
from turnkeeper_trio.testing._backends import seeded_schedule

SEED = os.environ.get("TURNKEEPER_SEED", "0")
"""Any other value runs the tests on other schedules of trio."""

settings.register_profile("fast", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("TURNKEEPER_HYPOTHESIS", "fast"))


def pytest_configure(config: pytest.Config) -> None:
    if not config.pluginmanager.has_plugin("turnkeeper_trio"):  # the package is on the path, and not installed
        config.pluginmanager.register(pytest_plugin, "turnkeeper_trio")
    config.addinivalue_line("markers", "real_time: run this async test on the real clock.")
    config.addinivalue_line("markers", "slow: leave it out with -m 'not slow' for a quick look.")


SLOW = (
    "tests/stress/",
    "tests/examples/",
    "tests/testing/test_plugin.py",
    "tests/testing/test_pytest_trio.py",
    "tests/testing/test_runs_alike.py",
    "tests/testing/test_a_year.py",
    "tests/testing/test_loop.py",
    "tests/runtime/test_pytest_trio_users.py",
    "tests/runtime/test_injection.py",
    "tests/runtime/test_ctrl_c.py",
    "tests/schedules/test_properties.py",
    "tests/schedules/test_zones.py",
    "tests/docs/test_testing_page.py",
    "tests/engine/test_queues.py",
)
"""Where processes are started, the real clock is waited for, or very much is done."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker(pytest.mark.slow)


def pytest_report_header() -> str:
    return f"trio schedules: TURNKEEPER_SEED={SEED}"


@pytest.fixture
def collect_only_own() -> Iterator[None]:
    """Have ``gc.collect()`` go through what the test has made, and not through all that the session has.

    What is older is set aside. A circle that it is part of is not collected, so whoever asks what is still alive asks
    for no less.
    """
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(params=["trio", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> Iterator[tuple[str, dict[str, object]]]:
    """Give anyio's plugin a fresh event loop for each test marked ``anyio``.

    It is in virtual time; ``@pytest.mark.real_time`` (or ``pytestmark``) asks for the real clock, and
    ``@pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)`` for one back end only.
    """
    options: dict[str, object] = {"debug": False} if request.param == "asyncio" else {}
    if request.node.get_closest_marker("real_time") is None:
        if request.param == "asyncio":
            options["loop_factory"] = VirtualEventLoop
        else:
            options["clock"] = trio.testing.MockClock(autojump_threshold=0)
    with seeded_schedule(f"{SEED} {request.node.name}"):
        yield request.param, options
