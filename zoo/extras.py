"""Says which extra of the installation brings a package that is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from zoo.errors import MissingExtraError

_OWN = ("zoo", "converters")


@contextmanager
def extra(
    name: str, what: str, otherwise: str = "", *, package: str = "", verb: str = "needs"
) -> Iterator[None]:
    """Import inside: what is missing becomes an error with the way to it.

    Args:
        name: of the extra.
        what: needs the packages; begins the message.
        otherwise: what works without them; ends it, behind "or".
        package: what is missing, where users know it by another name than its module's.
        verb: between the two; "need" for several things.

    Raises:
        MissingExtraError: a package is missing or broken, and it is none of ours.
    """
    try:
        yield
    except ImportError as error:
        if isinstance(error, MissingExtraError) or (error.name or "").partition(".")[0] in _OWN:
            raise
        broken = "" if isinstance(error, ModuleNotFoundError) else f" ({str(error).splitlines()[0]})"
        raise missing(name, f"{what} {verb} {package or error.name}{broken}", otherwise) from error


def missing(name: str, need: str, otherwise: str = "") -> MissingExtraError:
    """The error where an extra lacks.

    Args:
        name: of the extra.
        need: what needs what, "pictures need matplotlib".
        otherwise: what works without it.
    """
    way_out = f", or {otherwise}" if otherwise else ""
    return MissingExtraError(f'{need}: pip install "speechzoo[{name}]"{way_out}')
