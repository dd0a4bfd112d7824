"""Which event loop runs, as code without an event loop finds it: nothing is imported to find that none runs."""

import sys
import threading

import pytest

from turnkeeper_trio._runtime import loops


def test_without_asyncio_and_trio_no_event_loop_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("asyncio", "trio", "trio.lowlevel"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert loops.running_loop() is None
    assert not loops.in_trio()
    assert not loops.is_cancellation(ValueError())
    assert not {"asyncio", "trio"} & set(sys.modules)


def test_outside_of_an_event_loop_none_runs() -> None:
    found: list[object] = [object()]
    thread = threading.Thread(target=lambda: found.append(loops.running_loop()))
    thread.start()
    thread.join()
    assert found[1] is None


@pytest.mark.anyio
async def test_the_running_loop_is_always_the_same_object() -> None:
    assert loops.running_loop() is loops.running_loop() is not None
