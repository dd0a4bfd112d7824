"""What the tests of the runtime are given by name."""

import pytest
from event_recorder import EventRecorder
from fake_store import FakeStore
from stepping_clock import SteppingClock


@pytest.fixture
def wall() -> SteppingClock:
    return SteppingClock()


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def heard() -> EventRecorder:
    return EventRecorder()
