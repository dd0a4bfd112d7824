"""An occurrence falls due while a run of its job is active: what happens, as a drawing (see `drawing`)."""

import anyio
import pytest
from drawing import Drawing

from turnkeeper_trio import (
    CatchUp,
    FixedRetryDelay,
    Interval,
    JobActive,
    Never,
    Overlap,
    RecurringJobRequest,
    open_scheduler,
)
from turnkeeper_trio.events import OccurrenceSkipped

pytestmark = pytest.mark.anyio


async def draw(until, *takes, workers=5, cleanup=0, fails=(), **options):
    """Draw a job that runs every two seconds up to ``until``; ``takes`` are the seconds that its runs take."""
    begun = 0

    async def job():
        nonlocal begun
        seconds = takes[min(begun, len(takes) - 1)]
        begun += 1
        number = begun
        try:
            await anyio.sleep(seconds)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(cleanup if number == 1 else 0)
        if number in fails:
            raise ValueError(number)

    drawing = Drawing()
    async with open_scheduler(max_workers=workers, observers=[drawing]) as scheduler:
        request = RecurringJobRequest("job", Interval(2), until=drawing.start.replace(second=until), **options)
        await scheduler.wait_job(await scheduler.add_job(request, job))
    assert scheduler.get_metrics_snapshot().books.balanced
    return drawing


async def test_skip():
    drawing = await draw(9, 5, 1)
    drawing.assert_shows("""
        |
          =====S
            K
              K
                =S
    """)
    assert drawing.reasons == ["the run before it had not ended"] * 2


async def test_buffer_one_keeps_the_first_that_waits():
    drawing = await draw(9, 5, 1, overlap=Overlap.BUFFER_ONE)
    drawing.assert_shows("""
        |
          =====S
            ...=S
              K
                =S
    """)
    assert drawing.reasons[0] == "another occurrence was waiting already"


async def test_buffer_all_runs_each_in_its_turn():
    (await draw(9, 5, 1, overlap=Overlap.BUFFER_ALL)).assert_shows("""
        |
          =====S
            ...=S
              ..=S
                .=S
    """)


@pytest.mark.parametrize(("most", "rows"), [(0, "KKK"), (1, ".KK"), (2, "..K")])
async def test_buffer_all_up_to_max_waiting(most, rows):
    drawing = await draw(9, 7, 1, overlap=Overlap.BUFFER_ALL, max_waiting=most)
    waits = ["  =======S", "    .....=S", "      ....=S", "        ...=S"]
    skipped = ["", "    K", "      K", "        K"]
    lines = [waits[0], *(waits[row] if sign == "." else skipped[row] for row, sign in enumerate(rows, 1))]
    assert str(drawing).splitlines()[:4] == lines
    assert drawing.reasons.count("max_waiting others were waiting already") == rows.count("K")


async def test_cancel_other():
    drawing = await draw(7, 3, 3, 3, overlap=Overlap.CANCEL_OTHER)
    drawing.assert_shows("""
        |
          ==C
            ==C
              ===S
    """)
    assert drawing.reasons[:2] == ["replaced by the next occurrence"] * 2


async def test_cancel_other_waits_for_the_cleanup_and_a_newer_one_takes_the_place_of_the_one_that_waits():
    drawing = await draw(9, 9, 1, cleanup=5, overlap=Overlap.CANCEL_OTHER)
    drawing.assert_shows("""
        |
          =======C
            ..P
              ..P
                .=S
    """)
    assert drawing.reasons.count("a newer occurrence took its place") == 2


async def test_allow_all():
    (await draw(7, 5, 3, 1, overlap=Overlap.ALLOW_ALL)).assert_shows("""
        |
          =====S
            ===S
              =S
    """)


@pytest.mark.parametrize("workers", [2, 5])
async def test_allow_all_up_to_max_concurrent(workers):
    (await draw(9, 7, 5, 1, overlap=Overlap.ALLOW_ALL, max_concurrent=2, workers=workers)).assert_shows("""
        |
          =======S
            =====S
              ...=S
                .=S
    """)


async def test_beyond_max_concurrent_and_max_waiting_is_skipped():
    drawing = await draw(9, 7, 5, 1, overlap=Overlap.ALLOW_ALL, max_concurrent=2, max_waiting=0)
    drawing.assert_shows("""
        |
          =======S
            =====S
              K
                K
    """)
    assert drawing.reasons[0] == "max_waiting others were waiting already"


