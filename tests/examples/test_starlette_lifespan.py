"""A scheduler in the lifespan of a web application, or around its server: a crash of it ends the process as failed."""

import atexit
import importlib.util
import os
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
        self._fail_attempt = False

    def wall(self) -> int:
        if anyio.current_time() >= 5 and not self._fail_attempt:
            self._fail_attempt = True
            raise OSError("the clock is broken")
        return self._clock.wall()

    def loop(self) -> int:
        return self._clock.loop()

    def deadline(self, wall: int) -> float:
        return min(self._clock.deadline(wall), anyio.current_time() + 1)

    def hold(self) -> AbstractContextManager[object]:
        return self._clock.hold()


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(atexit, "register", lambda _: None)  # the suite's exit status is not the example's business
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
    assert asked == [signal.SIGINT]
    assert example.failure.happened


FAULT = """
import time
from contextlib import nullcontext

import anyio

from turnkeeper_trio import SystemClock


class ClockThatFails:
    '''The machine's clock, until it is asked half a second after the first time.'''

    def __init__(self):
        self.clock, self.fails_at = SystemClock(), time.monotonic() + 0.5

    def wall(self):
        if time.monotonic() > self.fails_at:
            self.fails_at = float("inf")
            raise OSError("the clock is broken")
        return self.clock.wall()

    def loop(self):
        return self.clock.loop()

    def deadline(self, wall):
        return min(self.clock.deadline(wall), anyio.current_time() + 0.1)

    def hold(self):
        return nullcontext()
"""
IN_LIFESPAN = (
    FAULT
    + """
from starlette_lifespan import create_app

app = create_app(clock=ClockThatFails())
"""
)
AROUND = (
    FAULT
    + """
import sys
from functools import partial

from trio_server import SERVE, main

backend = sys.argv[1]
anyio.run(partial(main, "127.0.0.1:0", SERVE[backend], clock=ClockThatFails()), backend=backend)
"""
)
HYPERCORN = ("-m", "hypercorn", "--workers", "0", "--bind", "127.0.0.1:0", "--worker-class")
SERVERS = {
    "uvicorn": ("-m", "uvicorn", "--port", "0", "in_lifespan:app"),
    "hypercorn on asyncio": (*HYPERCORN, "asyncio", "in_lifespan:app"),
    "hypercorn on trio": (*HYPERCORN, "trio", "in_lifespan:app"),
    "a program on asyncio": ("-m", "around", "asyncio"),
    "a program on trio": ("-m", "around", "trio"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="the servers handle signals otherwise there")
@pytest.mark.parametrize("server", SERVERS)
def test_a_crash_ends_the_process_with_a_status_that_a_supervisor_takes_for_a_failure(
    start: Callable[..., Any], server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in_lifespan.py").write_text(IN_LIFESPAN, "utf-8")
    (tmp_path / "around.py").write_text(AROUND, "utf-8")
    path = [str(tmp_path), str(EXAMPLE.parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    program = start(*SERVERS[server])
    # systemd takes 0, and an end by SIGHUP, SIGINT, SIGTERM or SIGPIPE, for a success; Docker takes 0 for one.
    assert program.wait() == 1, program.output
    assert "OSError: the clock is broken" in program.output
    assert "turnkeeper_trio.InternalError" in program.output


@pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to another process there")
@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_a_program_with_a_server_ends_the_server_first(start: Callable[..., Any], backend: str) -> None:
    program = start("examples/trio_server.py", "--backend", backend, "--bind", "127.0.0.1:0")
    url = re.search(r"http://[\d.:]+", program.wait_for("Running on"))
    assert url is not None
    with httpx.Client(base_url=url[0], timeout=60) as client:
        assert client.post("/report").json()["outcome"] == "succeeded"
    program.process.send_signal(signal.SIGTERM)
    assert program.wait() == 0
    assert program.lines[-1] == "shut down: no run was active; 1 occurrence planned for later, left unrun"


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
