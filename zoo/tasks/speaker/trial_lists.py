"""Lists of speaker verification: trials, and which recordings belong together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ArtifactError

LABELS = {  # in any case
    **dict.fromkeys(("target", "tgt", "1"), True),
    **dict.fromkeys(("nontarget", "imp", "0"), False),
}


@dataclass(frozen=True)
class Trials:
    """A trial list.

    Attributes:
        name: of its file.
        enrol, test: names of the recordings.
        targets: whether they are of one speaker; None if the list does not say.
    """

    name: str
    enrol: list[str]
    test: list[str]
    targets: NDArray[np.bool_] | None

    def only(self, places: NDArray[np.intp]) -> Trials:
        """Give the trials at some places alone."""
        enrol, test = ([names[place] for place in places] for names in (self.enrol, self.test))
        return Trials(self.name, enrol, test, None if self.targets is None else self.targets[places])


def read_trials(path: Path) -> Trials:
    """Read a trial list: "enrol test target", "enrol test nontarget" or "enrol test" a line.

    ``tgt`` and ``imp``, 1 and 0 do as well, in any case; or "1 enrol test", as VoxCeleb has it, if all lines
    are so.

    Raises:
        ArtifactError: it cannot be read, is empty, or a line is not one of a trial.
    """
    rows = _rows(path, "a trial list")
    if all(len(words) == 3 and words[0].lower() in LABELS for _, words in rows) and not all(
        words[2].lower() in LABELS for _, words in rows
    ):
        rows = [(number, [*words[1:], words[0]]) for number, words in rows]
    enrol, test, labels = [], [], []
    for number, words in rows:
        if len(words) not in (2, 3) or (len(words) == 3 and words[2].lower() not in LABELS):
            raise ArtifactError(
                f'{path}, line {number}: expected "enrol test target", "... nontarget" or "enrol test", or '
                f'"1 enrol test" in all lines, got {" ".join(words)[:200]!r}'
            )
        enrol.append(words[0])
        test.append(words[1])
        labels += words[2:]
    if not enrol:
        raise ArtifactError(f"{path}: it holds no trials")
    if labels and len(labels) < len(enrol):
        raise ArtifactError(f"{path}: {len(enrol) - len(labels)} of {len(enrol)} trials have no label")
    targets = np.array([LABELS[label.lower()] for label in labels]) if labels else None
    return Trials(path.name, enrol, test, targets)


def read_groups(path: Path) -> dict[str, list[str]]:
    """Read which recordings belong to a name: "name recording recording ..." a line, Kaldi's spk2utt.

    A name may have several lines.

    Raises:
        ArtifactError: it cannot be read, is empty, or a line has no recording.
    """
    groups: dict[str, list[str]] = {}
    for number, words in _rows(path, "a list of recordings by name"):
        if len(words) < 2:
            raise ArtifactError(f'{path}, line {number}: expected "name recording ...", got {words[0]!r}')
        groups.setdefault(words[0], []).extend(words[1:])
    if not groups:
        raise ArtifactError(f"{path}: it is empty")
    return groups


def read_speakers(path: Path) -> dict[str, str]:
    """Read whose a recording is: "recording speaker" a line, Kaldi's utt2spk.

    Raises:
        ArtifactError: it cannot be read, or a line is something else.
    """
    speakers = {}
    for number, words in _rows(path, "a list of speakers by recording"):
        if len(words) != 2:
            raise ArtifactError(
                f'{path}, line {number}: expected "recording speaker", got {" ".join(words)[:200]!r}'
            )
        speakers[words[0]] = words[1]
    return speakers


def _rows(path: Path, what: str) -> list[tuple[int, list[str]]]:
    """Number and words of each line that has any; a byte order mark is no part of the first."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path}: it cannot be read as {what} ({error})") from error
    return [(number, words) for number, line in enumerate(lines, 1) if (words := line.split())]
