"""`FaultPlan`: makes the n-th call of a job, an observer or a store fail."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self, final

from turnkeeper_trio import _validation
from turnkeeper_trio._model.stored import Batch, Refusal
from turnkeeper_trio._runtime.functions import Function
from turnkeeper_trio.abc import Store, TransactionalStore
from turnkeeper_trio.errors import ConfigurationError, StoreUnavailable

__all__ = ["FaultPlan", "InjectedFault"]

When = Literal["before", "after"]

_MESSAGE: Final = "injected by a fault plan"


@final
class InjectedFault(Exception):
    """A fault that a `FaultPlan` injected."""


@final
@dataclass(frozen=True, slots=True)
class _Fault:
    """A planned fault of one call; ``of`` is the observer, or its class, if it matters which."""

    call: int
    error: BaseException | type[BaseException]
    when: When
    of: object = None

    def strike(self) -> None:
        raise self.error


@final
class FaultPlan:
    """The plan of the calls that are to fail, in each scheduler that a test opens in virtual time.

    With ``FaultPlan().job("fetch", 2).job("fetch", 3, OSError("no route"))``, the second and the third attempt of the
    job ``fetch`` fail. Calls are counted from 1, and from the moment at which the first fault is planned for them.
    """

    def __init__(self) -> None:
        self._faults: dict[str, list[_Fault]] = {}
        self._calls: Counter[tuple[str, int]] = Counter()
        self._reached: set[tuple[str, int]] = set()

    def job(
        self,
        name: str,
        call: int = 1,
        error: BaseException | type[BaseException] | None = None,
        *,
        when: When = "before",
    ) -> Self:
        """Make an attempt of a job fail.

        Args:
            name: The name of the job.
            call: Which attempt, counted over all runs.
            error: What the attempt raises; if it is not given, an `InjectedFault`.
            when: With ``"before"``, the attempt fails instead of the call of its function; with ``"after"``, when the
                function has returned.

        Raises:
            ConfigurationError: A value makes no sense.
        """
        if when not in {"before", "after"}:
            raise ConfigurationError(f"when must be 'before' or 'after', not {when!r}", parameter="when")
        planned = InjectedFault(_MESSAGE) if error is None else error
        return self._plan(f"job {_validation.text('name', name)!r}", _Fault(_call(call), planned, when))

    def observer(
        self,
        method: str,
        call: int = 1,
        error: Exception | type[Exception] | None = None,
        *,
        of: object = None,
    ) -> Self:
        """Make a call of an observer's method fail.

        Args:
            method: The name of the method, such as ``"on_run_finished"``.
            call: Which call, counted for each observer.
            error: What the call raises; if it is not given, an `InjectedFault`.
            of: The observer, or its class; if it is not given, any observer.

        Raises:
            ConfigurationError: ``call`` is no integer of at least 1.
        """
        planned = InjectedFault(_MESSAGE) if error is None else error
        return self._plan(f"observer {method}", _Fault(_call(call), planned, "before", of))

    def store(self, call: int = 1, error: Exception | type[Exception] | None = None) -> Self:
        """Make a call of a store's ``apply`` fail.

        Args:
            call: Which call.
            error: What the call raises; if it is not given, a `StoreUnavailable`.

        Raises:
            ConfigurationError: ``call`` is no integer of at least 1.
        """
        planned = StoreUnavailable(_MESSAGE) if error is None else error
        return self._plan("store", _Fault(_call(call), planned, "before"))

    def assert_reached(self) -> None:
        """Assert that each planned fault has struck. A test whose fault never strikes does not test what it says.

        Raises:
            AssertionError: Some have not; the message names them.
        """
        if self.unreached:
            raise AssertionError(f"planned faults that never struck: {'; '.join(self.unreached)}")

    @property
    def unreached(self) -> list[str]:
        """The faults that have not struck, in words."""
        return [
            f"{what}, call {fault.call}"
            for what, faults in self._faults.items()
            for fault in faults
            if (what, fault.call) not in self._reached
        ]

    def _plan(self, what: str, fault: _Fault) -> Self:
        self._faults.setdefault(what, []).append(fault)
        return self

    def _due(self, what: str, callee: object = None) -> _Fault | None:
        """Count a call, and return the fault that is planned for it."""
        faults = self._faults.get(what)
        if faults is None:
            return None
        key = (what, id(callee))
        self._calls[key] += 1
        for fault in faults:
            if fault.call == self._calls[key] and _is_meant(callee, fault.of):
                self._reached.add((what, fault.call))
                return fault
        return None

    def on_job(self, name: str, function: Function) -> Function:
        """Return the function for the next attempt of a job, with the fault that is planned for it."""
        fault = self._due(f"job {name!r}") if self._faults else None
        if fault is None:
            return function
        call = function.call
        if function.is_async:

            async def faulty_async(*args: Any, **kwargs: Any) -> None:
                if fault.when == "after":
                    await call(*args, **kwargs)
                fault.strike()

            return Function(faulty_async)

        def faulty(*args: Any, **kwargs: Any) -> None:
            if fault.when == "after":
                call(*args, **kwargs)
            fault.strike()

        return Function(faulty)

    def on_observers(self, observers: tuple[object, ...]) -> tuple[object, ...]:
        """Return the observers with their planned faults."""
        return tuple(_Observer(observer, self) for observer in observers)

    def on_store(self, store: Store | None) -> Store | None:
        """Return the store with its planned faults."""
        if isinstance(store, TransactionalStore):
            return _TransactionalStore(store, self)
        return None if store is None else _Store(store, self)

    def strike(self, what: str, callee: object = None) -> None:
        """Count a call of an observer or a store, and raise if a fault is planned for it."""
        fault = self._due(what, callee) if self._faults else None
        if fault is not None:
            fault.strike()


class _Observer:
    """An observer whose calls are counted."""

    def __init__(self, observer: object, plan: FaultPlan) -> None:
        self._observer = observer
        self._plan = plan

    def __repr__(self) -> str:
        return repr(self._observer)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._observer, name)
        if not name.startswith("on_") or not callable(method):
            return method
        observe: Callable[[Any], object] = method

        def counted(event: object) -> None:
            self._plan.strike(f"observer {name}", self._observer)
            observe(event)

        return counted


class _Store:
    """A store whose batches are counted."""

    def __init__(self, store: Store, plan: FaultPlan) -> None:
        self._store = store
        self._plan = plan
        # All but `apply` is the store's own. Python looks for the methods of a protocol in the object, from 3.12 on.
        self.open, self.claim, self.close, self.count = store.open, store.claim, store.close, store.count
        self.read_jobs, self.read_runs, self.read_upcoming = store.read_jobs, store.read_runs, store.read_upcoming

    @property
    def horizon(self) -> float:
        """That of the store."""
        return self._store.horizon

    async def apply(self, batch: Batch, /) -> Sequence[Refusal]:
        """Commit the changes, unless a fault is planned for this call."""
        self._plan.strike("store")
        return await self._store.apply(batch)


class _TransactionalStore(_Store):
    """The same for a store that commits work of a user's."""

    def __init__(self, store: TransactionalStore, plan: FaultPlan) -> None:
        super().__init__(store, plan)
        self.complete = store.complete


def _call(call: int) -> int:
    """Return the number of a call if it is an integer of at least 1."""
    return _validation.integer("call", call, least=1)


def _is_meant(callee: object, of: object) -> bool:
    """Return whether a fault that is planned ``of`` an observer, a class or anything is meant for this callee."""
    return of is None or callee is of or (isinstance(of, type) and isinstance(callee, of))
