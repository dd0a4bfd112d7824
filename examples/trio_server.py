"""A web server inside a trio program, beside a scheduler: the program owns both, and no lifespan is needed.

    python -m pip install starlette 'hypercorn[trio]'
    python examples/trio_server.py                     # on trio
    python examples/trio_server.py --backend asyncio   # on asyncio

    curl -X POST localhost:8000/report

The server runs in the scheduler's block. So SIGTERM or Ctrl-C ends the server first, after its open requests have
ended, and then the scheduler. If the scheduler fails, its block is left with an error, and the server is cancelled: the
process ends with an exit status that is not 0, and a supervisor that restarts what has failed starts it again.
"""

import argparse
import signal
from datetime import time
from functools import partial
from typing import Any, cast

import anyio
import hypercorn.asyncio
import hypercorn.trio
from hypercorn.config import Config
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from turnkeeper_trio import RecurringJobRequest, Scheduler, WeekdayTimes, open_scheduler
from turnkeeper_trio.schedules import Weekday


async def send_report() -> int:
    await anyio.sleep(0.5)
    return 3


async def report(request: Request) -> JSONResponse:
    scheduler: Scheduler = request.app.state.scheduler
    run_id = await scheduler.trigger_job_now(request.app.state.report_id)
    record = await scheduler.wait_run(run_id)
    return JSONResponse(record.to_json())


async def until_told() -> None:
    """Wait for SIGTERM or Ctrl-C."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            return


async def main(address: str, serve: Any, **options: Any) -> None:
    app = Starlette(routes=[Route("/report", report, methods=["POST"])])
    config = Config()
    config.bind = [address]
    config.graceful_timeout = 5
    async with open_scheduler(max_workers=4, shutdown_grace=5, **options) as scheduler:
        weekly = WeekdayTimes([(Weekday.MONDAY, time(9))], timezone="Europe/Berlin")
        app.state.report_id = await scheduler.add_job(RecurringJobRequest("report", weekly), send_report)
        app.state.scheduler = scheduler
        await serve(app, config, shutdown_trigger=until_told)
    print(scheduler.shutdown_report)


# Its types do not fit Starlette's.
SERVE = {"trio": cast("Any", hypercorn.trio).serve, "asyncio": cast("Any", hypercorn.asyncio).serve}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A web server and a scheduler in one program.")
    parser.add_argument("--backend", choices=["trio", "asyncio"], default="trio", help="the event loop to run on")
    parser.add_argument("--bind", default="127.0.0.1:8000", help="the address to listen on")
    options = parser.parse_args()
    anyio.run(partial(main, options.bind, SERVE[options.backend]), backend=options.backend)
