"""A web server with a scheduler inside: the scheduler lives exactly as long as the application does.

    python -m pip install starlette uvicorn
    python -m uvicorn --app-dir examples starlette_lifespan:app

    curl -X POST localhost:8000/report    # run the weekly report now, and answer when it is done
    curl localhost:8000/ready             # is the scheduler taking jobs? what has it done?

FastAPI takes the same function: ``FastAPI(lifespan=lifespan)``. Run one process (``--workers 1``, the default): each
process would open a scheduler of its own, and each would run every job.
"""

import logging
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import time
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from turnkeeper_trio import (
    InternalError,
    JobActive,
    RecurringJobRequest,
    Scheduler,
    Weekday,
    WeekdayTimes,
    open_scheduler,
)

log = logging.getLogger("app")


async def send_report() -> int:
    await anyio.sleep(0.5)
    return 3


def create_app(**options: Any) -> Starlette:
    """Make the application; ``options`` go to `open_scheduler`."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            # The grace must be shorter than what the server, and whoever stops the server, will wait.
            async with open_scheduler(max_workers=4, shutdown_grace=5, **options) as scheduler:
                weekly = WeekdayTimes([(Weekday.MONDAY, time(9))], timezone="Europe/Berlin")
                app.state.report_id = await scheduler.add_job(RecurringJobRequest("report", weekly), send_report)
                app.state.scheduler = scheduler
                yield
            log.info("%s", scheduler.shutdown_report)
        except (InternalError, SystemExit, KeyboardInterrupt):
            # The scheduler has failed, or a job has ended the program. A server ignores what its lifespan raises once
            # it has started: it would go on without any scheduler, and nobody would know. So ask it to stop.
            signal.raise_signal(signal.SIGTERM)
            raise

    async def report(request: Request) -> JSONResponse:
        scheduler: Scheduler = request.app.state.scheduler
        try:
            run_id = await scheduler.trigger_job_now(request.app.state.report_id)
        except JobActive as busy:
            return JSONResponse({"error": str(busy)}, status_code=409)
        record = await scheduler.wait_run(run_id)
        return JSONResponse(record.to_json())

    async def ready(request: Request) -> JSONResponse:
        scheduler: Scheduler = request.app.state.scheduler
        snapshot = scheduler.get_metrics_snapshot().to_json()
        return JSONResponse(snapshot, status_code=503 if scheduler.is_closed else 200)

    routes = [Route("/report", report, methods=["POST"]), Route("/ready", ready)]
    return Starlette(routes=routes, lifespan=lifespan)


app = create_app()
