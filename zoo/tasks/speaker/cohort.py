"""The embeddings that scores are normalised by, of which there may be a million."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.errors import ArtifactError
from zoo.tasks.speaker.embeddings import Origin, read_embeddings
from zoo.tasks.speaker.scoring import normalised
from zoo.tasks.speaker.trial_lists import read_speakers

_ROWS = 16384  # that are in 64 bits at once


@dataclass(frozen=True)
class Cohort:
    """A cohort.

    Attributes:
        names: of recordings, or of speakers.
        rows: (M, E) float32, one a recording or speaker.
        mean: (E,) over all recordings.
        origin: what they are, if it is known.
    """

    names: list[str]
    rows: Array
    mean: NDArray[np.float64]
    origin: Origin | None

    def units(self, mean: NDArray[np.float64] | None) -> Array:
        """Give the rows less a mean and of unit length, in their place: (M, E) float32.

        Raises:
            ValueError: one has no length; names it.
        """
        for start in range(0, len(self.rows), _ROWS):
            part = slice(start, start + _ROWS)
            self.rows[part] = normalised(self.rows[part], mean, self.names[part])
        return self.rows


def read_cohort(path: Path, speakers: Path | None = None) -> Cohort:
    """Read a cohort.

    Args:
        path: of embeddings.
        speakers: "recording speaker" a line; a row is then the mean of a speaker's embeddings.

    Raises:
        ArtifactError: a file that cannot be read, or a recording without a speaker.
    """
    found, origin = read_embeddings(path)
    names = list(found)
    rows = np.empty((len(found), len(found[names[0]])), np.float32)
    for place, name in enumerate(names):
        rows[place] = found.pop(name)  # which frees it
    mean = rows.mean(0, dtype=np.float64)
    if speakers is not None:
        names, rows = _averaged(names, rows, read_speakers(speakers), speakers, path)
    return Cohort(names, rows, mean, origin)


def _averaged(
    names: list[str], rows: Array, speakers: Mapping[str, str], where: Path, path: Path
) -> tuple[list[str], Array]:
    """Names of speakers, and the mean of each one's rows."""
    missing = [name for name in names if name not in speakers]
    if missing:
        raise ArtifactError(
            f"{where}: it has no speaker of {len(missing)} recordings of {path}, as {missing[0]}; list all"
        )
    places = {speaker: place for place, speaker in enumerate(dict.fromkeys(speakers[n] for n in names))}
    of = np.array([places[speakers[name]] for name in names])
    sums = np.zeros((len(places), rows.shape[1]))
    for start in range(0, len(rows), _ROWS):
        np.add.at(sums, of[start : start + _ROWS], rows[start : start + _ROWS])
    return list(places), (sums / np.bincount(of)[:, None]).astype(np.float32)
