"""Who speaks in a mixture: speakers instead of recordings, so that none is heard much more than others."""

from __future__ import annotations

import numpy as np

from scripts.training.recordings import Recordings


class Talkers:
    """Draws speakers, and their recordings.

    Args:
        speech: recordings; each is its own speaker's if nobody says who speaks.
        most: samples. A speaker is as likely as he has samples, but no likelier than with so many.
    """

    def __init__(self, speech: Recordings, most: int) -> None:
        speakers = np.arange(len(speech)) if speech.speakers is None else speech.speakers
        _, own = np.unique(speakers, return_inverse=True)
        self._order = np.argsort(own, kind="stable")
        self._counts = np.bincount(own)
        self._firsts = np.cumsum(self._counts) - self._counts
        share = np.minimum(np.bincount(own, speech.lengths), most)
        self._cumulative = np.cumsum(share / share.sum())

    def __len__(self) -> int:
        """The number of speakers."""
        return len(self._counts)

    def speaker(self, rng: np.random.Generator) -> int:
        """One of the speakers."""
        return min(int(np.searchsorted(self._cumulative, rng.random(), side="right")), len(self) - 1)

    def recording(self, speaker: int, rng: np.random.Generator) -> int:
        """One of a speaker's recordings, all being equally likely."""
        return int(self._order[self._firsts[speaker] + rng.integers(self._counts[speaker])])

    def next_speaker(self, speaker: int, rng: np.random.Generator) -> int:
        """Who speaks next: the same, unless there is only one recording of him."""
        return speaker if self._counts[speaker] > 1 else self.speaker(rng)
