"""The base of every error of the library; it stands below the records because one of them raises."""


class TurnKeeperError(Exception):
    """The base of every error of this library."""
