"""Tells the figures that an evaluation gives, on standard output and in a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zoo.errors import SpeechZooError
from zoo.files import atomic


def tell(evaluate: Callable[[], Mapping[str, Any]], path: Path | None) -> int:
    """Print figures as JSON, and write them to a file if there is one to write; the exit status."""
    try:
        text = json.dumps(evaluate(), indent=2)
        print(text)
        if path:
            with atomic(path) as temporary:
                temporary.write_text(text + "\n")
    except (SpeechZooError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
