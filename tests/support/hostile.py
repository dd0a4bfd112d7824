"""Objects of a user's whose own methods raise, one kind for each method, as values and as exceptions."""

from typing import Any


class Ordinary(Exception):
    """What a hostile method raises: an error as there are many."""


class Outsider(BaseException):
    """What a hostile method raises: no ``Exception``, as that of ``pytest.fail``."""


FAULTS: tuple[type[BaseException], ...] = (Ordinary, Outsider)
METHODS = ("__str__", "__repr__", "__class__", "__eq__", "__bool__", "__hash__", "__setattr__", "add_note", "__len__")


def namespace(method: str, fault: type[BaseException]) -> dict[str, Any]:
    """Return the body of a class whose ``method`` raises."""

    def raises(*_: object, **__: object) -> Any:
        raise fault(method)

    if method == "__class__":
        return {method: property(raises)}
    if method == "__eq__":  # To define it takes away the hash.
        return {method: raises, "__hash__": object.__hash__}
    return {method: raises}


def hostile(method: str, fault: type[BaseException], base: type = object) -> Any:
    """Return a class of hostile instances."""
    return type(f"Hostile{method.strip('_').title()}", (base,), namespace(method, fault))


def hostile_error(method: str, fault: type[BaseException], base: type[BaseException] = Exception) -> Any:
    """Return a class of hostile exceptions."""
    return hostile(method, fault, base)
