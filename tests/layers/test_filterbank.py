"""Filterbank energies: equal to Kaldi's, as a module of a graph and without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.layers.filterbank import LogFilterbank, SpeakerFeatures, mel_filters
from zoo.spec import Filterbank
from zoo.tasks.speaker.features import filterbank

KALDI = 2e-3
PLAIN = Filterbank()
CASES = [  # waveform, reference, geometry, whether the mean was taken out
    ("wav", "a_int16_hamming_raw", PLAIN, False),
    ("wav", "a_int16_hamming_cmn", PLAIN, True),
    ("wav_sil", "asil_int16_hamming_cmn", PLAIN, True),
    ("wav", "a_int16_hamming72_cmn", Filterbank(bins=72), True),
    ("wav", "a_unit_hamming_cmn", Filterbank(full_scale=1.0), True),
    ("wav", "a_unit_povey_cmn", Filterbank(window="povey", full_scale=1.0), True),
]


@pytest.fixture(scope="module")
def reference(shared: Path) -> dict[str, np.ndarray]:
    return dict(np.load(shared / "oracles/speaker/fbank_ref.npz"))


@pytest.mark.parametrize(
    ("wave", "expected", "front_end", "subtract"), CASES, ids=[case[1] for case in CASES]
)
def test_kaldi(
    reference: dict[str, np.ndarray], wave: str, expected: str, front_end: Filterbank, subtract: bool
) -> None:
    waveform = (reference[wave] / 32768).astype(np.float32)
    runtime = filterbank(waveform, front_end, subtract_mean=subtract)
    assert runtime.dtype == np.float32
    batch = torch.from_numpy(np.stack([waveform, waveform[::-1].copy()]))
    if subtract:
        module, mask = SpeakerFeatures(front_end)(batch, torch.tensor([48000, 48000]))
        assert mask.shape == (2, 1, 298) and mask.min() == 1
        module = module.transpose(1, 2)
    else:
        module = LogFilterbank(front_end)(batch)
    for feats in (runtime, module[0].numpy()):
        assert feats.shape == reference[expected].shape
        assert np.abs(feats - reference[expected]).max() < KALDI
    assert np.abs(module[1].numpy() - reference[expected]).max() > 1  # the other row is another recording


def test_the_same_file_gives_the_same_bytes(reference: dict[str, np.ndarray]) -> None:
    waveform = (reference["wav"] / 32768).astype(np.float32)
    assert filterbank(waveform, PLAIN).tobytes() == filterbank(waveform, PLAIN).tobytes()


@pytest.mark.parametrize("samples", [400, 559, 560, 719, 720, 721, 32000])
def test_frames(samples: int) -> None:
    noise = np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32)
    feats = filterbank(noise, PLAIN)
    assert len(feats) == PLAIN.frames(samples) == 1 + (samples - 400) // 160
    assert PLAIN.samples(len(feats)) <= samples < PLAIN.samples(len(feats) + 1)
    module = LogFilterbank(PLAIN)(torch.from_numpy(noise)[None])[0]
    module = module - module.mean(0)
    np.testing.assert_allclose(module.numpy(), feats, atol=KALDI)


def test_less_than_a_frame() -> None:
    assert filterbank(np.zeros(399, np.float32), PLAIN).shape == (0, 80)
    assert filterbank(np.zeros(0, np.float32), PLAIN).shape == (0, 80)
    assert PLAIN.frames(399) == PLAIN.frames(0) == 0


def test_silence_is_the_floor() -> None:
    zeros = np.zeros(1600, np.float32)
    expected = np.full((8, 80), np.log(np.finfo(np.float32).eps), np.float32)
    np.testing.assert_allclose(filterbank(zeros, PLAIN, subtract_mean=False), expected, rtol=1e-6)
    np.testing.assert_allclose(LogFilterbank(PLAIN)(torch.zeros(1, 1600))[0], expected, rtol=1e-6)


def test_padding_does_not_matter(speech_16k: np.ndarray) -> None:
    """Rows of three lengths, with NaN behind their ends."""
    lengths = [16000, 40000, 23456]
    batch = np.full((3, 40000), np.nan, np.float32)
    for row, length in zip(batch, lengths, strict=True):
        row[:length] = speech_16k[:length]
    feats, mask = SpeakerFeatures(PLAIN)(torch.from_numpy(batch), torch.tensor(lengths))
    for row, own, length in zip(feats, mask[:, 0].bool(), lengths, strict=True):
        assert own.sum() == PLAIN.frames(length) and not (~own[: own.sum()]).any()
        np.testing.assert_allclose(row[:, own].T, filterbank(speech_16k[:length], PLAIN), atol=KALDI)
        assert not row[:, ~own].any()


def test_filters_are_triangles_that_cover_the_band() -> None:
    filters = mel_filters(PLAIN)
    assert filters.shape == (256, 80) and filters.min() == 0 and filters.max() <= 1
    assert (np.count_nonzero(filters, axis=0) > 0).all()
    inner = slice(int(np.argmax(filters[:, 0])) + 1, int(np.argmax(filters[:, -1])))
    np.testing.assert_allclose(filters[inner].sum(1), 1, atol=1e-9)  # neighbours add up to one


def test_torchaudio_where_it_imports(speech_16k: np.ndarray) -> None:
    try:
        from torchaudio.compliance import kaldi
    except (ImportError, OSError) as error:
        pytest.skip(f"torchaudio does not import here: {str(error).splitlines()[0][:80]}")
    wave = torch.from_numpy(speech_16k[:48000])[None]
    options = {"num_mel_bins": 80, "window_type": "hamming", "dither": 0.0, "sample_frequency": 16000}
    expected = kaldi.fbank(wave * 32768, **options).numpy()
    np.testing.assert_allclose(LogFilterbank(PLAIN)(wave)[0], expected, atol=KALDI)
    np.testing.assert_allclose(
        filterbank(speech_16k[:48000], PLAIN, subtract_mean=False), expected, atol=KALDI
    )