async def test_a_run_that_waits_for_its_retry_is_superseded_by_the_next():
    drawing = await draw(7, 1, fails={1, 2}, max_retries=1, retry=FixedRetryDelay(4))
    drawing.assert_shows("""
        |
          =-F
            =-F
              =S
    """)
    assert drawing.reasons[0] == "superseded by the next occurrence"


@pytest.mark.parametrize(
    ("policy", "second"),
    [(Overlap.SKIP, "    K"), (Overlap.BUFFER_ONE, "    ....=S"), (Overlap.CANCEL_OTHER, "    =S")],
)
async def test_retry_past_next_keeps_its_retry_and_is_in_the_way(policy, second):
    options = {"max_retries": 1, "retry": FixedRetryDelay(4), "retry_past_next": True}
    lines = str(await draw(5, 1, fails={1}, overlap=policy, **options)).splitlines()
    assert lines[0] == ("  =-C" if policy is Overlap.CANCEL_OTHER else "  =----=S")
    assert lines[1] == second


async def test_runs_that_wait_for_a_worker_are_in_the_way_too():
    drawing = Drawing()
    async with open_scheduler(max_workers=1, observers=[drawing]) as scheduler:
        await scheduler.add_job(RecurringJobRequest("a", Interval(2), max_runs=1), anyio.sleep, 5)
        await scheduler.add_job(
            RecurringJobRequest("b", Interval(2), until=drawing.start.replace(second=5)), anyio.sleep, 1
        )
        await anyio.sleep(20)
    drawing.assert_shows("""
        |
        a   =====S
        b   .....=S
        b     K
    """)


async def test_who_was_in_the_way_is_told_with_its_phase_and_for_how_long():
    async with open_scheduler(max_workers=1) as scheduler, scheduler.events(OccurrenceSkipped) as skips:
        await scheduler.add_job(RecurringJobRequest("job", Interval(2), max_runs=3), anyio.sleep, 5)
        for seconds in (2, 4):
            skipped = await anext(skips)
            assert skipped.blocked_by.running_for == seconds
            assert str(skipped.blocked_by) == f"executing for {seconds:.2f} s, attempt 1"


@pytest.mark.parametrize(
    ("policy", "drawn"),
    [
        (Overlap.SKIP, None),
        (Overlap.BUFFER_ONE, ["=========S", " ........===S"]),
        (Overlap.BUFFER_ALL, ["=========S", " ........===S"]),
        (Overlap.CANCEL_OTHER, ["=C", " ===S"]),
        (Overlap.ALLOW_ALL, ["=========S", " ===S"]),
    ],
)
@pytest.mark.parametrize("own", Overlap)
async def test_a_trigger_may_bring_a_policy_of_its_own_whatever_that_of_its_job(own, policy, drawn):
    drawing, takes = Drawing(), [9, 3]

    async def job():
        await anyio.sleep(takes.pop(0))

    async with open_scheduler(max_workers=3, observers=[drawing]) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Never(), overlap=own), job)
        first = await scheduler.trigger_job_now(job_id)
        await anyio.sleep(1)
        if drawn is None:
            with pytest.raises(JobActive) as caught:
                await scheduler.trigger_job_now(job_id, overlap=policy)
            assert caught.value.run_id == first
            assert caught.value.job_id == job_id
            return
        await scheduler.trigger_job_now(job_id, overlap=policy)
        await scheduler.wait_idle()
    assert str(drawing).splitlines() == drawn


@pytest.mark.parametrize("policy", [Overlap.SKIP, Overlap.BUFFER_ONE])
async def test_a_trigger_goes_by_the_policy_of_its_job_where_it_brings_none(policy):
    async with open_scheduler(max_workers=3, shutdown_grace=0) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Never(), overlap=policy), anyio.sleep, 9)
        await scheduler.trigger_job_now(job_id)
        if policy is Overlap.BUFFER_ONE:
            await scheduler.trigger_job_now(job_id)
        with pytest.raises(JobActive):
            await scheduler.trigger_job_now(job_id)


async def test_caught_up_occurrences_wait_for_one_another():
    drawing = Drawing()
    async with open_scheduler(max_workers=3, observers=[drawing]) as scheduler:
        request = RecurringJobRequest("job", Interval(2), catch_up=CatchUp.ALL, max_runs=3)
        job_id = await scheduler.add_job(request, anyio.sleep, 1)
        await scheduler.pause_all()
        await anyio.sleep(7)
        await scheduler.resume_all()
        await scheduler.wait_job(job_id)
    drawing.assert_shows("""
        |
          .....=S
            ....=S
              ...=S
    """)
