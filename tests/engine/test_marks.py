"""Each decision notes the job that it changes, and each of these notes is needed.

A note that is left out is found: after the next turn the rows of the store are not the images of the tables. So each
note is left out, one after the other, and one of these scenarios has to notice.
"""

import ast
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engine_driver import Driver, stored
from model_store import ModelStore

import turnkeeper_trio
from turnkeeper_trio import After, FixedRetryDelay, Interval, Never, OnConflict, Overlap, RecurringJobRequest, Snooze
from turnkeeper_trio._engine import control
from turnkeeper_trio._engine.change_log import ChangeLog
from turnkeeper_trio._engine.submission import apply_set

ENGINE = Path(turnkeeper_trio.__file__).parent / "_engine"
NOTES = {"touch", "end", "drop", "forget", "set"}

Site = tuple[str, int]
CHECKED: list[ModelStore] = []


@pytest.fixture(autouse=True)
def checked(monkeypatch: pytest.MonkeyPatch) -> None:
    check = ModelStore.check

    def noted(self: ModelStore, *args: Any) -> None:
        check(self, *args)
        CHECKED.append(self)

    monkeypatch.setattr(ModelStore, "check", noted)


SCENARIOS: list[Callable[[], None]] = []


def scenario(play: Callable[[], None]) -> Callable[[], None]:
    SCENARIOS.append(play)
    return play


def sites() -> dict[str, Site]:
    """Return the places at which a note is made, by a name that says where."""
    found: dict[str, Site] = {}
    for path in sorted(ENGINE.glob("*.py")):
        if path.stem == "change_log":
            continue
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            for node in ast.walk(function):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in NOTES
                    and ast.unparse(node.func.value).endswith("change_log")
                ):
                    name = f"{path.stem}.{function.name}: {node.func.attr}"
                    name += f" ({1 + sum(each.startswith(name) for each in found)})"
                    found[name] = (str(path), node.lineno)
    return found


SITES = sites()


def full(**options: Any) -> Driver:
    """Return an engine all of whose workers are busy for a while."""
    driver = stored(max_workers=1, dispatch_buffer=0, **options)
    driver.add("busy", After(0))
    driver.begin()
    return driver


@scenario
def a_job_by_hand_is_added() -> None:
    driver = stored()
    driver.add(schedule=Never())
    driver.turn()


@scenario
def a_run_begins_ends_and_the_job_is_finished() -> None:
    driver = stored()
    driver.add(schedule=After(5))
    (attempt,) = driver.begin(5)
    driver.end(attempt, value=5)
    driver.turn()


@scenario
def an_occurrence_is_due_and_waits_for_a_worker() -> None:
    driver = full()
    driver.add(schedule=After(5))
    driver.turn()
    driver.tick(5)
    driver.end(driver.executing[0])
    driver.turn()
    driver.tick(5)


@scenario
def a_run_waits_for_its_retry_and_then_for_a_worker() -> None:
    driver = stored(max_workers=1, dispatch_buffer=0)
    driver.add(schedule=After(0), max_retries=1, retry=FixedRetryDelay(5))
    driver.fail(driver.begin()[0])
    driver.turn()
    driver.add("busy", After(0))
    driver.begin()
    driver.tick(5)


@scenario
def a_run_snoozes() -> None:
    driver = stored()
    driver.add(schedule=After(0))
    driver.end(driver.begin()[0], value=Snooze(5))
    driver.turn()


@scenario
def a_job_by_hand_is_triggered_paused_noted_resumed_updated_cancelled_deleted() -> None:
    driver = full()
    job = driver.add(schedule=Never())
    driver.turn()
    driver.trigger(job)
    driver.turn()
    driver.pause(job)
    driver.turn()
    driver.pause(job, note="why")
    driver.turn()
    driver.resume(job)
    driver.turn()
    driver.update(job, priority=2)
    driver.turn()
    other = driver.add(schedule=Never())
    driver.turn()
    driver.cancel(other, reason="enough")
    driver.turn()
    driver.delete(job)
    driver.turn()
    assert driver.store is not None
    assert job.job_id not in driver.store.rows


