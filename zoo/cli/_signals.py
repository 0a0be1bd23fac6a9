"""What a command does when it is asked to end: by Ctrl-C, or by SIGTERM as a service or a time limit does."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

Item = TypeVar("Item")


class Terminated(KeyboardInterrupt):
    """SIGTERM came: all goes as after Ctrl-C, but for the exit status."""


@contextmanager
def raise_when_terminated() -> Iterator[None]:
    """Make ``Terminated`` of SIGTERM, so that what is half written is taken away.

    Nothing changes outside the main thread, where Python takes no signals, or where the process has a handler
    of its own. Processes that are forked meanwhile end at once, as ever.
    """
    process = os.getpid()

    def handle(number: int, frame: FrameType | None) -> None:
        if os.getpid() == process:
            raise Terminated
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    )
    if ours:
        signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


class Gently:
    """Ends a loop over what comes live between two items, when the user asks to end; a context manager.

    Attributes:
        asked: the signal that came, or 0.
    """

    def __init__(self) -> None:
        self.asked = 0
        self._waiting = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Gently:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def until_asked(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items that come before the user asks; the wait for the next ends at once.

        Raises:
            KeyboardInterrupt: of another handler than ours.
        """
        iterator = iter(items)
        while not self.asked:
            self._waiting = True
            try:
                item = next(iterator)
            except StopIteration:
                return
            except KeyboardInterrupt:  # ours, or a stranger's handler's
                break
            finally:
                self._waiting = False
            yield item
        if not self.asked:
            raise KeyboardInterrupt

    def _ask(self, number: int, frame: FrameType | None) -> None:
        again, self.asked = bool(self.asked), number
        if again or self._waiting:  # once more: at once, wherever it is
            raise KeyboardInterrupt
