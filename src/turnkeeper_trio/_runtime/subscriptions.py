"""Subscriptions: events as a bounded stream for each subscriber; the scheduler waits for none of them."""

from collections.abc import AsyncIterator
from typing import Final, final
from uuid import UUID

import anyio

from turnkeeper_trio._model.event import Event, Lagged, SchedulerStopped


@final
class Subscription:
    """The events for one subscriber, to iterate over. It ends after `SchedulerStopped`."""

    def __init__(self, types: tuple[type[Event], ...], job_id: UUID | None, buffer: int) -> None:
        """Keep up to ``buffer`` events of certain types, of one job or of all."""
        # Three places more than asked for: a gap is told by an event of its own, the event after it takes the last
        # place of the buffer, then there may be another gap, and the last event always finds room.
        self._buffer = buffer
        self._send, self._receive = anyio.create_memory_object_stream[Event](buffer + 3)
        self._types: Final = (*types, SchedulerStopped) if types else (Event,)
        self._job_id = job_id
        self._missed = 0

    def __aiter__(self) -> AsyncIterator[Event]:
        """Iterate over the events."""
        return self._receive.__aiter__()

    def offer(self, event: Event) -> None:
        """Keep an event if it is wanted, or count it as missed where there is no room."""
        last = isinstance(event, SchedulerStopped)
        if not last and not (isinstance(event, self._types) and self._job_id in {None, event.job_id}):
            return
        if not last and self._receive.statistics().current_buffer_used >= self._buffer:
            self._missed += 1
            return
        if self._missed:
            lagged = Lagged(sequence=event.sequence, at=event.at, job_id=None, run_id=None, count=self._missed)
            self._send.send_nowait(lagged)
            self._missed = 0
        self._send.send_nowait(event)
        if last:
            self.end()

    def end(self) -> None:
        """Have the iteration end after what is kept."""
        self._send.close()

    def close(self) -> None:
        """The subscriber has gone."""
        self.end()
        self._receive.close()
