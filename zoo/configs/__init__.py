"""Configuration files of public training folders: one module a public repository, for all its families."""

from zoo.errors import CheckpointError


class OtherClassError(CheckpointError):
    """A configuration names a class that the family does not have; another family may have it."""