@scenario
def a_job_is_deleted_while_its_run_executes_and_comes_again() -> None:
    driver = stored()
    request = RecurringJobRequest("job", After(0), key="key")
    job = driver.submit(request)
    (attempt,) = driver.begin()
    driver.delete(job)
    driver.turn()
    driver.submit(request)
    driver.turn()
    driver.submit(request, on_conflict=OnConflict.REPLACE)
    driver.turn()
    driver.end(attempt)
    driver.turn()
    driver.run_until_quiet()


@scenario
def occurrences_are_skipped_and_cancelled() -> None:
    driver = stored()
    job = driver.add(schedule=Interval(seconds=10))
    driver.turn()
    for _ in range(2):
        driver.skip(job)
        driver.turn()
    for _ in range(2):
        driver.cancel_run(driver.details(job).next_run_instance).result()
        driver.turn()


@scenario
def runs_that_were_told_as_due_are_merged() -> None:
    driver = full()
    job = driver.add(schedule=Interval(seconds=10), overlap=Overlap.BUFFER_ALL)
    for _ in range(3):
        driver.tick(10)
    for run in driver.active(job):
        driver.cancel_run(run.run_id).result()
        driver.turn()
    (record,) = driver.history(job)
    assert record.count == 3
    assert driver.store is not None
    assert list(driver.store.rows[job.job_id].runs) == [1], "one row stands for all of them"


@scenario
def what_is_assigned_is_taken_back() -> None:
    driver = stored()
    driver.add(schedule=After(0))
    driver.turn()  # It is assigned, and no worker has begun it.
    driver.pause_all(control.ALL, note="why")
    driver.turn()
    assert driver.settings == {control.PAUSED_ALL: "why"}
    driver.start()
    driver.resume_all(control.ALL)
    driver.turn()
    assert driver.settings == {}
    driver.turn()


@scenario
def so_it_is_at_a_shutdown_while_another_executes() -> None:
    driver = stored(dispatch_buffer=1, max_workers=1)
    driver.add("busy", After(0))
    driver.begin()
    driver.add(schedule=After(0))
    driver.turn()
    driver.shut_down()
    driver.turn()


@scenario
def a_job_moves_to_another_set() -> None:
    driver = stored()
    submission = driver.submission(RecurringJobRequest("job", Never(), key="key"))
    for name in ("one", "other"):
        driver.ask(apply_set, [submission], name, 3).result()
        driver.turn()
        assert driver.settings[f"job_set:{name}"] == "3"


@scenario
def a_job_is_only_asked_about() -> None:
    driver = stored(horizon=1)
    driver.add(schedule=After(3600))
    driver.turn()
    assert driver.store is not None
    driver.admit(*driver.store.claim())
    driver.turn()
    assert driver.state.jobs == {}


@scenario
def a_process_dies_while_a_run_executes() -> None:
    driver = stored()
    driver.add(schedule=After(0))
    driver.begin()
    driver.crash().turn()


@pytest.mark.parametrize("play", SCENARIOS, ids=lambda play: play.__name__)
def test_the_rows_are_the_images(play: Callable[[], None]) -> None:
    """`ModelStore.check` asserts it after each turn."""
    before = len(CHECKED)
    play()
    assert len(CHECKED) > before


@pytest.mark.interpreted_only("it leaves out calls by the line in which they are written")
@pytest.mark.parametrize("site", SITES)
def test_each_note_is_needed(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    left_out = 0

    def without(name: str) -> Callable[..., None]:
        note = getattr(ChangeLog, name)

        def noted(self: ChangeLog, *args: Any) -> None:
            nonlocal left_out
            caller = sys._getframe(1)
            if (caller.f_code.co_filename, caller.f_lineno) == SITES[site]:
                left_out += 1
            else:
                note(self, *args)

        return noted

    for name in NOTES:
        monkeypatch.setattr(ChangeLog, name, without(name))
    noticed: list[str] = []
    for play in SCENARIOS:
        try:
            play()
        except (AssertionError, KeyError):
            noticed.append(play.__name__)
    assert left_out, "no scenario makes this note"
    assert noticed, "nobody misses it"


def test_the_places_are_found() -> None:
    assert len(SITES) >= 15
    assert {name.rsplit(" ", 2)[1] for name in SITES} == NOTES
