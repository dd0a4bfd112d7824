"""A job scheduler with structured concurrency, for trio and asyncio.

``async with open_scheduler(max_workers=4) as scheduler:`` owns everything: when the block is left, no task of the
scheduler or of a job is alive, and every run is accounted for.

Each public name is loaded when it is first read (PEP 562), with what it needs. So it costs next to nothing to import
the package without using it, as each run of pytest does because of the plugin; and who only uses schedules loads no
event loop.
"""

TYPE_CHECKING = False  # Type checkers know the name. To import it from `typing` takes longer than all else here.

__version__ = "0.1.0"
"""The version of the library."""

if TYPE_CHECKING:
    from turnkeeper_trio._public import *  # noqa: F403  (one list of the names is enough)
    from turnkeeper_trio._public import __all__ as __all__

    __compiled__: bool
    """Whether the scheduler's own code is compiled, as in the wheels of a release, or runs as Python."""
else:  # Type checkers must not see this function, because with it any name would exist for them.

    def __getattr__(name: str) -> object:
        """Load a public name, and return what it stands for."""
        if name == "__compiled__":
            from turnkeeper_trio._model import guard  # noqa: PLC0415  (this is what makes it lazy)

            return not guard.__file__.endswith(".py")
        if name == "__all__" or not name.startswith("_"):
            from importlib import import_module  # noqa: PLC0415  (this is what makes it lazy)

            from turnkeeper_trio import _public  # noqa: PLC0415  (this is what makes it lazy)

            if name == "__all__":
                return _public.__all__
            if name in _public.SUBMODULES:
                return import_module(f"{__name__}.{name}")
            if name in _public.HOMES:
                value = globals()[name] = getattr(import_module(f"{__name__}.{_public.HOMES[name]}"), name)
                return value
            # The classes of events belong to the module `events`, but they are found here too.
            events = import_module(f"{__name__}.events")
            if name in events.__all__:
                return getattr(events, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the names of the module and the public names, which may not be loaded yet."""
    from turnkeeper_trio import _public  # noqa: PLC0415  (this is what makes it lazy)

    return sorted({*globals(), "__compiled__", *_public.__all__})
