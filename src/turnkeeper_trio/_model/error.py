"""The base of every error of the library. It is in `_model` because `RunRecord.unwrap` raises an error."""


class TurnKeeperError(Exception):
    """The base of every error of this library."""
