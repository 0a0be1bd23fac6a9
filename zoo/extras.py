"""Says which extra of the installation brings a package that is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from zoo.errors import MissingExtraError

_OWN = ("zoo", "converters")


@contextmanager
def extra(name: str, what: str, otherwise: str = "") -> Iterator[None]:
    """Import inside: what is missing becomes an error with the way to it.

    Args:
        name: of the extra.
        what: needs the packages; begins the message.
        otherwise: what works without them; ends it, behind "or".

    Raises:
        MissingExtraError: a package is missing, and it is none of ours.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in _OWN:
            raise
        way_out = f", or {otherwise}" if otherwise else ""
        raise MissingExtraError(
            f'{what} needs {error.name}: pip install "speechzoo[{name}]"{way_out}'
        ) from error
