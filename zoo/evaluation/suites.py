"""Named sets of recordings to judge weights on, made from what a corpus keeps apart.

The voices and noises, ``speech/judging`` and ``noise/judging`` of the corpus, are in no training. Every set
is made from a seed of its own, so it is always the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.arrays import Array
from zoo.errors import AudioError
from zoo.evaluation.pairs import Pair
from zoo.signal.audio import find_audio
from zoo.signal.bands import band_gain
from zoo.signal.music import music as melody
from zoo.signal.recordings import read
from zoo.signal.whisper import whispered

SPEECH_FILES = {"librispeech_other": 20, "kerstin": 8, "flemishguy": 8}
TRAINED_FILES = {"librispeech": 20, "kathleen": 8, "nathalie": 8}
MOST_SECONDS = 10.0  # of a recording
MIXED = ("si_sdr", "pesq", "stoi")
TELEPHONE_HERTZ = (300.0, 3400.0)
TALKERS = 5  # of a babble
EARLY_SECONDS = 0.05  # of a room's response, in the target


@dataclass(frozen=True)
class Suite:
    """Recordings that one row of figures is about.

    Attributes:
        name: of the row.
        title: what is heard.
        pairs: input and target; for ``reduction`` a target of zeros.
        metrics: of ``zoo.evaluation.metrics``, or ``reduction`` alone; files are compared by the first.
        changed: whether the input differs from its target, so that an output can be better than it.
    """

    name: str
    title: str
    pairs: list[Pair]
    metrics: tuple[str, ...] = MIXED
    changed: bool = True


@dataclass(frozen=True)
class Kept:
    """What is kept apart, at one rate: recordings of (N,) with their names.

    Attributes:
        sample_rate: in Hz.
        speech: by source.
        noise: scenes.
        trained: speech that training has, where the corpus has it.
    """

    sample_rate: int
    speech: dict[str, list[tuple[str, Array]]]
    noise: list[tuple[str, Array]]
    trained: list[tuple[str, Array]]

    @property
    def voices(self) -> list[tuple[str, Array]]:
        """All speech, whatever its source."""
        return [recording for recordings in self.speech.values() for recording in recordings]


def kept_apart(corpus: Path, sample_rate: int) -> Kept:
    """Choose recordings of a corpus: as many of each source as SPEECH_FILES says, of all its speakers.

    Raises:
        AudioError: they are not in it, or one begins with silence only.
    """
    speech = {
        source: _chosen(corpus / "speech" / "judging" / source, count, sample_rate)
        for source, count in SPEECH_FILES.items()
    }
    folders = {corpus / "speech" / "train" / source: count for source, count in TRAINED_FILES.items()}
    trained = []
    if all(folder.is_dir() for folder in folders):
        trained = [one for folder, count in folders.items() for one in _chosen(folder, count, sample_rate)]
    scenes = find_audio(corpus / "noise" / "judging", recursive=True)
    if not scenes:
        raise AudioError(f"{corpus / 'noise' / 'judging'}: there are no audio files in it")
    noise = [(f"{path.parent.name}-{path.stem}", _heard(path, sample_rate)) for path in scenes]
    return Kept(sample_rate, speech, noise, trained)


def _chosen(folder: Path, count: int, sample_rate: int) -> list[tuple[str, Array]]:
    """So many recordings of a folder, evenly spread over it, with their names."""
    paths = find_audio(folder, recursive=True)
    if not paths:
        raise AudioError(f"{folder}: there are no audio files in it")
    indices = np.linspace(0, len(paths) - 1, count).round().astype(int)
    most = round(MOST_SECONDS * sample_rate)
    waves = ((paths[index], _heard(paths[index], sample_rate)) for index in indices)
    return [(path.stem, wave[:most] / np.abs(wave).max() * 0.5) for path, wave in waves]


def _heard(path: Path, sample_rate: int) -> Array:
    """Read a recording that is heard within ``MOST_SECONDS``."""
    wave = read(path, sample_rate)
    if not wave[: round(MOST_SECONDS * sample_rate)].any():
        raise AudioError(f"{path}: it is silent for {MOST_SECONDS:g} s; leave the file out")
    return wave


def unseen(kept: Kept) -> list[Suite]:
    """Voices in scenes, -5 to 15 dB."""
    return [Suite("unseen", "unseen voices and noises, -5 to 15 dB", _mixed(kept, kept.voices, seed=1))]


def clean(kept: Kept) -> list[Suite]:
    """Voices as they are, source by source."""
    return [
        _untouched(f"clean {source}", f"clean speech of {source}", recordings)
        for source, recordings in kept.speech.items()
    ]


def telephone(kept: Kept) -> list[Suite]:
    """Voices in a telephone's band."""
    made = [(name, _in_band(wave, kept.sample_rate)) for name, wave in kept.voices]
    low, high = TELEPHONE_HERTZ
    return [
        _untouched("telephone", f"clean speech, {low:.0f} to {high:.0f} Hz", made),
        Suite("telephone noisy", "the same in noise, 0 to 15 dB", _mixed(kept, made, seed=2, low=0.0)),
    ]


