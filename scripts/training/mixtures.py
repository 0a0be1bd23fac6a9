"""Noisy speech and what it should become, made afresh for every step from speech and noise in memory.

All decisions come from a generator seeded with the run's seed and the step's number, so that a step's
mixtures are the same however often a run was interrupted. The signals are made on the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from scripts.training.codecs import LOSSY, lossy, mu_law
from scripts.training.recordings import Recordings
from scripts.training.rooms import room_responses
from scripts.training.talkers import Talkers
from zoo.errors import CheckpointError
from zoo.signal.bands import band_gain
from zoo.signal.music import music as melody
from zoo.signal.whisper import whispered

Index = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Recipe:
    """Shares and ranges of what a mixture may have.

    Attributes:
        speech_speeds, noise_speeds: at which recordings are played.
        snr_db: speech without its outer silence, to noise.
        level_db: speech, in dB of full scale.
        clean, noise_only: shares of mixtures without noise, and without speech.
        sources: shares of mixtures with one, two, three noises summed.
        coloured, clicks, babble: shares of noises that are synthetic, hiss or clicks, and that are other
            speech; the others are recorded.
        music: share of noises that are synthetic music.
        talkers: of a babble.
        reverberant: share of mixtures in a room.
        decay_seconds: in which the room's response falls by 60 dB.
        direct_db: direct sound to reverberation.
        early_seconds: of the response, kept in the target.
        filtered: share whose noise, and share whose sum gets another frequency response.
        band_limited: share that has lost the frequencies above one in ``band_hertz``.
        band_hertz: range of that frequency.
        clipped: share of mixtures whose peaks are cut off.
        high_passed: share that has lost the frequencies below one in ``low_hertz``.
        telephone: share that has lost them, and those above one in ``telephone_hertz``.
        low_hertz, telephone_hertz: ranges of these frequencies.
        whispered: share whose speech is made whisper-like.
        coded: share of mixtures that have been through mu-law.
        compressed: share of mixtures that have been through Opus or MP3.
        speaker_seconds: speech of one speaker that counts when speakers are drawn; 0 draws recordings,
            whoever speaks.
        rooms: how many rooms there are, simulated; 0 makes up a tail afresh each time.
        scene_seconds: noise of one recording that counts when recordings are drawn; 0 draws all alike.
    """

    speech_speeds: tuple[float, ...] = (0.9, 1.0, 1.1)
    noise_speeds: tuple[float, ...] = (0.75, 1.0, 1.3)
    snr_db: tuple[float, float] = (-6.0, 20.0)
    level_db: tuple[float, float] = (-60.0, 0.0)
    clean: float = 0.15
    noise_only: float = 0.08
    sources: tuple[float, ...] = (0.6, 0.3, 0.1)
    coloured: float = 0.15
    clicks: float = 0.08
    babble: float = 0.08
    talkers: tuple[int, int] = (3, 7)
    reverberant: float = 0.2
    decay_seconds: tuple[float, float] = (0.1, 0.7)
    direct_db: tuple[float, float] = (0.0, 12.0)
    early_seconds: float = 0.05
    filtered: float = 0.4
    band_limited: float = 0.08
    band_hertz: tuple[float, float] = (3000.0, 7000.0)
    clipped: float = 0.06
    high_passed: float = 0.1
    telephone: float = 0.1
    low_hertz: tuple[float, float] = (100.0, 400.0)
    telephone_hertz: tuple[float, float] = (3000.0, 3600.0)
    whispered: float = 0.03
    coded: float = 0.04
    compressed: float = 0.02
    music: float = 0.05
    speaker_seconds: float = 300.0
    scene_seconds: float = 30.0
    rooms: int = 300

    @classmethod
    def of_run(cls, record: Mapping[str, Any] | None) -> Recipe:
        """The recipe that a run recorded, what did not exist then being off; None before it was recorded.

        Raises:
            CheckpointError: it has an option that is not known.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(record or ()) - known)
        if unknown:
            raise CheckpointError(
                f"the run's recipe has {', '.join(unknown)}, which this version does not know; go on "
                f"with the version that began it"
            )
        return cls(**{**_ABSENT, **(_UNRECORDED if record is None else record)})


