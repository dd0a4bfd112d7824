"""A web server with a scheduler inside: the scheduler lives exactly as long as the application does.

    python -m pip install starlette uvicorn
    python -m uvicorn --app-dir examples starlette_lifespan:app

    python -m pip install starlette 'hypercorn[trio]'  # or this server, on trio, without processes of its own
    PYTHONPATH=examples python -m hypercorn --workers 0 --worker-class trio starlette_lifespan:app

    curl -X POST localhost:8000/report    # run the weekly report now, and answer when it is done
    curl localhost:8000/ready             # is the scheduler taking jobs? what has it done?

FastAPI takes the same function: ``FastAPI(lifespan=lifespan)``. Run one process (``--workers 1``, the default): each
process would open a scheduler of its own, and each would run every job.

If the scheduler fails, the process ends with an exit status that is not 0: a supervisor that restarts what has failed
(systemd's ``Restart=on-failure``, Docker's ``--restart on-failure``) starts it again.
"""

import atexit
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import time
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from turnkeeper_trio import InternalError, JobActive, RecurringJobRequest, Scheduler, WeekdayTimes, open_scheduler
from turnkeeper_trio.schedules import Weekday

log = logging.getLogger("app")


async def send_report() -> int:
    await anyio.sleep(0.5)
    return 3


class Failure:
    """Has the server stop, and the process exit with status 1.

    A server ignores what its lifespan raises once it has started: it would go on without any scheduler, and nobody
    would know. Asked to stop by a signal it ends well, with status 0, or by SIGTERM, a success for systemd, too.
    """

    def __init__(self) -> None:
        self.happened = False
        atexit.register(self._exit)  # what is registered later is run before it

    def stop_server(self) -> None:
        self.happened = True
        # Where a server has processes of its own, as hypercorn has, these ignore SIGINT.
        deaf = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signal.raise_signal(signal.SIGTERM if deaf else signal.SIGINT)

    def _exit(self) -> None:
        if self.happened:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)


failure = Failure()


def create_app(**options: Any) -> Starlette:
    """Make the application; ``options`` go to `open_scheduler`."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        try:
            # The grace must be shorter than what the server, and whoever stops the server, will wait.
            async with open_scheduler(max_workers=4, shutdown_grace=5, **options) as scheduler:
                weekly = WeekdayTimes([(Weekday.MONDAY, time(9))], timezone="Europe/Berlin")
                app.state.report_id = await scheduler.add_job(RecurringJobRequest("report", weekly), send_report)
                app.state.scheduler = scheduler
                yield
            log.info("%s", scheduler.shutdown_report)
        except (InternalError, SystemExit, KeyboardInterrupt):
            # The scheduler has failed, or a job has ended the program. (A critical job's: add CriticalJobFailed.)
            failure.stop_server()
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
