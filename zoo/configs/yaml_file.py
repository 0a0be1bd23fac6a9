"""Reads a configuration file as data of a reasonable size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoo.errors import CheckpointError, printable
from zoo.extras import extra

LONGEST = 1 << 18  # bytes; configurations of training folders have some thousand
_MOST_VALUES = 100_000


def read_yaml(file: Path) -> dict[str, Any]:
    """The settings of a YAML or JSON file.

    Args:
        file: UTF-8, or UTF-16 with a byte order mark.

    Raises:
        CheckpointError: not YAML, of another encoding, too long, nested too deeply, with aliases that repeat
            each other without end, with control characters, which an error would bring to a terminal, or no
            mapping.
        MissingExtraError: pyyaml is not installed.
    """
    with extra("torch", str(file), package="pyyaml"):
        import yaml
    try:
        size = file.stat().st_size
        if size > LONGEST:
            raise CheckpointError(f"{file}: it has {size:,} bytes; a configuration has at most {LONGEST:,}")
        config = yaml.safe_load(file.read_bytes())  # JSON is YAML as well
        if _values(config, {}) > _MOST_VALUES:
            raise CheckpointError(f"{file}: its aliases make more than {_MOST_VALUES:,} values of it")
    except (yaml.YAMLError, OSError, ValueError) as error:
        reason = printable(" ".join(str(error).split()))
        raise CheckpointError(f"{file}: not a YAML file in UTF-8 ({reason})") from error
    except RecursionError as error:
        raise CheckpointError(f"{file}: it is nested too deeply; is it a configuration?") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{file}: expected a mapping of settings, got {type(config).__name__}")
    return config


def _values(value: Any, known: dict[int, int]) -> int:
    """How many values there are, with every alias as what it stands for.

    Raises:
        RecursionError: one stands for what it is in.
        ValueError: a text holds control characters.
    """
    if isinstance(value, str) and not all(c.isprintable() or c.isspace() for c in value):
        raise ValueError(f"a setting holds control characters: {value[:80]!r}")
    if not isinstance(value, (dict, list, tuple, set)):
        return 1
    if id(value) not in known:
        inside = [*value, *value.values()] if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_values(item, known) for item in inside)
    return known[id(value)]
