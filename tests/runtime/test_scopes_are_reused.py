"""One cancel scope serves many attempts, as to enter one costs a tenth of what an empty job does.

A worker leaves its scope only where an attempt did not just return in time. Cause of this test: one more local name for
the worker's task was one more reference to it, which the worker took for somebody who may cancel the task later; so it
left its scope after each run, and nothing but the processor time told.
"""

import anyio
import pytest

from turnkeeper_trio import After, RecurringJobRequest, open_scheduler
from turnkeeper_trio._runtime.worker import Worker

pytestmark = pytest.mark.anyio


async def test_a_worker_keeps_its_scope_while_runs_return(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[object] = []
    execute = Worker._execute_in

    def counted(worker: Worker, scope: anyio.CancelScope) -> object:
        entered.append(scope)
        return execute(worker, scope)

    async def nap(seconds: float) -> None:
        await anyio.sleep(seconds)

    async def fails() -> None:
        raise ValueError

    monkeypatch.setattr(Worker, "_execute_in", counted)
    request = RecurringJobRequest("nap", After(), timeout=60)
    async with open_scheduler(max_workers=1) as scheduler:
        for seconds in (0, 0, 1, 0, 2):
            await scheduler.add_job(request, nap, seconds)
            await scheduler.wait_idle()
        assert len(entered) == 1
        await scheduler.add_job(request, fails)
        await scheduler.wait_idle()
        await scheduler.add_job(request, nap, 1)
        await scheduler.wait_idle()
        assert len(entered) == 2