def whisper(kept: Kept) -> list[Suite]:
    """Voices made whisper-like."""
    rng = np.random.default_rng(3)
    made = []
    for name, wave in kept.voices:
        noise = rng.standard_normal((1, len(wave)), np.float32)
        quiet = whispered(wave[None], noise, kept.sample_rate)[0]
        made.append((name, quiet * (0.5 / np.abs(quiet).max())))
    return [_untouched("whisper", "clean speech made whisper-like", made)]


def levels(kept: Kept) -> list[Suite]:
    """The mixtures of ``unseen`` at other levels."""
    suites = []
    for level in (-20, -26, -40, -60):
        pairs = [_at_level(pair, level) for pair in _mixed(kept, kept.voices, seed=1)]
        suites.append(Suite(f"level {level}", f"unseen at {level} dB of full scale", pairs, ("si_sdr",)))
    return suites


def clipped(kept: Kept) -> list[Suite]:
    """Mixtures of 5 to 20 dB whose peaks are cut off at a third."""
    pairs = []
    for pair in _mixed(kept, kept.voices, seed=4, low=5.0, high=20.0):
        limit = np.abs(pair.noisy).max() / 3
        pairs.append(Pair(pair.name, pair.noisy.clip(-limit, limit), pair.clean))
    return [Suite("clipped", "5 to 20 dB, cut off at a third of the peak", pairs)]


def reverberant(kept: Kept) -> list[Suite]:
    """Voices in rooms, with noise; the target has the room's early part."""
    pairs = _in_rooms(kept, seed=5, tail_db=(-8.0, 0.0), low=5.0)
    return [Suite("reverberant", "in rooms, 5 to 20 dB", pairs)]


def far(kept: Kept) -> list[Suite]:
    """Voices that the room is louder than, quiet and with noise; the target as of ``reverberant``."""
    pairs = _in_rooms(kept, seed=8, tail_db=(0.0, 8.0), low=0.0)
    quiet = [_at_level(pair, -40) for pair in pairs]
    return [Suite("far", "far away in rooms, 0 to 20 dB, at -40 dB of full scale", quiet)]


def music(kept: Kept) -> list[Suite]:
    """Voices before music of our own making, which training has too, if not the same."""
    rng, pairs = np.random.default_rng(9), []
    for name, wave in kept.voices:
        played = melody(len(wave), kept.sample_rate, rng)
        pairs.append(_mixture(name, wave, wave, played, rng.uniform(0, 15), "music"))
    return [Suite("music", "before synthetic music, 0 to 15 dB", pairs)]


def seen(kept: Kept) -> list[Suite]:
    """Recordings that training has, in scenes that it has not; none where the corpus has no training part."""
    if not kept.trained:
        return []
    return [Suite("seen", "voices that training has heard, -5 to 15 dB", _mixed(kept, kept.trained, seed=10))]


def babble(kept: Kept) -> list[Suite]:
    """One voice before several others, 0 to 15 dB."""
    rng, voices, pairs = np.random.default_rng(7), kept.voices, []
    for index, (name, wave) in enumerate(voices):
        others = rng.choice([n for n in range(len(voices)) if n != index], TALKERS, replace=False)
        crowd = sum(np.resize(voices[other][1], len(wave)) / _rms(voices[other][1]) for other in others)
        pairs.append(_mixture(name, wave, wave, np.asarray(crowd), rng.uniform(0, 15), "babble"))
    return [Suite("babble", f"among {TALKERS} other voices, 0 to 15 dB", pairs)]


def noise(kept: Kept) -> list[Suite]:
    """Every scene without speech."""
    pairs = []
    for name, wave in kept.noise:
        part = wave[: round(MOST_SECONDS * kept.sample_rate)]
        part = part * np.float32(10 ** (-26 / 20) / _rms(part))
        part = part / max(1.0, float(np.abs(part).max()))
        pairs.append(Pair(name, part, np.zeros_like(part)))
    return [Suite("noise alone", "noises at -26 dB of full scale", pairs, ("reduction",))]


