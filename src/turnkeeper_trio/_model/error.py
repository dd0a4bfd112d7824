"""The base of every error of the library. It is in `_model` because `RunRecord.unwrap` raises an error."""

from turnkeeper_trio._model.public_path import set_public_path


class TurnKeeperError(Exception):
    """The base of every error of this library."""


set_public_path(TurnKeeperError)
