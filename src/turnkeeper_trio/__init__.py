"""A job scheduler with structured concurrency, for trio and asyncio.

``async with open_scheduler(max_workers=4) as scheduler:`` owns everything: when the block is left, no task of the
scheduler or of a job is alive, and every run is accounted for.

All public names are loaded when the first of them is read (PEP 562). So it costs next to nothing to import the package
without using it, as each run of pytest does because of the plugin.
"""

from typing import TYPE_CHECKING, Final

__version__: Final = "0.1.0"
"""The version of the library."""

if TYPE_CHECKING:
    from turnkeeper_trio._public import *  # noqa: F403  (one list of the names is enough)
    from turnkeeper_trio._public import __all__ as __all__

    __compiled__: bool
    """Whether the scheduler's own code is compiled, as in the wheels of a release, or runs as Python."""
else:  # Type checkers must not see this function, because with it any name would exist for them.

    def __getattr__(name: str) -> object:
        """Load all public names, and return the one that was asked for."""
        if name == "__compiled__":
            from turnkeeper_trio._model import guard  # noqa: PLC0415  (this is what makes it lazy)

            return not guard.__file__.endswith(".py")
        if name == "__all__" or not name.startswith("_"):
            from turnkeeper_trio import _public  # noqa: PLC0415  (this is what makes it lazy)

            shown = globals()
            shown["__all__"] = _public.__all__
            shown.update((public, getattr(_public, public)) for public in _public.__all__)
            if name in shown:
                return shown[name]
            # The classes of events belong to the module `events`, but they are found here too.
            from turnkeeper_trio import events  # noqa: PLC0415  (this is what makes it lazy)

            if name in events.__all__:
                return getattr(events, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the names of the module and the public names, which may not be loaded yet."""
    from turnkeeper_trio import _public  # noqa: PLC0415  (this is what makes it lazy)

    return sorted({*globals(), "__compiled__", *_public.__all__})
