"""A scheduler in the lifespan of a web application: it serves requests, and a crash of it stops the server."""

import importlib.util
import re
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette

from turnkeeper_trio import InternalError, VirtualClock

EXAMPLE = Path(__file__).parents[2] / "examples" / "starlette_lifespan.py"


class ClockThatFailsOnce:
    """A virtual clock, but the first time that it is asked after five seconds it fails: a stand-in for any fault."""

    def __init__(self) -> None:
        self._clock = VirtualClock()
        self._failed = False

    def wall(self) -> int:
        if anyio.current_time() >= 5 and not self._failed:
            self._failed = True
            raise OSError("the clock is broken")
        return self._clock.wall()

    def loop(self) -> int:
        return self._clock.loop()

    def deadline(self, wall: int) -> float:
        return min(self._clock.deadline(wall), anyio.current_time() + 1)

    def hold(self) -> AbstractContextManager[object]:
        return self._clock.hold()


@pytest.fixture
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("starlette_lifespan", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def client_of(app: Starlette) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")


@pytest.mark.anyio
async def test_requests_reach_the_scheduler(example: ModuleType) -> None:
    app = example.create_app()
    async with app.router.lifespan_context(app), client_of(app) as client:
        answer = await client.post("/report")
        assert (answer.status_code, answer.json()["outcome"], answer.json()["value"]) == (200, "succeeded", 3)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.post, "/report")
            await anyio.sleep(0.1)
            assert (await client.post("/report")).status_code == 409
        ready = await client.get("/ready")
        assert (ready.status_code, ready.json()["books"]["succeeded"]) == (200, 2)
    async with client_of(app) as client:
        assert (await client.get("/ready")).status_code == 503


@pytest.mark.anyio
async def test_a_crash_asks_the_server_to_stop(example: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[signal.Signals] = []
    monkeypatch.setattr(signal, "raise_signal", asked.append)
    app = example.create_app(clock=ClockThatFailsOnce())
    with pytest.raises(InternalError):
        async with app.router.lifespan_context(app):
            await anyio.sleep(3600)
    assert asked == [signal.SIGTERM]


@pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to another process there")
def test_a_server_lets_a_run_finish_before_it_stops(start: Callable[..., Any]) -> None:
    server = start("-m", "uvicorn", "--app-dir", "examples", "--port", "0", "starlette_lifespan:app")
    line = server.wait_for("Uvicorn running on")
    url = re.search(r"http://[\d.:]+", line)
    assert url is not None
    with httpx.Client(base_url=url[0], timeout=60) as client:
        assert client.get("/ready").json()["jobs_submitted"] == 1
        assert client.post("/report").json()["outcome"] == "succeeded"
    server.process.send_signal(signal.SIGTERM)
    server.wait()
    assert "Application shutdown complete." in server.output
    assert "Traceback" not in server.output
