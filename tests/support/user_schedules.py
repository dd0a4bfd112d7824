"""Schedules as users might write them: plain ones, and ones with faults."""

from collections.abc import Sequence
from datetime import datetime, timedelta


class Listed:
    """So many instants, and no more. It cannot count."""

    def __init__(self, instants: Sequence[datetime]) -> None:
        self.instants = sorted(instants)

    def next_after(self, after: datetime) -> datetime | None:
        return next((instant for instant in self.instants if instant > after), None)


class FaultyFrom:
    """Every so often, until it is asked about an instant from which it goes wrong, in one of several ways."""

    def __init__(self, every: timedelta, start: datetime, fault_from: datetime, fault: str) -> None:
        self.every = every
        self.start = start
        self.fault_from = fault_from
        self.fault = fault

    def next_after(self, after: datetime) -> datetime | None:
        if after >= self.fault_from:
            match self.fault:
                case "raises":
                    raise ArithmeticError("no idea")
                case "stands still":
                    return after
                case "goes back":
                    return after - timedelta(seconds=1)
                case "naive":
                    return (after + self.every).replace(tzinfo=None)
                case "nonsense":
                    return "tomorrow"  # type: ignore[return-value]
                case _:
                    raise AssertionError(self.fault)
        return after + self.every - (after - self.start) % self.every


FAULTS = ("raises", "stands still", "goes back", "naive", "nonsense")


class CannotCount:
    """Every second; its ``count_between`` is faulty."""

    def __init__(self, answer: object = -1) -> None:
        self.answer = answer

    def next_after(self, after: datetime) -> datetime:
        return after.replace(microsecond=0) + timedelta(seconds=1)

    def count_between(self, after: datetime, until: datetime) -> object:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class CannotBind:
    """Its ``anchored`` is faulty."""

    def next_after(self, after: datetime) -> datetime:
        return after + timedelta(seconds=1)

    def anchored(self, at: datetime) -> object:
        return 5