# What options that came later are for runs that began before.
_ABSENT: dict[str, Any] = {
    "high_passed": 0.0,
    "telephone": 0.0,
    "whispered": 0.0,
    "coded": 0.0,
    "speaker_seconds": 0.0,
    "scene_seconds": 0.0,
    "rooms": 0,
    "compressed": 0.0,
    "music": 0.0,
}
# What runs had that did not record their recipe.
_UNRECORDED: dict[str, Any] = {"level_db": (-40.0, -14.0), "clean": 0.08, "noise_only": 0.06, "clipped": 0.05}


class Mixtures:
    """Makes batches of mixtures.

    Args:
        speech, noise: what is mixed, on one device.
        sample_rate: of both, in Hz.
        batch: mixtures at once.
        seconds: length of a mixture.
        seed: of the run.
        recipe: how they are mixed.
    """

    def __init__(
        self,
        speech: Recordings,
        noise: Recordings,
        *,
        sample_rate: int,
        batch: int,
        seconds: float,
        seed: int,
        recipe: Recipe | None = None,
    ) -> None:
        self.speech, self.noise, self.sample_rate = speech, noise, sample_rate
        self.batch, self.length, self.seed = batch, round(seconds * sample_rate), seed
        self.recipe = recipe or Recipe()
        self.device = speech.samples.device
        self._generator = torch.Generator(self.device)
        most = round(self.recipe.speaker_seconds * sample_rate)
        self.talkers = Talkers(speech, most) if most else None
        most = round(self.recipe.scene_seconds * sample_rate)
        self.scenes = Talkers(noise, most) if most else None
        self.rooms: Tensor | None = None
        if self.recipe.rooms:
            responses, _ = room_responses(self.recipe.rooms, sample_rate, self.recipe.decay_seconds, seed)
            self.rooms = torch.from_numpy(responses).to(self.device)

    def make(self, step: int) -> tuple[Tensor, Tensor]:
        """The mixtures of a step and their targets: two of (B, N), within [-1, 1]."""
        recipe, rng = self.recipe, np.random.default_rng([self.seed, step])
        self._generator.manual_seed(int(rng.integers(2**62)))
        later = np.random.default_rng([self.seed, step, 1])  # of options that came later: draws no other has
        kind = rng.random(self.batch)
        clean, only_noise = kind < recipe.clean, kind > 1 - recipe.noise_only

        index = np.stack([self._talk_index(rng) for _ in kind])
        index[only_noise] = self.speech.silence
        speech = self._whispered(self._take(self.speech, index), later)
        wet, target = self._in_rooms(speech, rng)
        noise = self._noise(only_noise, rng) * self._gain(-rng.uniform(*recipe.snr_db, self.batch))
        noise[self._to_device(clean)] = 0

        pair = torch.stack([wet + noise, target]) * self._gain(rng.uniform(*recipe.level_db, self.batch))
        response = torch.where(
            self._to_device(rng.random(self.batch) < recipe.filtered)[:, None],
            self._response(self.batch),
            1.0,
        )
        pair = self._filter(pair, response * self._band_limits(rng) * self._band_starts(later))
        pair = pair / (pair.abs().amax((0, 2))[:, None] / 0.99).clamp(min=1)
        noisy, target = pair.unbind()
        limit = torch.where(
            self._to_device(rng.random(self.batch) < recipe.clipped),
            self._to_device(rng.uniform(0.2, 0.8, self.batch).astype(np.float32)),
            torch.inf,
        )
        limit = (limit * noisy.abs().amax(1))[:, None].nan_to_num(1.0)  # of silence: 0 x inf
        noisy = noisy.clamp(-limit, limit)
        coded = self._to_device(later.random(self.batch) < recipe.coded)
        noisy = torch.where(coded[:, None], mu_law(noisy), noisy)
        return self._compressed(noisy, later), target

    def _noise(self, only_noise: NDArray[np.bool_], rng: np.random.Generator) -> Tensor:
        """Sums of noises, (B, N), of unit power before the frequency response of some."""
        recipe = self.recipe
        counts = rng.choice(len(recipe.sources), self.batch, p=recipe.sources) + 1
        total = torch.zeros(self.batch, self.length, device=self.device)
        power = np.zeros(self.batch)
        for turn in range(int(counts.max())):
            rows = np.flatnonzero(counts > turn)
            gains = 10 ** (rng.uniform(-12, 0, len(rows)) / 20) if turn else np.ones(len(rows))
            kind = rng.random(len(rows))
            coloured = kind < recipe.coloured
            babble = (kind > 1 - recipe.babble) & ~only_noise[rows]
            clicks = (kind > recipe.coloured) & (kind < recipe.coloured + recipe.clicks)
            music = (kind > 1 - recipe.babble - recipe.music) & (kind <= 1 - recipe.babble)
            recorded = ~coloured & ~clicks & ~music & ~babble
            sound = torch.empty(len(rows), self.length, device=self.device)
            if coloured.any():
                sound[self._to_device(coloured)] = self._coloured(int(coloured.sum()), rng)
            if clicks.any():
                sound[self._to_device(clicks)] = self._clicks(int(clicks.sum()), rng)
            if babble.any():
                sound[self._to_device(babble)] = self._babble(int(babble.sum()), rng)
            if music.any():
                played = [melody(self.length, self.sample_rate, rng) for _ in range(music.sum())]
                sound[self._to_device(music)] = self._to_device(np.stack(played))
            if recorded.any():
                index = np.stack([self._scene_index(rng) for _ in range(recorded.sum())])
                sound[self._to_device(recorded)] = self._take(self.noise, index)
            total[self._to_device(rows)] += sound * self._column(gains)
            power[rows] += gains**2
        response = torch.where(
            self._to_device(rng.random(self.batch) < recipe.filtered)[:, None],
            self._response(self.batch),
            1.0,
        )
        return self._filter(total, response) / self._column(np.sqrt(power))

    def _coloured(self, rows: int, rng: np.random.Generator) -> Tensor:
        """Noise of random colour, the level of half of it wandering: (rows, N)."""
        bins = self.length // 2 + 1
        frequency = torch.arange(bins, device=self.device).clamp(min=1 + bins // 200) / bins
        shape = frequency ** -self._column(rng.uniform(-0.5, 1.2, rows)) * self._response(rows)
        shape = shape / shape.square().mean(1, keepdim=True).sqrt()
        spectrum = torch.view_as_complex(self._normal(rows, bins, 2)) * shape
        noise = torch.fft.irfft(spectrum, self.length) * (self.length / 2) ** 0.5
        points = 2 + int(2 * self.length / self.sample_rate)
        steps = self._normal(rows, 1, points) * self._column(rng.choice([0.0, 4.0], rows))[:, None]
        wander = functional.interpolate(steps, self.length, mode="linear", align_corners=True)[:, 0]
        return noise * 10 ** (wander / 20)

    def _clicks(self, rows: int, rng: np.random.Generator) -> Tensor:
        """Short sounds again and again, in half of them at regular times: (rows, N), of unit power."""
        beats = np.zeros((rows, self.length), np.float32)
        for row in beats:
            rate = np.exp(rng.uniform(0, np.log(30)))  # a second
            period = max(1, int(self.sample_rate / rate))
            if rng.random() < 0.5:
                places = np.arange(rng.integers(min(period, self.length)), self.length, period)
            else:
                places = rng.integers(0, self.length, 1 + rng.poisson(self.length / period))
            row[places] = 10 ** (rng.normal(0, 5, len(places)) / 20)
        time = torch.arange(self.length // 8, device=self.device) / self.sample_rate
        decay = self._column(np.exp(rng.uniform(np.log(0.0005), np.log(0.03), rows)))
        ring = torch.sin(2 * torch.pi * time * self._column(rng.uniform(300, 6000, rows)))
        share = self._column(rng.uniform(0, 1, rows))
        click = (share * ring + (1 - share) * self._normal(*ring.shape)) * torch.exp(-time / decay)
        spectrum = torch.fft.rfft(self._to_device(beats)) * torch.fft.rfft(click, self.length)
        sound = torch.fft.irfft(spectrum * self._response(rows), self.length)
        return sound / sound.square().mean(1, keepdim=True).sqrt().clamp(min=1e-6)

    def _babble(self, rows: int, rng: np.random.Generator) -> Tensor:
        """Several people talking, (rows, N), of about unit power."""
        low, high = self.recipe.talkers
        talkers = rng.integers(low, high + 1, rows)
        index = np.full((rows, high, self.length), self.speech.silence)
        for row, count in enumerate(talkers):
            for talker in range(count):
                index[row, talker] = self._talk_index(rng)
        return self._take(self.speech, index).sum(1) / self._column(np.sqrt(talkers))

    def _in_rooms(self, speech: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Some of the speech with reverberation, and with its early part alone: (B, N), (B, N)."""
        rows = np.flatnonzero(rng.random(self.batch) < self.recipe.reverberant)
        if not len(rows):
            return speech, speech
        if self.rooms is None:
            tail = self._tails(len(rows), rng)
        else:
            tail = self.rooms[self._to_device(rng.integers(len(self.rooms), size=len(rows)))]
            tail[:, 0] = 0  # the direct sound
        time = torch.arange(tail.shape[1], device=self.device) / self.sample_rate
        responses = torch.stack([tail, tail * (time < self.recipe.early_seconds)])
        responses[:, :, 0] = 1
        size = fast_length(self.length + tail.shape[1])
        at = self._to_device(rows)
        spectrum = torch.fft.rfft(speech[at], size) * torch.fft.rfft(responses, size)
        power = 1 + tail.square().sum(1, keepdim=True)
        rooms = torch.fft.irfft(spectrum, size)[..., : self.length] / power.sqrt()
        wet, target = speech.clone(), speech.clone()
        wet[at], target[at] = rooms.unbind()
        return wet, target

    def _tails(self, rows: int, rng: np.random.Generator) -> Tensor:
        """What follows the direct sound: a short gap, and noise that decays exponentially, (rows, N)."""
        recipe = self.recipe
        time = torch.arange(round(recipe.decay_seconds[1] * self.sample_rate), device=self.device)
        time = time / self.sample_rate
        decay = self._column(rng.uniform(*recipe.decay_seconds, rows))
        gap = self._column(rng.uniform(0.002, 0.01, rows))
        tail = self._normal(rows, len(time)) * 10 ** (-3 * time / decay) * (time > gap)
        level = self._column(10 ** (-rng.uniform(*recipe.direct_db, rows) / 20))
        return tail * level / tail.square().sum(1, keepdim=True).sqrt()

    def _response(self, rows: int) -> Tensor:
        """Smooth random frequency responses: (rows, F), a slope of a few dB an octave at most."""
        bins = self.length // 2 + 1
        decibels = 5 * self._normal(rows, 1, 6)
        octaves = functional.interpolate(decibels, 256, mode="linear", align_corners=True)[:, 0]
        frequency = torch.arange(bins, device=self.device) / bins * self.sample_rate / 2
        place = (frequency.clamp(min=60) / 60).log2() / np.log2(self.sample_rate / 120) * 255
        return 10 ** (octaves[:, place.long().clamp(max=255)] / 20)

    def _band_limits(self, rng: np.random.Generator) -> Tensor:
        """Gains of low-pass filters, one for those without: (B, F)."""
        limited = rng.random(self.batch) < self.recipe.band_limited
        hertz = np.where(limited, rng.uniform(*self.recipe.band_hertz, self.batch), np.inf)
        frequency = torch.arange(self.length // 2 + 1, device=self.device) / self.length * self.sample_rate
        return 1 / (1 + (frequency / self._column(hertz)) ** 24).sqrt()

    def _band_starts(self, rng: np.random.Generator) -> Tensor:
        """Gains of high-pass filters and of telephones' bands, one for mixtures without: (B, F)."""
        recipe, kind = self.recipe, rng.random(self.batch)
        telephone = kind < recipe.telephone
        limited = kind < recipe.telephone + recipe.high_passed
        low = np.where(limited, rng.uniform(*recipe.low_hertz, self.batch), 0)
        high = np.where(telephone, rng.uniform(*recipe.telephone_hertz, self.batch), np.inf)
        gain = np.ones((self.batch, self.length // 2 + 1), np.float32)
        gain[limited] = band_gain(low[limited], high[limited], gain.shape[1], self.sample_rate)
        return self._to_device(gain)

    def _whispered(self, speech: Tensor, rng: np.random.Generator) -> Tensor:
        """Speech, (B, N), some of it whisper-like."""
        rows = np.flatnonzero(rng.random(self.batch) < self.recipe.whispered)
        if not len(rows):
            return speech
        at = self._to_device(rows)
        noise = rng.standard_normal((len(rows), self.length), np.float32)
        speech = speech.clone()
        speech[at] = self._to_device(whispered(speech[at].cpu().numpy(), noise, self.sample_rate))
        return speech

    def _compressed(self, noisy: Tensor, rng: np.random.Generator) -> Tensor:
        """Mixtures, (B, N), some of them through Opus or MP3."""
        rows = np.flatnonzero(rng.random(self.batch) < self.recipe.compressed)
        noisy = noisy.clone() if len(rows) else noisy
        for row in rows:
            codec = "opus" if rng.random() < 0.5 else "mp3"
            level = rng.uniform(*LOSSY[codec][2])
            wave = noisy[row].cpu().numpy()
            noisy[row] = self._to_device(lossy(wave, self.sample_rate, codec, level))
        return noisy

    def _talk_index(self, rng: np.random.Generator) -> Index:
        return talk_index(self.speech, self.length, self.sample_rate, rng, self.talkers)

    def _scene_index(self, rng: np.random.Generator) -> Index:
        return excerpt_index(self.noise, self.length, rng, self.scenes)

    def _take(self, recordings: Recordings, index: Index) -> Tensor:
        """The samples at an index of any shape, float32."""
        return recordings.samples[self._to_device(index)].float()

    def _filter(self, wave: Tensor, gain: Tensor) -> Tensor:
        """(..., B, N) with spectra multiplied by (B, F)."""
        return torch.fft.irfft(torch.fft.rfft(wave) * gain, self.length)

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self._generator, device=self.device)

    def _gain(self, decibels: NDArray[np.float64]) -> Tensor:
        return self._column(10 ** (decibels / 20))

    def _column(self, values: NDArray[np.float64]) -> Tensor:
        return self._to_device(values.astype(np.float32))[:, None]

    def _to_device(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.device)


def talk_index(
    speech: Recordings,
    length: int,
    sample_rate: int,
    rng: np.random.Generator,
    talkers: Talkers | None = None,
) -> Index:
    """Where to take ``length`` samples of talk from: utterances one after the other, with pauses.

    With ``talkers``, one speaker goes on as long as there are several recordings of him; without, every
    utterance is any of the recordings.
    """
    index = np.full(length, speech.silence)
    speaker = talkers.speaker(rng) if talkers else 0
    which = talkers.recording(speaker, rng) if talkers else rng.integers(len(speech))
    position = int(rng.integers(-speech.lengths[which], sample_rate // 2))
    while position < length:
        first, last = max(0, position), min(length, position + int(speech.lengths[which]))
        index[first:last] = np.arange(first, last) - position + speech.starts[which]
        position = last + int(rng.uniform(0.05, 0.8) * sample_rate)
        if talkers:
            speaker = talkers.next_speaker(speaker, rng)
            which = talkers.recording(speaker, rng)
        else:
            which = rng.integers(len(speech))
    return index


def excerpt_index(
    noise: Recordings, length: int, rng: np.random.Generator, scenes: Talkers | None = None
) -> Index:
    """Where to take ``length`` samples of one noise from; a shorter one is repeated.

    Which it is, ``scenes`` decide as of speakers; without, all are equally likely.
    """
    which = scenes.recording(scenes.speaker(rng), rng) if scenes else rng.integers(len(noise))
    own = int(noise.lengths[which])
    first = int(rng.integers(max(1, own - length)) if own > length else rng.integers(own))
    return noise.starts[which] + (first + np.arange(length)) % own


def fast_length(least: int) -> int:
    """The smallest product of a power of two and 1, 3, 5 or 15 that is no less."""
    return min(odd * 2 ** max(0, int(np.ceil(np.log2(least / odd)))) for odd in (1, 3, 5, 15))
