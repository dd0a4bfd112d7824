"""What a caller hands to the coordinator, and how it gets its answer."""

from collections.abc import Callable
from typing import Any, final

import anyio

from turnkeeper_trio._engine.now import Now
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.waiting import Wait


@final
class Reply:
    """The caller's end of a question: it waits here, and is answered once."""

    __slots__ = ("_answer", "_answered", "_event", "among", "given_up", "wait")

    def __init__(self) -> None:
        """Make an unanswered reply."""
        self._event = anyio.Event()
        self._answer: Any = None
        self._answered = False
        self.given_up: bool = False
        """Whether the caller waits no longer."""
        self.wait: Wait | None = None
        """What the answer depends on, where it was not ready at once."""
        self.among: dict[Reply, None] = {}
        """The unanswered replies that it is kept among: it goes when it is answered, and when it is given up."""

    @property
    def open(self) -> bool:
        """Whether somebody still waits for the answer."""
        return not self._answered and not self.given_up

    def answer(self, answer: Any) -> None:
        """Answer; an exception is raised at the caller."""
        self._answer = answer
        self._answered = True
        self._event.set()

    async def get(self) -> Any:
        """Wait for the answer. Cancelled, it gives up the answer, not what was decided."""
        try:
            await self._event.wait()
        except BaseException:
            self.given_up = True
            self.among.pop(self, None)
            if self.wait is not None:
                self.wait.withdraw()
            raise
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@final
class Command:
    """A decision that a caller asks for: a function of the engine's ring, its arguments, and where to answer."""

    __slots__ = ("after", "args", "changes", "decide", "kwargs", "reply")

    def __init__(
        self,
        decide: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        reply: Reply,
        after: int,
        changes: bool,
    ) -> None:
        """Ask for ``decide(state, now, *args, **kwargs)``."""
        self.decide: Callable[..., Any] = decide
        self.args: tuple[Any, ...] = args
        self.kwargs: dict[str, Any] = kwargs
        self.reply: Reply = reply
        self.after: int = after
        """How many submissions had been staged when it was asked: these are taken first, so that it knows them."""
        self.changes: bool = changes
        """Whether it changes anything; if not, it can be answered after the end."""

    def run(self, state: State, now: Now) -> Any:
        """Decide. What is raised for the caller is the answer."""
        return self.decide(state, now, *self.args, **self.kwargs)
