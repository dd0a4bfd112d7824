"""What every store has to do, as tests that somebody runs who writes a store."""

from turnkeeper_trio.testing._store_changes import StoreChanges
from turnkeeper_trio.testing._store_questions import StoreQuestions


class StoreConformance(StoreChanges, StoreQuestions):
    """The tests of the sentences of `Store`: inherit from it in a class of tests, and say how a store is made.

    ::

        @pytest.mark.anyio
        class TestMyStore(StoreConformance):
            @pytest.fixture(autouse=True)
            def place(self, tmp_path):
                self.path = tmp_path / "jobs"

            def new_store(self):
                return MyStore(self.path)

            def same_store(self, store):
                return MyStore(self.path)

    Each test is an async method without arguments. A store that is made in a test is also closed in it.
    """
