"""One search for an occurrence: how much it may still cost, and what it knows already.

An occurrence that is on an excluded day is a rejection: it costs a step. Without a bound, an `Except` of an `Except`
would cost the product of two searches of 4,000 steps. So a search is one object, which each part is given:

* An `Except` asks its parts only up to the instant that matters: an excluded schedule within the day in question, each
  part of an `AnyOf` not beyond the occurrence that another part has already.
* An `Except` whose occurrences are filtered by a further `Except` remembers how far it has looked, so that it looks at
  no stretch of time twice, and all of them have one number of steps together.

Rejected: one number of steps for each `Except`, because the numbers multiply; and a bound in time instead of steps,
because the occurrences of a schedule may be years apart.
"""

from typing import Final, Self, final

UNBOUNDED: Final = 1 << 62
"""More steps than a search can need."""


@final
class Search:
    """A search. One that follows another goes on from what that one knows, if it is given the same object."""

    __slots__ = ("excluded", "passed", "steps")

    def __init__(self, steps: int) -> None:
        """Begin a search that may have this number of steps."""
        self.steps: int = steps
        """The number of steps that are left; negative if there were not enough."""
        self.passed: dict[int, tuple[int, int, int]] = {}
        """Where each `Except`, by its ``id``, has no occurrence, as ``(after, until]``; and the rejections there."""
        self.excluded: dict[tuple[int, int, int], bool] = {}
        """Whether a day is excluded: by the ``id`` of the `Except`, the index of the excluded schedule, and the day."""

    @property
    def given_up(self) -> bool:
        """Whether the steps were not enough: an answer "none" may be wrong."""
        return self.steps < 0

    def passed_from(self, which: int, after: int) -> tuple[int, int, int]:
        """Return what an `Except` knows about the time from ``after`` on, as an item of `passed`."""
        start, done, rejected = self.passed.get(which, (after, after, 0))
        return (start, done, rejected) if start <= after <= done else (after, after, 0)

    def within_a_day(self) -> Self:
        """Return a search for an occurrence of an excluded schedule on one day, which shares the excluded days.

        It needs no bound, because an `Except` has few rejections within a day: one for each day of its own zone.
        """
        made = type(self)(UNBOUNDED)
        made.excluded = self.excluded
        return made
