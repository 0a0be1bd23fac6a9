"""What a training folder is made of: which file configures it, and which is its checkpoint."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from zoo.errors import CheckpointError

_NUMBERED = r"(?:checkpoint_)?(\d+)\.pth?"  # a training run's checkpoints
_CONFIGS = ("config.yaml", "config.yml", "config.json")
# of wespeaker's releases and training folders, and of its repositories on the Hub
_AVERAGED = ("avg_model.pt", "models/avg_model.pt", "avg_model")
_ENDINGS = (".pth", ".pt", ".tar", ".safetensors")


def files_of(path: Path) -> list[Path]:
    """The files that decide a model: the checkpoint, and a training folder's configuration."""
    if not path.is_dir():
        return [path]
    config = config_file(path)
    return [newest_checkpoint(path), *([config] if config else [])]


def config_file(folder: Path) -> Path | None:
    """The configuration file of a training folder, or None if it has none."""
    found = config_among(_files(folder))
    return None if found is None else folder / found


def newest_checkpoint(folder: Path) -> Path:
    """The checkpoint of a training folder, as ``checkpoint_among`` has it.

    Raises:
        CheckpointError: no checkpoint, or several without numbers.
    """
    return folder / checkpoint_among(_files(folder), str(folder))


def config_among(files: Collection[str]) -> str | None:
    """The configuration file among the files of a training folder; None if there is none."""
    return next((name for name in _CONFIGS if name in files), None)


def checkpoint_among(files: Collection[str], where: str) -> str:
    """The checkpoint with the highest number among ``NNNNN.pth`` or ``checkpoint_NNNNNN.pt``, else
    ``avg_model.pt`` or ``avg_model``, else the only one.

    Args:
        files: of a training folder, those in folders inside it with slashes.
        where: the folder, for messages.

    Raises:
        CheckpointError: no checkpoint, or several without numbers.
    """
    numbered = [(int(match[1]), name) for name in files if (match := re.fullmatch(_NUMBERED, name))]
    if numbered:
        return max(numbered)[1]
    for averaged in _AVERAGED:
        if averaged in files:
            return averaged
    found = sorted(name for name in files if "/" not in name and PurePosixPath(name).suffix in _ENDINGS)
    if len(found) == 1:
        return found[0]
    raise CheckpointError(
        f"{where}: expected a training folder with checkpoints named 00001.pth and so on, avg_model.pt, or "
        f"one checkpoint; found {', '.join(found) or 'none'}"
    )


def _files(folder: Path) -> set[str]:
    """What can be of interest in a folder, by names with slashes."""
    inside = [path for path in folder.iterdir() if path.is_file()]
    inside += [folder / name for name in _AVERAGED if "/" in name and (folder / name).is_file()]
    return {path.relative_to(folder).as_posix() for path in inside}
