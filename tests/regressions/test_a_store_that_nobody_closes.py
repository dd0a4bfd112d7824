"""On asyncio, who was cancelled natively while a file was opened or closed left it open until the process ended.

``task.cancel()``, ``asyncio.timeout()`` and the like pass the shields of anyio. The thread that opened the file went
on, and nobody was left who would have closed it; or a thread never began to close it. Whoever opened the file next,
also by the same store, was told that it is in use.
"""

import asyncio
import threading
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio.to_thread
import pytest
from back_ends import ASYNCIO

from turnkeeper_trio.abc import StoreNode
from turnkeeper_trio.errors import StoreError
from turnkeeper_trio.stores.sqlite import SQLiteStore, _session
from turnkeeper_trio.testing._store_samples import StoreDriver

pytestmark = [pytest.mark.anyio, pytest.mark.real_time, ASYNCIO]


async def open_and_close(store: SQLiteStore) -> None:
    await StoreDriver(store).open()
    await store.close(clean=True)


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


def files(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


def store_at(path: Path) -> SQLiteStore:
    return SQLiteStore(path, offload="thread", durability="normal", busy_timeout=60)


@pytest.mark.parametrize("same", [True, False])
async def test_cancelled_while_a_thread_opens_it(path: Path, monkeypatch: pytest.MonkeyPatch, same: bool) -> None:
    begun, go_on = threading.Event(), threading.Event()
    open_file = _session._file.open_file

    def slow(*args: Any, **options: Any) -> Any:
        opened = open_file(*args, **options)
        begun.set()
        go_on.wait()
        return opened

    store = store_at(path)
    with monkeypatch.context() as patch:
        patch.setattr(_session._file, "open_file", slow)
        opening = asyncio.create_task(StoreDriver(store).open())
        await anyio.to_thread.run_sync(begun.wait)
        await cancelled(opening)
    go_on.set()
    await open_and_close(store if same else store_at(path))


async def test_an_opening_that_was_abandoned_before_does_not_begin(path: Path) -> None:
    node = StoreNode(node_id=UUID(int=1), host="test", pid=1, version="0", at=0, inline=False)
    opening = _session.Opening(store_at(path)._session, node)
    opening.abandon()
    with pytest.raises(StoreError):
        opening.open()
    assert files(path.parent) == []


async def test_cancelled_when_it_is_open_and_nobody_knows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_at(path)
    begun, go_on, opened = threading.Event(), threading.Event(), threading.Event()
    open_here = _session.Opening.open

    def told(self: _session.Opening) -> Any:
        begun.set()
        go_on.wait()
        result = open_here(self)
        opened.set()
        return result

    with monkeypatch.context() as patch:
        patch.setattr(_session.Opening, "open", told)
        opening = asyncio.create_task(StoreDriver(store).open())
        await anyio.to_thread.run_sync(begun.wait)
        go_on.set()
        opened.wait()  # The loop has no turn in which it would take what the thread returns.
        await cancelled(opening)
    await open_and_close(store)


async def test_cancelled_before_a_thread_closes_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_at(path)
    await StoreDriver(store).open()

    async def never(*_: Any, **__: Any) -> Any:
        await asyncio.sleep(1000)

    with monkeypatch.context() as patch:
        patch.setattr(anyio.to_thread, "run_sync", never)
        closing = asyncio.create_task(store.close(clean=True))
        await asyncio.sleep(0)
        await cancelled(closing)
    await open_and_close(store)
