"""Whether locks of files keep anybody out, which on some network file systems they do not."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path


@cache
def locks_hold(folder: Path) -> bool:
    """Whether a locked file of this folder cannot be locked again; True where that cannot be tried."""
    try:
        import fcntl

        with tempfile.NamedTemporaryFile(dir=folder, prefix=".locked") as first, open(first.name) as second:
            fcntl.flock(first.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                fcntl.flock(second.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False
    except (ImportError, OSError):
        return True
