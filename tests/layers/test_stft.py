"""The transforms against their definition, and under the contract."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.contract import Signal, difference, verify_contract
from tests.layers.hosts import Host
from zoo import list_models
from zoo.layers.stft import ISTFT, STFT, DoubleSTFT, OverlapAdd, centred_istft, centred_stft, frames
from zoo.registry import get_spec
from zoo.signal.windows import analysis_window, synthesis_window
from zoo.spec import FrontEnd
from zoo.streaming.conversion import to_streaming
from zoo.tasks.enhancement.spectrum import Transforms

FRONT_ENDS = [
    FrontEnd(16000, n_fft, hop, window)
    for n_fft, hop in [(512, 256), (512, 160), (512, 100), (1024, 512), (1024, 320), (1024, 200), (400, 100)]
    for window in ("hann", "sqrt_hann", "sine", "rectangular")
]
REGISTERED = sorted({get_spec(name).front_end for name in list_models("enhancement")}, key=str)


def label(front_end: FrontEnd) -> str:
    return f"{front_end.n_fft}-{front_end.hop_length}-{front_end.window}"


@pytest.fixture(scope="module")
def utterances(speech_16k: np.ndarray) -> Tensor:
    """Three streams of real speech, (3, 16384)."""
    starts = (20_000, 50_000, 80_000)
    waves = torch.stack([torch.from_numpy(speech_16k[start : start + 16384]) for start in starts])
    assert (waves.abs().amax(1) > 0.02).all()
    return waves


@pytest.mark.parametrize("kind", [STFT, DoubleSTFT])
@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=label)
def test_transforms_contract(front_end: FrontEnd, kind: type[STFT], utterances: Tensor) -> None:
    hop = front_end.hop_length
    wave = utterances[:, : 12 * hop]
    waves, spectra = Signal(stream=0, time=1, frame=hop), Signal(stream=0, time=2)
    analysis, synthesis = Host(kind(front_end)).eval(), Host(ISTFT(front_end)).eval()
    verify_contract(analysis, to_streaming(analysis), wave, waves, spectra)
    with torch.no_grad():
        spectrum, _ = analysis(wave)
    verify_contract(synthesis, to_streaming(synthesis), spectrum, spectra, waves)
    added, cut = (
        Host(OverlapAdd(front_end)).eval(),
        frames(nn.functional.pad(wave, (front_end.delay, 0)), front_end),
    )
    verify_contract(added, to_streaming(added), cut, Signal(stream=0, time=1), waves)


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=label)
@pytest.mark.parametrize("kind", [STFT, DoubleSTFT])
@pytest.mark.parametrize("twin", [False, True], ids=["training", "streaming"])
def test_stft_is_the_fourier_transform(
    front_end: FrontEnd, kind: type[STFT], twin: bool, utterances: Tensor
) -> None:
    """Frame i ends with sample (i + 1) x hop, zeros before the first."""
    window = torch.from_numpy(analysis_window(front_end))
    wave = utterances[:, : 20 * front_end.hop_length]
    padded = nn.functional.pad(wave.double(), (front_end.delay, 0))
    expected = torch.stft(
        padded, front_end.n_fft, front_end.hop_length, window=window, center=False, return_complex=True
    )
    layer = Host(kind(front_end))
    with torch.no_grad():
        spectrum, _ = (to_streaming(layer) if twin else layer)(wave)
    assert spectrum.shape == (3, front_end.bins, 20, 2)
    snr, largest = difference(torch.view_as_real(expected), spectrum)
    assert snr > 120
    assert largest < 2e-6
    of_a_bin = (torch.view_as_complex(spectrum.double().contiguous()) - expected).abs() / expected.abs()
    assert (of_a_bin.max() < 1e-7) == (kind is DoubleSTFT), "quiet bins beside loud ones"


@pytest.mark.parametrize("twin", [False, True], ids=["training", "streaming"])
def test_the_double_stft_has_no_negative_zeros(twin: bool) -> None:
    layer = Host(DoubleSTFT(FRONT_ENDS[0]))
    with torch.no_grad():
        spectrum, _ = (to_streaming(layer) if twin else layer)(torch.zeros(1, 4 * FRONT_ENDS[0].hop_length))
    assert not spectrum.any()
    assert not spectrum.signbit().any()


def test_the_double_stft_stays_double() -> None:
    """Whatever type the streaming form around it is moved to."""
    twin = DoubleSTFT(FRONT_ENDS[0]).streaming_twin()
    twin.half().float()
    assert twin.inner.dtype == twin.outer.dtype == torch.float64
    assert twin.to("meta").inner.device.type == "meta"


@pytest.mark.parametrize("front_end", [*REGISTERED, *FRONT_ENDS], ids=label)
@pytest.mark.parametrize("kind", ["training", "streaming", "numpy"])
def test_reconstruction(front_end: FrontEnd, kind: str, speech_16k: np.ndarray) -> None:
    """The transform and its inverse give speech back, the declared delay late, from the first sample on."""
    hop, delay = front_end.hop_length, front_end.delay
    count = 32000 // hop * hop
    wave = speech_16k[None, 20_000 : 20_000 + count]
    if kind == "numpy":
        transforms = Transforms(front_end)
        memory = transforms.initial_state()
        spectrum, _ = transforms.analyse(wave, memory["stft.past"])
        back = torch.from_numpy(transforms.synthesise(spectrum, memory["istft.overlap"])[0])
    else:
        analysis, synthesis = Host(STFT(front_end)), Host(ISTFT(front_end))
        if kind == "streaming":
            analysis, synthesis = to_streaming(analysis), to_streaming(synthesis)
        with torch.no_grad():
            back, _ = synthesis(analysis(torch.from_numpy(wave))[0])
    assert back.shape == wave.shape
    assert back[:, :delay].abs().max() < 1e-6, "silence until the delay has passed"
    snr, _ = difference(torch.from_numpy(wave[:, : count - delay]), back[:, delay:])
    assert snr > 120


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=label)
def test_windows_match(front_end: FrontEnd) -> None:
    """Analysis times synthesis, summed over the frames of a sample, is 1 everywhere."""
    hop, n_fft = front_end.hop_length, front_end.n_fft
    product = analysis_window(front_end) * synthesis_window(front_end)
    total = np.zeros(n_fft + 30 * hop)
    for start in range(0, 30 * hop, hop):
        total[start : start + n_fft] += product
    np.testing.assert_allclose(total[n_fft : 29 * hop], 1, atol=1e-12)


@pytest.mark.parametrize("front_end", [f for f in FRONT_ENDS if f.window != "sine"], ids=label)
def test_centred_transforms(front_end: FrontEnd, utterances: Tensor) -> None:
    """Frame i is centred on sample i x hop; the inverse gives whole hops back."""
    n_fft, hop = front_end.n_fft, front_end.hop_length
    wave = utterances[:, :8001]
    spectrum = centred_stft(wave, front_end)
    assert spectrum.shape == (3, front_end.bins, 1 + 8001 // hop, 2)
    middle = 10
    frame = (
        wave[:, middle * hop - n_fft // 2 : middle * hop + n_fft // 2] if middle * hop >= n_fft // 2 else None
    )
    assert frame is not None
    expected = np.fft.rfft(frame.numpy() * analysis_window(front_end))
    assert difference(torch.view_as_real(torch.from_numpy(expected)), spectrum[:, :, middle])[0] > 120
    reflected = np.pad(wave.numpy(), ((0, 0), (n_fft // 2, 0)), mode="reflect")[:, :n_fft]
    expected = np.fft.rfft(reflected * analysis_window(front_end))
    assert difference(torch.view_as_real(torch.from_numpy(expected)), spectrum[:, :, 0])[0] > 120
    back = centred_istft(spectrum, front_end)
    whole = 8001 // hop * hop
    assert back.shape == (3, whole)
    assert difference(wave[:, :whole], back)[0] > 115


def test_unknown_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="hann, sqrt_hann, sine, rectangular"):
        STFT(FrontEnd(16000, 512, 256, "hamming"))
    with pytest.raises(ValueError, match="cover"):
        ISTFT(FrontEnd(16000, 512, 512, "hann"))
