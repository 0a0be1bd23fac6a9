"""How what is opened goes to other processes: as what is needed to open it again there."""

from __future__ import annotations

import os
from typing import Any, NoReturn

import numpy as np

from zoo.registry import list_models


class Reopenable:
    """An object that is pickled by its arguments, and whose copies share its session, which keeps no state.

    Constructors call ``_remember`` with what they were given.
    """

    _given: tuple[Any, dict[str, Any]]

    def _remember(self, source: Any, **options: Any) -> None:
        """Keep the constructor's arguments; paths in full, since another process may be in another folder."""
        self._given = _portable(source), {name: _portable(value) for name, value in options.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        source, options = self._given
        if not isinstance(source, (str, list)):
            raise TypeError(
                f"this {type(self).__name__} was made from a network or session, which stays in its process; "
                f"make it from a model's name or an artifact's path, or open it where it is used"
            )
        return _reopen, (type(self), source, options)

    def __copy__(self) -> Any:
        clone = object.__new__(type(self))
        clone.__dict__.update(self.__dict__)
        return clone

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self.__copy__()


class Bound:
    """An object with a state that belongs to its process: neither pickled nor copied, and it says so."""

    advice: str

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be pickled or copied: {self.advice}")


def _reopen(kind: type[Any], source: Any, options: dict[str, Any]) -> Any:
    return kind(source, **options)


def _portable(value: Any) -> Any:
    """A path that is there, in full; several of them likewise; all else as it is."""
    if isinstance(value, (str, os.PathLike)):
        name = os.fspath(value)
        return os.path.abspath(name) if name not in list_models() and os.path.exists(name) else name
    if isinstance(value, (list, tuple)):
        return [_portable(item) for item in value]
    return np.array(value) if isinstance(value, np.ndarray) else value
