"""Subtitles of what is spoken, in the format SubRip (``.srt``): a sentence each, as it is written."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import TextError
from zoo.files import atomic

_WIDTH = 42  # characters of a line that one reads at a glance


@dataclass(frozen=True)
class Cue:
    """A text and when it is heard, in seconds."""

    begin: float
    end: float
    text: str


def check_subtitles(path: str | os.PathLike[str], force: bool = False) -> None:
    """Find out before anything is spoken whether ``write_subtitles`` will be able to write.

    Raises:
        TextError: the file exists and ``force`` is not set, or its folder does not exist.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise TextError(f"{path}: there is no folder {target.parent} for subtitles; make it first")
    if target.exists() and not force:
        raise TextError(f"{path} exists; pass another name, or --force to replace it")


def write_subtitles(path: str | os.PathLike[str], cues: Sequence[Cue]) -> None:
    """Write cues in their order; the file is there whole, or not at all.

    Raises:
        TextError: nothing can be written there.
    """
    text = "\n".join(
        f"{number}\n{_time(cue.begin)} --> {_time(cue.end)}\n{_lines(cue.text)}\n"
        for number, cue in enumerate(cues, 1)
    )
    with atomic(
        Path(path), lambda error: TextError(f"{path}: no subtitles can be written ({error})")
    ) as part:
        part.write_text(text, "utf-8")


def _time(seconds: float) -> str:
    """``3.5`` -> 00:00:03,500"""
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d},{thousandths:03d}"


def _lines(text: str) -> str:
    """A text in lines, none of them empty, since an empty one ends a cue."""
    return "\n".join(textwrap.wrap(re.sub(r"\s+", " ", text), _WIDTH))
