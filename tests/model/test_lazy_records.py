"""Records and events whose fields are made when they are read are like those that a constructor makes."""

import copy
import dataclasses
import pickle
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from turnkeeper_trio import Origin, Outcome, RunRecord
from turnkeeper_trio._model.record import LazyRecord, peek, unread
from turnkeeper_trio._model.times import instant_us, utc_pendulum
from turnkeeper_trio.events import Event, JobAdded, RunFinished, RunStarted

ABOUT: dict[str, Any] = {"sequence": 3, "job_id": UUID(int=1), "run_id": UUID(int=2)}
RECORD: dict[str, Any] = {
    "run_id": UUID(int=2),
    "job_id": UUID(int=1),
    "name": "job",
    "origin": Origin.SCHEDULE,
    "attempts": 1,
    "outcome": Outcome.SUCCEEDED,
    "value": 42,
    "error": None,
    "reason": "",
    "lateness": 0.0,
    "duration": 1.5,
    "count": 1,
}
US = instant_us(datetime(2026, 1, 5, 8, tzinfo=UTC))
AT = utc_pendulum(US)
INSTANTS = ("scheduled_at", "due_at", "started_at", "finished_at")


def lazy_record() -> RunRecord:
    return unread(RunRecord, RECORD | dict.fromkeys(INSTANTS, US))


def made_record() -> RunRecord:
    return RunRecord(**RECORD, **dict.fromkeys(INSTANTS, AT))


PAIRS: dict[str, tuple[Callable[[], LazyRecord], Callable[[], LazyRecord]]] = {
    "record": (lazy_record, made_record),
    "finished": (
        lambda: unread(RunFinished, ABOUT | {"at": US, "record": lazy_record()}),
        lambda: RunFinished(**ABOUT, at=AT, record=made_record()),
    ),
    "started": (
        lambda: unread(RunStarted, ABOUT | {"at": US, "name": "job", "attempt": 1, "lateness": 0.0}),
        lambda: RunStarted(**ABOUT, at=AT, name="job", attempt=1, lateness=0.0),
    ),
    "added": (
        lambda: unread(JobAdded, ABOUT | {"at": US, "name": "job", "next_run_time": None}),
        lambda: JobAdded(**ABOUT, at=AT, name="job", next_run_time=None),
    ),
}

ASKED: dict[str, Callable[[Any], Any]] = {
    "repr": repr,
    "str": str,
    "hash": hash,
    "json": lambda record: record.to_json(),
    "fields": lambda record: [getattr(record, field.name) for field in dataclasses.fields(record)],
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda record: pickle.loads(pickle.dumps(record)),  # noqa: S301  (its own)
    "replace": lambda record: dataclasses.replace(record, **{dataclasses.fields(record)[0].name: 7}),
    "dict": dataclasses.asdict,
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_it_answers_as_one_that_was_made(
    ask: Callable[[Any], Any], pair: tuple[Callable[[], LazyRecord], Callable[[], LazyRecord]]
) -> None:
    lazy, made = pair[0](), pair[1]()
    assert ask(lazy) == ask(made)
    assert lazy == made
    assert made == pair[0]()


def test_instants_are_those_of_pendulum_and_stay_the_same_object() -> None:
    event = unread(RunFinished, ABOUT | {"at": US, "record": lazy_record()})
    assert event.at is event.at
    assert type(event.at) is type(AT)
    assert event.record is event.record
    assert event.record.finished_at == datetime.fromtimestamp(US / 1_000_000, UTC)


def test_patterns_match() -> None:
    match unread(RunFinished, ABOUT | {"at": US, "record": lazy_record()}):
        case RunFinished(sequence=3, record=RunRecord(_, _, "job", outcome=Outcome.SUCCEEDED, value=value)):
            assert value == 42
        case _:
            raise AssertionError


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_it_is_frozen_read_or_not(pair: tuple[Callable[[], LazyRecord], Callable[[], LazyRecord]]) -> None:
    for record in (pair[0](), pair[1]()):
        name = dataclasses.fields(record)[0].name  # type: ignore[arg-type]  # each is a dataclass
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(record, name, 1)
        assert getattr(record, name) != 1


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_what_is_not_there_is_an_attribute_error(
    pair: tuple[Callable[[], LazyRecord], Callable[[], LazyRecord]],
) -> None:
    for record in (pair[0](), pair[1]()):
        with pytest.raises(AttributeError, match=f"'{type(record).__name__}' object has no attribute 'nonsense'"):
            record.nonsense  # type: ignore[attr-defined]  # noqa: B018
        assert not hasattr(record, "__wrapped__")


def test_a_field_that_was_never_set_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="sequence"):
        _ = object.__new__(Event).sequence


def test_to_peek_reads_nothing() -> None:
    event = unread(RunFinished, ABOUT | {"at": US, "record": lazy_record()})
    assert peek(peek(event, "record"), "outcome") is Outcome.SUCCEEDED
    with pytest.raises(AttributeError):
        object.__getattribute__(event, "record")
    assert peek(made_record(), "outcome") is Outcome.SUCCEEDED


def test_threads_that_read_at_once_see_equal_values() -> None:
    event = unread(RunFinished, ABOUT | {"at": US, "record": lazy_record()})
    together = threading.Barrier(4)
    seen: list[str] = []

    def read() -> None:
        together.wait()
        seen.append(repr(event))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [repr(PAIRS["finished"][1]())] * 4
