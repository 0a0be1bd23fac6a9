"""Files that are either whole or not there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: Path, write: Callable[[str], object]) -> None:
    """Have a file written under a temporary name beside its own, then moved there."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        write(os.fspath(part))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
