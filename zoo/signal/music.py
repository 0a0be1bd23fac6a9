"""Music of our own making: a tune over chords and a beat, so that no recording is needed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))  # semitones of major and minor
BEAT_SECONDS = (0.25, 0.7)
BASS_HERTZ = (55.0, 130.0)  # the lowest note of the scale
MOST_HARMONICS = 12

Wave = NDArray[np.float64]


def music(length: int, sample_rate: int, rng: np.random.Generator) -> Array:
    """Make music: every beat a chord and a note of the tune, on three instruments, perhaps with drums.

    Args:
        length: in samples.
        sample_rate: in Hz.
        rng: decides the key, the speed, the instruments and the notes.

    Returns:
        (length,) float32 of unit power.
    """
    scale = SCALES[int(rng.integers(len(SCALES)))]
    bass = rng.uniform(*BASS_HERTZ)
    beat = round(rng.uniform(*BEAT_SECONDS) * sample_rate)
    hold = round(rng.uniform(0.5, 3.0) * beat)
    instruments = [_spectrum(rng) for _ in range(3)]
    drums = rng.random() < 0.5
    wave = np.zeros(length + hold + beat)
    chord = 0
    for turn, start in enumerate(range(-int(rng.integers(beat)), length, beat)):
        if turn % 4 == 0:
            chord = int(rng.integers(len(scale)))
        steps = [(chord, 0, 1.0), (chord + int(rng.choice([0, 2, 4])), 1, 0.6), (chord + 4, 1, 0.4)]
        if rng.random() < 0.8:
            steps.append((chord + 7 + int(rng.integers(8)), 2, 0.8))
        for step, instrument, loudness in steps:
            octave, degree = divmod(step, len(scale))
            pitch = bass * 2 ** (octave + instrument + scale[degree] / 12)
            note = loudness * _note(pitch, hold, sample_rate, instruments[instrument])
            _add(wave, note, start)
        if drums:
            _add(wave, _drum(beat, sample_rate, rng, low=turn % 2 == 0), start)
    wave = wave[:length]
    return (wave / np.sqrt(np.mean(wave**2) + 1e-12)).astype(np.float32)


def _spectrum(rng: np.random.Generator) -> tuple[Wave, float]:
    """An instrument: the loudness of its harmonics, (H,), and how fast its notes die away, in 1 / s."""
    fall = rng.uniform(0.5, 2.0)
    harmonics = np.arange(1, MOST_HARMONICS + 1) ** -fall * rng.uniform(0.3, 1.0, MOST_HARMONICS)
    return harmonics, float(np.exp(rng.uniform(np.log(0.3), np.log(12))))


def _note(pitch: float, length: int, sample_rate: int, instrument: tuple[Wave, float]) -> Wave:
    harmonics, decay = instrument
    time = np.arange(length) / sample_rate
    number = np.arange(1, 1 + min(len(harmonics), max(1, int(0.45 * sample_rate / pitch))))
    tones = np.sin(2 * np.pi * pitch * number[:, None] * time)
    envelope = np.exp(-decay * time) * np.minimum(1, time / 0.005) * np.minimum(1, (time[-1] - time) / 0.02)
    made: Wave = harmonics[: len(number)] @ tones * envelope
    return made


def _drum(length: int, sample_rate: int, rng: np.random.Generator, *, low: bool) -> Wave:
    """A bass drum, whose pitch falls, or a cymbal, which is noise that dies away."""
    time = np.arange(length) / sample_rate
    if low:
        made: Wave = 1.5 * np.sin(2 * np.pi * (50 * time + 4 * (1 - np.exp(-30 * time)))) * np.exp(-12 * time)
        return made
    noise: Wave = np.diff(rng.standard_normal(length + 1))
    return 0.3 * noise * np.exp(-time / rng.uniform(0.02, 0.08))


def _add(wave: Wave, note: Wave, start: int) -> None:
    """Add a note to a wave, in place, as far as it is inside."""
    note, start = note[max(0, -start) :], max(0, start)
    end = min(len(wave), start + len(note))
    wave[start:end] += note[: max(0, end - start)]
