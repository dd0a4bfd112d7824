"""The path that a public object shows: the module to import it from, not the private one that defines it.

Messages, documentation and pickle read it. Each module sets it for what it defines, so that it does not depend on which
module of the package is imported first, or on whether a name was ever read from the package.
"""

from types import FunctionType
from typing import Any, Final

_PACKAGE: Final = __name__.partition(".")[0]


def set_public_path(*values: Any, path: str = _PACKAGE) -> None:
    """Set ``__module__`` of classes, with their methods, of functions and of new types."""
    for value in values:
        value.__module__ = path
        for member in vars(value).values() if isinstance(value, type) else ():
            function = member.fget if isinstance(member, property) else member
            while isinstance(function, FunctionType):
                function.__module__ = path
                function = getattr(function, "__wrapped__", None)
