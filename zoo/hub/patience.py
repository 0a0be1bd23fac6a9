"""How long a server may take: for an answer as a whole, not only from one byte to the next."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

SLOWEST = 1000  # bytes a second, on average


class TooSlowError(Exception):
    """A server that sends something again and again, but not what was asked for in any useful time."""


class Pace:
    """Watches over what comes.

    Args:
        patience: seconds before anything is expected.
    """

    def __init__(self, patience: float) -> None:
        self._patience, self._began, self._count = patience, time.monotonic(), 0

    def take(self, count: int) -> None:
        """Note that so many bytes came.

        Raises:
            TooSlowError: patience is over, and on average fewer than ``SLOWEST`` bytes come in a second.
        """
        self._count += count
        seconds = time.monotonic() - self._began
        if seconds > self._patience and self._count < SLOWEST * seconds:
            raise TooSlowError(f"it sent {self._count:,} bytes in {seconds:.0f} seconds")


def in_time(action: Callable[[], Result], patience: float) -> Result:
    """The result of an action; what is not done in time goes on by itself, and nobody waits for it.

    Raises:
        TooSlowError: there is none within so many seconds.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(action())
        except BaseException as error:  # raised again, where the result is awaited
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(patience)
    if errors:
        raise errors[0]
    if not results:
        raise TooSlowError(f"there is no whole answer after {patience:g} seconds")
    return results[0]
