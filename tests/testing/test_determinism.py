"""The same seed gives the same trace: fifty times of fifty, and in any process."""

from typing import Any

import anyio
import pytest
from processes import outputs

from turnkeeper_trio import ExponentialBackoff, Interval, RecurringJobRequest, open_scheduler
from turnkeeper_trio.testing import current_scheduler_time, run
from turnkeeper_trio.testing._backends import Backend

pytestmark = pytest.mark.slow


async def trace() -> list[str]:
    """Return what happens when jobs that fail, sleep, overlap and are drawn at random run for some hours."""
    seen: list[str] = []
    time = current_scheduler_time()

    async def job(name: str, naps: float) -> None:
        for number in range(3):
            seen.append(f"{time.now.isoformat()} {name} {number}")
            await anyio.sleep(naps)
        if naps > 2:
            raise OSError

    async with open_scheduler(max_workers=3) as scheduler:
        for number in range(6):
            request = RecurringJobRequest(
                f"job {number}",
                Interval(hours=1 + number % 3),
                max_retries=1,
                retry=ExponentialBackoff(initial=10),
                jitter=600 * (number % 2),
            )
            await scheduler.add_job(request, job, request.name, number % 4)
        await time.advance(hours=6)
        lines = time.runs().lines
    return seen + lines


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_fifty_runs_are_alike(backend: Backend) -> None:
    first = run(trace, backend=backend, seed=3)
    ballast: list[Any] = []
    for _ in range(49):
        ballast.append([object() for _ in range(50)])  # other addresses for what comes
        assert run(trace, backend=backend, seed=3) == first
    assert len(first) > 60


def test_another_seed_is_another_run() -> None:
    assert run(trace, seed=1) != run(trace, seed=2)


def test_processes_are_alike() -> None:
    program = (
        f"import runpy; from turnkeeper_trio.testing import run; trace = runpy.run_path({__file__!r})['trace']\n"
        "for backend in ('trio', 'asyncio'): print(run(trace, backend=backend))"
    )
    assert len(outputs(program)) == 1