SUITES: dict[str, Callable[[Kept], list[Suite]]] = {
    made.__name__: made
    for made in (
        *(unseen, clean, telephone, whisper, levels, clipped, reverberant, far, babble, music, noise),
        seen,
    )
}


def _untouched(name: str, title: str, recordings: Sequence[tuple[str, Array]]) -> Suite:
    pairs = [Pair(own, wave, wave) for own, wave in recordings]
    return Suite(name, title, pairs, ("si_sdr",), changed=False)


def _mixed(
    kept: Kept,
    recordings: Sequence[tuple[str, Array]],
    *,
    seed: int,
    low: float = -5.0,
    high: float = 15.0,
    targets: Sequence[Array] | None = None,
) -> list[Pair]:
    """One mixture a recording, each scene as often as others; the targets are the recordings or others."""
    rng, pairs = np.random.default_rng(seed), []
    loops = rng.permutation(max(len(recordings), len(kept.noise))) % len(kept.noise)
    for turn, (name, wave) in enumerate(recordings):
        scene, loop = kept.noise[loops[turn]]
        added = loop[(int(rng.integers(len(loop))) + np.arange(len(wave))) % len(loop)]
        target = wave if targets is None else targets[turn]
        pairs.append(_mixture(name, wave, target, added, rng.uniform(low, high), scene))
    return pairs


def _in_rooms(kept: Kept, *, seed: int, tail_db: tuple[float, float], low: float) -> list[Pair]:
    """Voices with reverberation, louder than the direct sound by ``tail_db``, and noise."""
    rng, rate = np.random.default_rng(seed), kept.sample_rate
    wet, early = [], []
    for name, wave in kept.voices:
        time = np.arange(rate) / rate
        tail = rng.standard_normal(rate) * 10 ** (-3 * time / rng.uniform(0.3, 0.8)) * (time > 0.005)
        tail *= 10 ** (-rng.uniform(-tail_db[1], -tail_db[0]) / 20) / np.sqrt(np.sum(tail**2))
        tail[0] = 1
        spectrum = np.fft.rfft(wave, len(wave) + rate)
        both = [
            np.fft.irfft(spectrum * np.fft.rfft(part, len(wave) + rate))[: len(wave)].astype(np.float32)
            for part in (tail, tail * (time < EARLY_SECONDS))
        ]
        wet.append((name, both[0]))
        early.append(both[1])
    return _mixed(kept, wet, seed=seed + 1, low=low, high=20.0, targets=early)


def _at_level(pair: Pair, level: float) -> Pair:
    """A pair with the input at a level in dB of full scale, peaks permitting."""
    gain = 10 ** (level / 20) / np.sqrt(np.mean(pair.noisy.astype(np.float64) ** 2))
    gain = np.float32(min(gain, 1 / np.abs(pair.noisy).max()))
    return Pair(pair.name, pair.noisy * gain, pair.clean * gain)


def _mixture(name: str, wave: Array, target: Array, added: Array, ratio: float, scene: str) -> Pair:
    noisy = wave + added * (_rms(wave) / max(_rms(added), 1e-6) * 10 ** (-ratio / 20))
    scale = 0.5 / float(np.abs(noisy).max())
    return Pair(
        f"{name}+{scene}@{ratio:.1f}dB",
        (scale * noisy).astype(np.float32),
        (scale * target).astype(np.float32),
    )


def _in_band(wave: Array, sample_rate: int) -> Array:
    """(N,) in the band of a telephone."""
    spectrum = np.fft.rfft(wave, 2 * len(wave))
    gain = band_gain(*TELEPHONE_HERTZ, len(spectrum), sample_rate)
    made: Array = np.fft.irfft(spectrum * gain, 2 * len(wave))[: len(wave)].astype(np.float32)
    return made


def _rms(wave: Array) -> float:
    return float(np.sqrt(np.mean(wave.astype(np.float64) ** 2)))


def make(corpus: Path, names: Sequence[str], sample_rate: int) -> list[Suite]:
    """The suites of some names, or of all.

    Raises:
        AudioError: the corpus does not have what is kept apart.
    """
    if not (corpus / "speech" / "judging").is_dir():
        raise AudioError(
            f"{corpus}: it has no folder speech/judging; docs/training-data.md says how to make a corpus"
        )
    kept = kept_apart(corpus, sample_rate)
    return [suite for name in names or SUITES for suite in SUITES[name](kept)]
