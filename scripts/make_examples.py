"""Makes the recordings that the project ships: a synthesiser's voice in a small room, with synthetic noise.

Run from a clone as ``python -m scripts.make_examples``; it needs the program espeak-ng and the dev extra.
Writes ``examples/clean.wav`` and ``examples/noisy.wav`` (16 kHz), and ``zoo/artifact/speech.flac`` (48 kHz),
the speech on which exports are compared. Everything is seeded: the same versions write the same samples.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

Signal = NDArray[np.floating]

ROOT = Path(__file__).resolve().parent.parent
RATE = 48000
PEAK = 10 ** (-3 / 20)


@dataclass(frozen=True)
class Sentence:
    """Something to say, who says it, and the seconds of silence after it."""

    text: str
    voice: str
    pitch: int = 50
    words_a_minute: int = 175
    pause: float = 0.25


EXAMPLE = (
    Sentence("The kettle is on, and it has not stopped raining since Sunday.", "en-gb", pitch=42),
    Sentence("Could you move our meeting to half past six?", "en-us+f3", pitch=58, pause=0.4),
)
REFERENCE = (
    Sentence("Six sailing ships passed the chalk cliffs.", "en-us+f3", pitch=55, pause=0.2),
    Sentence("Nobody on board waved.", "en-gb", pitch=40, pause=0.2),
)


def filtered(signal: Signal, gain: Callable[[Signal], Signal]) -> Signal:
    """Multiply a signal's spectrum by ``gain`` of the frequency in Hz."""
    size = 2 * len(signal)
    spectrum = np.fft.rfft(signal, size) * gain(np.fft.rfftfreq(size, 1 / RATE))
    return np.fft.irfft(spectrum, size)[: len(signal)]


def band(low: float, high: float, slope: float = 8.0) -> Callable[[Signal], Signal]:
    """Gain of a band-pass filter between two frequencies in Hz, without phase."""
    return lambda f: 1 / np.sqrt((1 + (low / np.maximum(f, 1e-3)) ** slope) * (1 + (f / high) ** slope))


def rms(signal: Signal) -> float:
    return float(np.sqrt(np.mean(signal**2)))


def spoken(sentence: Sentence) -> Signal:
    """Let espeak-ng say a sentence; at RATE, without the silence around it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "speech.wav")
        command = ["espeak-ng", "-v", sentence.voice, "-p", str(sentence.pitch)]
        command += ["-s", str(sentence.words_a_minute), "-w", str(path), sentence.text]
        try:
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        except FileNotFoundError:
            raise SystemExit("espeak-ng is not installed; on Debian: apt-get install espeak-ng") from None
        samples, rate = soundfile.read(path)
    speech = soxr.resample(samples, rate, RATE, quality="VHQ")
    loud = np.flatnonzero(np.abs(speech) > 0.01 * np.abs(speech).max())
    return speech[loud[0] : loud[-1] + 1] / rms(speech[loud[0] : loud[-1] + 1])


def with_high_band(speech: Signal, rng: np.random.Generator) -> Signal:
    """Continue the hiss of consonants above 10 kHz, where the synthesiser's output ends."""
    level = filtered(np.abs(filtered(speech, band(6000, 10000))), lambda f: 1 / (1 + (f / 60) ** 4))
    hiss = filtered(rng.standard_normal(len(speech)), band(10500, 18000))
    return speech + 0.8 * np.maximum(level, 0) * hiss / rms(hiss)


def in_room(speech: Signal, rng: np.random.Generator, decay: float = 0.25, direct_db: float = 9.0) -> Signal:
    """Add reverberation ``direct_db`` below the direct sound: noise that falls by 60 dB in ``decay`` s."""
    time = np.arange(int(1.2 * decay * RATE)) / RATE
    tail = filtered(rng.standard_normal(len(time)) * 10 ** (-3 * time / decay), lambda f: 1 / (1 + f / 4000))
    tail[time < 0.003] = 0
    tail *= 10 ** (-direct_db / 20) / np.sqrt(np.sum(tail**2))
    size = len(speech) + len(tail)
    wet = np.fft.irfft(np.fft.rfft(speech, size) * np.fft.rfft(tail, size), size)
    return speech + wet[: len(speech)]


def background(length: int, rng: np.random.Generator) -> Signal:
    """A fan whose level wanders, the hum of its motor, and something that clicks now and then."""
    time = np.arange(length) / RATE
    fan = filtered(rng.standard_normal(length), lambda f: band(60, 20000)(f) * np.maximum(f, 60) ** -0.7)
    drift = filtered(rng.standard_normal(length), lambda f: 1 / (1 + (f / 0.7) ** 4))
    fan *= 10 ** (3 * (drift - drift.mean()) / drift.std() / 20) / rms(fan)
    hum = sum(np.sin(2 * np.pi * 50 * k * time + rng.uniform(0, 2 * np.pi)) / k for k in (1, 2, 3, 5, 7))
    clicks = np.zeros(length)
    for start in rng.uniform(0, time[-1], rng.poisson(3 * time[-1])):
        age = np.maximum(time - start, 0)
        burst = np.exp(-age / 0.0015) * np.sin(2 * np.pi * rng.uniform(1500, 7000) * age)
        clicks += rng.uniform(3, 9) * burst
    return fan + 0.35 * hum + clicks


def recording(
    sentences: tuple[Sentence, ...], *, lead_in: float, snr_db: float, seed: int
) -> tuple[Signal, Signal]:
    """Speech in a room after ``lead_in`` seconds, and the same in noise, ``snr_db`` apart over the whole.

    Both are scaled alike, so that the second peaks at PEAK.
    """
    rng = np.random.default_rng(seed)
    parts: list[Signal] = [np.zeros(int(lead_in * RATE))]
    for sentence in sentences:
        parts += [with_high_band(spoken(sentence), rng), np.zeros(int(sentence.pause * RATE))]
    clean = in_room(np.concatenate(parts), rng)
    noise = background(len(clean), rng)
    noisy = clean + noise * rms(clean) / rms(noise) * 10 ** (-snr_db / 20)
    scale = PEAK / np.abs(noisy).max()
    return scale * clean, scale * noisy


def write(name: str, signal: Signal, rate: int) -> None:
    path = ROOT / name
    signal = soxr.resample(signal, RATE, rate, quality="VHQ") if rate != RATE else signal
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, signal, rate, subtype="PCM_16")
    peak = 20 * np.log10(np.abs(signal).max())
    print(f"{name}: {len(signal) / rate:.2f} s, peak {peak:.1f} dBFS, {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    clean, noisy = recording(EXAMPLE, lead_in=0.4, snr_db=5, seed=1)
    write("examples/clean.wav", clean, 16000)
    write("examples/noisy.wav", noisy, 16000)
    _, noisy = recording(REFERENCE, lead_in=0.02, snr_db=10, seed=2)
    write("zoo/artifact/speech.flac", noisy, RATE)


if __name__ == "__main__":
    main()
