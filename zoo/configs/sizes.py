"""Checks of single settings, for the readers of configuration files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from zoo.errors import CheckpointError

Settings = Mapping[str, Any]

LARGEST = 1 << 16  # of a size


def refuse_unknown(given: Settings, known: Iterable[str], where: str, of: str) -> None:
    """Refuse settings that nobody knows, so that nothing is ignored in silence.

    Raises:
        CheckpointError: names them.
    """
    unknown = sorted(map(str, given.keys() - set(known)))
    if unknown:
        raise CheckpointError(f"{where} sets {', '.join(unknown[:10])}{of}; known are {', '.join(known)}")


def option_like(example: Any, name: str, value: Any, where: str) -> Any:
    """A value of the kind that an option has: a switch, or a size.

    Raises:
        CheckpointError: it is of another.
    """
    if not isinstance(example, bool):
        return whole(value, name, f"{where}: its config")
    if not isinstance(value, bool):
        raise CheckpointError(f"{where}: its config sets {name} to {value!r}; expected true or false")
    return value


def whole(value: Any, name: str, where: str) -> int:
    """A setting that must be a size.

    Raises:
        CheckpointError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST:
        raise CheckpointError(
            f"{where} sets {name} to {str(value)[:40]!r}; expected a whole number from 1 to {LARGEST}"
        )
    return value
