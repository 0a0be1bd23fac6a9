"""Single keys from a terminal, while a command runs."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def single_keys() -> Iterator[Keys]:
    """Keys as they are pressed, without Enter; none where standard input is no terminal."""
    if not (sys.stdin and sys.stdin.isatty()):
        yield Keys(None)
        return
    if sys.platform == "win32":
        yield Keys(-1)
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield Keys(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


class Keys:
    """What was pressed.

    Args:
        descriptor: of the terminal; -1 for the console of Windows, None for none.

    Attributes:
        there: whether there are keys.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self.there = descriptor is not None

    def pressed(self) -> str:
        """The next key, or an empty text if none was pressed."""
        if self._descriptor is None:
            return ""
        if sys.platform == "win32":
            import msvcrt

            return msvcrt.getwch() if msvcrt.kbhit() else ""
        ready, _, _ = select.select([self._descriptor], [], [], 0)
        return os.read(self._descriptor, 1).decode("ascii", "ignore") if ready else ""
