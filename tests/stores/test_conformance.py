"""Each store of the package does what its protocol says: in memory, in a file, in a thread or inline."""

from pathlib import Path

import pytest

from turnkeeper_trio.abc import Store
from turnkeeper_trio.stores import Keep, MemoryStore
from turnkeeper_trio.stores.sqlite import SQLiteStore
from turnkeeper_trio.testing import StoreConformance

ALL = Keep(per_job=None, age=None, total=None)


@pytest.mark.anyio
class TestMemoryStore(StoreConformance):
    def new_store(self) -> Store:
        return MemoryStore()


@pytest.mark.anyio
@pytest.mark.real_time
class TestSQLiteStore(StoreConformance):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "jobs.db"

    def new_store(self) -> Store:
        return SQLiteStore(self.path, durability="normal", history=ALL, busy_timeout=0)

    def same_store(self, store: Store) -> Store:
        return SQLiteStore(self.path, durability="normal", history=ALL, busy_timeout=0)


@pytest.mark.anyio
class TestSQLiteStoreInline(StoreConformance):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "jobs.db"

    def new_store(self) -> Store:
        return SQLiteStore(self.path, durability="normal", history=ALL, busy_timeout=0, offload="inline")

    def same_store(self, store: Store) -> Store:
        return self.new_store()


def test_a_store_has_to_be_made() -> None:
    with pytest.raises(NotImplementedError):
        StoreConformance().new_store()
