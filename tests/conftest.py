"""Every async test runs on trio and on asyncio, in virtual time, on a schedule that its name decides."""

import gc
import os
import signal
from collections.abc import Iterator

import pytest
import trio.testing
from hypothesis import settings

import turnkeeper_trio
from turnkeeper_trio import pytest_plugin
from turnkeeper_trio.testing import VirtualEventLoop
from turnkeeper_trio.testing._backends import seeded_schedule

SEED = os.environ.get("TURNKEEPER_SEED", "0")
"""Any other value runs the tests on other schedules of trio."""

settings.register_profile("fast", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("TURNKEEPER_HYPOTHESIS", "fast"))


def pytest_configure(config: pytest.Config) -> None:
    # Tests send Ctrl-C. A shell has that signal ignored in what it runs in the background, and processes inherit it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not config.pluginmanager.has_plugin("turnkeeper_trio"):  # the package is on the path, and not installed
        config.pluginmanager.register(pytest_plugin, "turnkeeper_trio")
    config.addinivalue_line("markers", "real_time: run this async test on the real clock.")
    config.addinivalue_line(
        "markers", "interpreted_only(reason): it looks into functions or classes that a compiled wheel has compiled."
    )
    config.addinivalue_line("markers", "slow: it takes more than two seconds; -m 'not slow' leaves it out.")


SLOW_FOLDERS = ("tests/stress/", "tests/examples/")
"""Where whole systems and processes are run; other tests that take long are marked in their files."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(SLOW_FOLDERS):
            item.add_marker(pytest.mark.slow)
        marked = item.get_closest_marker("interpreted_only")
        if marked is not None and turnkeeper_trio.__compiled__:
            item.add_marker(pytest.mark.skip(reason=f"interpreted only: {marked.args[0]}"))


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
    ``@TRIO`` for one back end only.
    """
    options: dict[str, object] = {"debug": False} if request.param == "asyncio" else {}
    if request.node.get_closest_marker("real_time") is None:
        if request.param == "asyncio":
            options["loop_factory"] = VirtualEventLoop
        else:
            options["clock"] = trio.testing.MockClock(autojump_threshold=0)
    with seeded_schedule(f"{SEED} {request.node.name}"):
        yield request.param, options
