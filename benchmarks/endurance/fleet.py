"""The fleet: recurring jobs of every kind, each with chance of its own, so that one does not disturb another's."""

import random
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import time as clock_time
from datetime import timedelta
from typing import Any

import anyio

import turnkeeper_trio as tk
from turnkeeper_trio.policies import Overlap

Body = Callable[[random.Random], Awaitable[Any]]


def heads(chance: random.Random) -> bool:
    """Toss a coin."""
    return chance.randrange(2) == 0


class Unwanted(Exception):
    """What a job raises that is made to fail."""


async def nothing(chance: random.Random) -> None:
    del chance


def sleeps(longest: float) -> Body:
    async def body(chance: random.Random) -> None:
        await anyio.sleep(longest * chance.random())

    return body


async def fails(chance: random.Random) -> None:
    ballast = bytearray(100_000)  # a traceback that is kept must not keep the locals
    await anyio.sleep(0.1 * chance.random())
    if heads(chance):
        raise Unwanted(f"{len(ballast)} bytes are enough")


async def always_fails(chance: random.Random) -> None:
    raise Unwanted(str(chance.random()))


async def returns_false(chance: random.Random) -> bool:
    return heads(chance)


async def decides(chance: random.Random) -> tk.verdicts.Verdict | None:
    verdicts = [None, None, tk.Snooze(3), tk.Retry(1), tk.Retry(), tk.GiveUp("it is no use")]
    verdict = chance.choice(verdicts)
    if verdict is not None and heads(chance):
        raise verdict
    return verdict


async def cleans_up(chance: random.Random) -> None:
    try:
        await anyio.sleep(2 * chance.random())
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.2 * chance.random())


async def spawns(chance: random.Random) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(anyio.sleep, chance.random())


def in_thread(chance: random.Random) -> float:
    time.sleep(0.001)
    return chance.random()


def fleet(number: int) -> Iterator[tuple[tk.RecurringJobRequest, Callable[..., Any]]]:
    """Return the jobs of one fleet: about ten runs in a second, together."""

    def job(name: str, schedule: tk.abc.Schedule, **options: Any) -> tk.RecurringJobRequest:
        return tk.RecurringJobRequest(f"{name} {number}", schedule, tags=("fleet",), **options)

    def seconds(every: float) -> tk.Interval:
        return tk.Interval(seconds=every)

    backoff = tk.ExponentialBackoff(initial=1, factor=2, maximum=8)
    yield job("tick", seconds(1)), nothing
    yield job("urgent", seconds(1), priority=5, initial_run_time=timedelta(milliseconds=500)), nothing
    for policy in Overlap:
        limit = {"max_concurrent": 3} if policy is Overlap.ALLOW_ALL else {}
        yield job(f"overlaps, {policy}", seconds(2), overlap=policy, max_waiting=10, **limit), sleeps(2.8)
    yield job("cron", tk.Cron("*/10 * * * * *", timezone="Europe/Berlin")), sleeps(1)
    yield job("quarters", tk.Cron("*/15 * * * *", timezone="Europe/Berlin")), sleeps(60)
    hours = [clock_time(hour, 17) for hour in range(24)]
    yield job("weekdays", tk.WeekdayTimes.on(tk.EVERY_DAY, *hours, timezone="Europe/Berlin")), sleeps(60)
    yield job("delay", tk.FixedDelay(seconds=1)), sleeps(1)
    yield job("fails", seconds(3), max_retries=3, retry=backoff), fails
    yield job("fails on", seconds(10), max_retries=3, retry=backoff, retry_past_next=True), fails
    yield job("times out", seconds(2), timeout=0.5, max_retries=1, retry=tk.FixedRetryDelay(0.2)), sleeps(1)
    yield job("says no", seconds(5)), returns_false
    yield job("decides", seconds(4), max_retries=2, retry=tk.FixedRetryDelay(1, jitter=0.5)), decides
    yield job("cleans up", seconds(2), overlap=Overlap.CANCEL_OTHER), cleans_up
    yield job("spawns", seconds(3)), spawns
    yield job("jitter", seconds(5), jitter=2, start_deadline=1), sleeps(0.1)
    yield job("halts", seconds(30), halt_after=3), always_fails
    # At an instant that no other job has: when a thread is done within an instant is up to the machine.
    aside = timedelta(seconds=1.137_913 + 0.001 * number)
    yield job("thread", tk.Interval(minutes=10), initial_run_time=aside), in_thread
