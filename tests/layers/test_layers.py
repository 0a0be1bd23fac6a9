"""Every layer and its twin under the contract, and the transforms against their definition."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from tests.contract import Signal, difference, perturb, verify_contract, verify_exact
from zoo import layers, list_models
from zoo.create import build
from zoo.layers.attention import AttentionWindow, CausalAttention, SelfAttention
from zoo.layers.conv import (
    CausalConv2d,
    CausalConvTranspose2d,
    PointwiseConv2d,
    PointwiseConvTranspose2d,
    SubbandConv2d,
    SubbandConvTranspose2d,
    Unfold,
)
from zoo.layers.dual_path import DualPathBlock
from zoo.layers.filterbank import SpeakerFeatures
from zoo.layers.frequency_conv import (
    FrequencyConv,
    NormalizedFrequencyConvTranspose,
    SkipConv,
    SkipSequential,
    StridedFrequencyConv,
)
from zoo.layers.norm import CentredNorm, ChannelsLastBatchNorm, FrameNorm
from zoo.layers.recurrent import (
    GroupedGRU,
    GroupedTimeGRU,
    SequenceGRU,
    SequenceLSTM,
    TimeGRU,
    TimeLSTM,
)
from zoo.layers.stft import ISTFT, STFT, DoubleSTFT, centred_istft, centred_stft
from zoo.networks.streaming import State, Stateful, StreamingModule
from zoo.registry import get_spec
from zoo.signal.windows import analysis_window, synthesis_window
from zoo.spec import Filterbank, FrontEnd
from zoo.streaming.conversion import to_streaming
from zoo.tasks.enhancement.spectrum import Transforms

MAPS = Signal(stream=0, time=2)  # (B, C, T, F)
ROWS = Signal(stream=0, time=1)  # (B, T, R, C), which the host turns into the layer's (T, B, R, C)
WITHOUT_TIME = Signal(stream=0, time=0)  # (B, ...): frames are folded into the streams
SEQUENCES = Signal(stream=1, time=1)  # (L, B, C)


class Host(StreamingModule):
    """One layer, and a norm behind it, as the root that is converted."""

    def __init__(self, layer: nn.Module, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.spec = get_spec("gtcrn")
        self.layer = layer
        self.norm = norm or nn.Identity()
        self.folded_norms = [("norm", "layer")] if norm else []
        self.anything = nn.Parameter(torch.zeros(1))  # tells initial_state the type
        self.name_states()

    def check_input(self, x: Tensor) -> None:
        """A layer takes any shape."""

    def process(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        if isinstance(self.layer, (TimeGRU, TimeLSTM, GroupedTimeGRU, DualPathBlock, OverTime)):
            x, state = self.layer(x.transpose(0, 1), state)
            x = x.transpose(0, 1)
        elif isinstance(self.layer, Stateful):
            x, state = self.layer(x, state)
        else:
            x = self.layer(x)
        return self.norm(x), state


class Halves(nn.Module):
    """A layer that takes two tensors, which are the halves of one."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """(B, 2 x C, T, F) -> (B, C', T, F)"""
        return self.layer(*x.chunk(2, dim=1))


class OverTime(nn.Module):
    """Attention over time with the window that it needs."""

    def __init__(self, channels: int, heads: int, *, rows: int, past: int) -> None:
        super().__init__()
        self.window = AttentionWindow(past)
        self.attention = CausalAttention(channels, heads, rows=rows, past=past)
        self.distances = nn.Parameter(torch.randn(heads, past + 1))

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(T, B, R, C) -> (T, B, R, C)"""
        bias, state = self.window(self.distances, x.shape[0], state)
        return self.attention(x, bias, state)


@dataclass(frozen=True)
class Case:
    name: str
    make: Callable[[], Host]
    shape: tuple[int, ...]
    signal: Signal

    @property
    def host(self) -> Host:
        torch.manual_seed(0)
        return perturb(self.make()).eval()


def conv_cases() -> list[Case]:
    cases = []
    shapes = [  # in, out, groups
        (6, 4, 1),
        (4, 4, 1),  # equal channels: a transposed weight has the same shape
        (4, 4, 2),
        (8, 4, 2),
        (4, 8, 2),
        (4, 4, 4),  # depthwise
        (4, 8, 4),
    ]
    kernels = [  # kernel (time, frequency), stride, dilation
        ((1, 1), 1, 1),
        ((1, 5), 2, 1),
        ((3, 3), 1, 1),
        ((3, 3), 1, 5),
        ((2, 3), 2, 1),
        ((2, 5), 4, 2),
        ((3, 1), 2, 2),
        ((2, 4), 2, 1),  # even kernels gain or lose a frequency
        ((2, 2), 4, 1),
    ]
    for kind in (CausalConv2d, CausalConvTranspose2d):
        for channels_in, channels_out, groups in shapes:
            for kernel, stride, dilation in kernels:

                def make(
                    kind: type = kind,
                    channels: tuple[int, int, int] = (channels_in, channels_out, groups),
                    kernel: tuple[int, int] = kernel,
                    stride: int = stride,
                    dilation: int = dilation,
                ) -> Host:
                    layer = kind(
                        *channels[:2],
                        kernel,
                        bins=13,
                        stride=stride,
                        dilation=dilation,
                        groups=channels[2],
                        bias=kernel != (2, 3),
                    )
                    # every other one with a norm behind it
                    folded = (kernel[1] + stride + dilation) % 2 == 0
                    return Host(layer, nn.BatchNorm2d(channels[1]) if folded else None)

                name = (
                    f"{kind.__name__}-{channels_in}to{channels_out}-groups{groups}"
                    f"-{kernel[0]}x{kernel[1]}-stride{stride}-dilation{dilation}"
                )
                cases.append(Case(name, make, (3, channels_in, 13, 13), MAPS))
    return cases


def weight_normed(layer: nn.Module, *names: str) -> nn.Module:
    for name in names:
        weight_norm(layer, name)
    return layer


def normed_attention() -> SelfAttention:
    attention = SelfAttention(24, 4)
    weight_norm(attention.qkv)
    return attention


CASES = [
    *conv_cases(),
    *(
        Case(
            f"{kind.__name__}-channels-last-stride{stride}",
            lambda k=kind, s=stride: Host(
                k(4, 6, (3, 3), bins=11, stride=s, dilation=2, groups=2, channels_last=True),
                nn.BatchNorm2d(6),
            ),
            (3, 4, 7, 11),
            MAPS,
        )
        for kind in (CausalConv2d, CausalConvTranspose2d)
        for stride in (1, 2)
    ),
    Case("Unfold", lambda: Host(Unfold(3)), (3, 3, 7, 11), MAPS),
    Case("SubbandConv2d", lambda: Host(SubbandConv2d(4, 6)), (3, 4, 7, 11), MAPS),
    Case("SubbandConvTranspose2d", lambda: Host(SubbandConvTranspose2d(4, 6)), (3, 4, 7, 11), MAPS),
    Case("SubbandConvTranspose2d-square", lambda: Host(SubbandConvTranspose2d(2, 6)), (3, 2, 7, 11), MAPS),
    Case("PointwiseConv2d", lambda: Host(PointwiseConv2d(4, 6)), (3, 4, 7, 11), MAPS),
    Case("PointwiseConvTranspose2d", lambda: Host(PointwiseConvTranspose2d(4, 6)), (3, 4, 7, 11), MAPS),
    Case(
        "PointwiseConvTranspose2d-square", lambda: Host(PointwiseConvTranspose2d(6, 6)), (3, 6, 7, 11), MAPS
    ),
    *(
        Case(
            f"StridedFrequencyConv-{kernel}-stride{stride}",
            lambda k=kernel, s=stride: Host(StridedFrequencyConv(2, 6, k, s, (k - s) // 2)),
            (3, 2, 7, 32),
            MAPS,
        )
        for kernel, stride in [(8, 4), (4, 2), (3, 1), (12, 4)]
    ),
    *(
        Case(
            f"NormalizedFrequencyConvTranspose-{kernel}-stride{stride}",
            lambda k=kernel, s=stride: Host(NormalizedFrequencyConvTranspose(6, 2, k, s, 8)),
            (3, 6, 7, 8),
            MAPS,
        )
        for kernel, stride in [(8, 4), (4, 2), (3, 1), (12, 4), (9, 3)]
    ),
    Case(
        "NormalizedFrequencyConvTranspose-square",
        lambda: Host(NormalizedFrequencyConvTranspose(4, 4, 8, 4, 8)),
        (3, 4, 7, 8),
        MAPS,
    ),
    *(
        Case(f"FrequencyConv-{k}", lambda k=k: Host(FrequencyConv(4, 6, k)), (3, 4, 7, 11), MAPS)
        for k in (1, 3, 5)
    ),
    Case("SkipConv", lambda: Host(Halves(SkipSequential(SkipConv(4, 6), nn.SiLU()))), (3, 8, 7, 11), MAPS),
    Case("TimeGRU", lambda: Host(TimeGRU(5, 7, rows=4)), (3, 9, 4, 5), ROWS),
    Case("TimeGRU-one-row", lambda: Host(TimeGRU(5, 7, rows=1)), (3, 9, 1, 5), ROWS),
    Case(
        "TimeGRU-weight-norm",
        lambda: Host(weight_normed(TimeGRU(6, 6, rows=4), "weight_ih_l0", "weight_hh_l0")),
        (3, 9, 4, 6),
        ROWS,
    ),
    Case("TimeLSTM", lambda: Host(TimeLSTM(5, 7, rows=4)), (3, 9, 4, 5), ROWS),
    Case("GroupedTimeGRU", lambda: Host(GroupedTimeGRU(8, 12, rows=4)), (3, 9, 4, 8), ROWS),
    Case("GroupedGRU", lambda: Host(GroupedGRU(8, 12)), (9, 6, 8), SEQUENCES),
    Case("GroupedGRU-both-ways", lambda: Host(GroupedGRU(8, 12, bidirectional=True)), (9, 6, 8), SEQUENCES),
    Case("SequenceGRU", lambda: Host(SequenceGRU(5, 7)), (9, 6, 5), SEQUENCES),
    Case("SequenceGRU-both-ways", lambda: Host(SequenceGRU(5, 7, bidirectional=True)), (9, 6, 5), SEQUENCES),
    Case(
        "SequenceGRU-weight-norm",
        lambda: Host(
            weight_normed(
                SequenceGRU(5, 7, bidirectional=True),
                *(f"weight_{kind}_l0{way}" for way in ("", "_reverse") for kind in ("ih", "hh")),
            )
        ),
        (9, 6, 5),
        SEQUENCES,
    ),
    Case("SequenceLSTM", lambda: Host(SequenceLSTM(5, 7)), (9, 6, 5), SEQUENCES),
    Case(
        "SequenceLSTM-both-ways", lambda: Host(SequenceLSTM(5, 7, bidirectional=True)), (9, 6, 5), SEQUENCES
    ),
    Case(
        "DualPathBlock-GRU",
        lambda: Host(DualPathBlock(GroupedGRU(8, 8, bidirectional=True), GroupedTimeGRU(8, 8, rows=5), 8, 5)),
        (3, 9, 5, 8),
        ROWS,
    ),
    Case(
        "DualPathBlock-LSTM",
        lambda: Host(DualPathBlock(SequenceLSTM(8, 4, bidirectional=True), TimeLSTM(8, 8, rows=5), 8, 5)),
        (3, 9, 5, 8),
        ROWS,
    ),
    *(
        Case(f"SelfAttention-{heads}", lambda h=heads: Host(SelfAttention(24, h)), (8, 11, 24), WITHOUT_TIME)
        for heads in (1, 3, 4)
    ),
    Case("SelfAttention-bias", lambda: Host(SelfAttention(24, 4, bias=True)), (8, 11, 24), WITHOUT_TIME),
    Case("SelfAttention-weight-norm", lambda: Host(normed_attention()), (8, 11, 24), WITHOUT_TIME),
    *(
        Case(  # in pieces of ``past`` frames, or the whole in one
            f"CausalAttention-{heads}-past-{past}",
            lambda h=heads, p=past: Host(OverTime(8, h, rows=3, past=p)),
            (3, 11, 3, 8),
            ROWS,
        )
        for heads, past in [(2, 4), (4, 5), (1, 1), (2, 11), (2, 31)]
    ),
    Case("FrameNorm", lambda: Host(FrameNorm(4, 11)), (3, 4, 7, 11), MAPS),
    Case("CentredNorm", lambda: Host(CentredNorm(5)), (8, 11, 5), WITHOUT_TIME),
    # Batch norms behind each kind of layer that has a weight to fold them into.
    Case("norm-SubbandConv2d", lambda: Host(SubbandConv2d(4, 6), nn.BatchNorm2d(6)), (3, 4, 7, 11), MAPS),
    Case(
        "norm-SubbandConvTranspose2d",
        lambda: Host(SubbandConvTranspose2d(2, 6), nn.BatchNorm2d(6)),
        (3, 2, 7, 11),
        MAPS,
    ),
    Case("norm-PointwiseConv2d", lambda: Host(PointwiseConv2d(6, 6), nn.BatchNorm2d(6)), (3, 6, 7, 11), MAPS),
    Case(
        "norm-PointwiseConvTranspose2d",
        lambda: Host(PointwiseConvTranspose2d(6, 6), nn.BatchNorm2d(6)),
        (3, 6, 7, 11),
        MAPS,
    ),
    Case(
        "norm-StridedFrequencyConv",
        lambda: Host(StridedFrequencyConv(2, 6, 8, 4, 2), nn.BatchNorm2d(6)),
        (3, 2, 7, 32),
        MAPS,
    ),
    Case(
        "norm-FrequencyConv",
        lambda: Host(FrequencyConv(4, 6, 3, bias=False), nn.BatchNorm2d(6)),
        (3, 4, 7, 11),
        MAPS,
    ),
    Case(
        "norm-SkipConv",
        lambda: Host(Halves(SkipSequential(SkipConv(4, 6, bias=False), nn.BatchNorm2d(6), nn.SiLU()))),
        (3, 8, 7, 11),
        MAPS,
    ),
    Case(
        "norm-Conv1d-no-bias",
        lambda: Host(nn.Conv1d(4, 6, 3, padding=1, bias=False), nn.BatchNorm1d(6)),
        (8, 4, 11),
        WITHOUT_TIME,
    ),
    Case(
        "norm-Conv1d-no-scale",
        lambda: Host(nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6, affine=False, eps=1e-2)),
        (8, 4, 11),
        WITHOUT_TIME,
    ),
    Case(
        "norm-Linear",
        lambda: Host(nn.Linear(5, 7, bias=False), ChannelsLastBatchNorm(7)),
        (8, 3, 5),
        WITHOUT_TIME,
    ),
    Case(
        "norm-in-Sequential",
        lambda: Host(
            nn.Sequential(
                nn.Conv1d(4, 6, 1),
                nn.BatchNorm1d(6),
                nn.SiLU(),
                nn.ConvTranspose1d(6, 6, 1),
                nn.BatchNorm1d(6),
            )
        ),
        (8, 4, 11),
        WITHOUT_TIME,
    ),
]
FRONT_ENDS = [
    FrontEnd(16000, n_fft, hop, window)
    for n_fft, hop in [(512, 256), (512, 160), (512, 100), (1024, 512), (1024, 320), (1024, 200), (400, 100)]
    for window in ("hann", "sqrt_hann", "sine")
]
REGISTERED = sorted({get_spec(name).front_end for name in list_models("enhancement")}, key=str)


def label(front_end: FrontEnd) -> str:
    return f"{front_end.n_fft}-{front_end.hop_length}-{front_end.window}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_contract(case: Case) -> None:
    host = case.host
    x = torch.randn(case.shape, generator=torch.Generator().manual_seed(2))
    verify_contract(host, to_streaming(host), x, case.signal, case.signal)
    verify_exact(host, x)


@pytest.mark.parametrize("frames", [1, 4, 5, 23])
def test_attention_over_time(frames: int) -> None:
    """Against its definition: each frame sees itself and so many before it, and none before the first."""
    torch.manual_seed(0)
    heads, past, layer = 2, 4, OverTime(6, 2, rows=3, past=4)
    x = torch.randn(frames, 2, 3, 6)
    state = {
        "seen": torch.zeros(2, past),
        **{name: torch.zeros(2, 3, heads, past, 3) for name in ("key", "value")},
    }
    with torch.no_grad():
        y, _ = layer(x, state)
        query, key, value = layer.attention.qkv(x).unflatten(-1, (heads, 3, 3)).unbind(-2)
        for t in range(frames):
            first = max(0, t - past)
            scores = torch.einsum("brhc,sbrhc->brhs", query[t], key[first : t + 1]) / 3**0.5
            scores += layer.distances[:, first - t - 1 :]
            expected = torch.einsum("brhs,sbrhc->brhc", scores.softmax(-1), value[first : t + 1])
            torch.testing.assert_close(y[t], expected.flatten(2))


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
    with pytest.raises(ValueError, match="hann, sqrt_hann, sine"):
        STFT(FrontEnd(16000, 512, 256, "hamming"))
    with pytest.raises(ValueError, match="cover"):
        ISTFT(FrontEnd(16000, 512, 512, "hann"))


@pytest.mark.parametrize(
    "host",
    [
        lambda: Host(nn.ModuleList([nn.BatchNorm1d(4)])),  # behind nothing
        lambda: Host(nn.GRU(4, 4), nn.BatchNorm1d(4)),  # behind something without one weight
        lambda: Host(
            NormalizedFrequencyConvTranspose(4, 4, 8, 4, 8), nn.BatchNorm2d(4)
        ),  # the scale would cancel
    ],
    ids=["nothing", "recurrence", "normalised-weight"],
)
def test_norms_that_cannot_be_folded_are_refused(host: Callable[[], Host]) -> None:
    with pytest.raises((TypeError, KeyError)):
        to_streaming(perturb(host()).eval())


def test_every_layer_is_covered() -> None:
    """Each module class of zoo.layers is in some case, as a layer or as a twin.

    Those without time, of which no stream is made, are where their networks are held against public ones.
    """
    hosts = [case.host for case in CASES]
    hosts += [Host(kind(FRONT_ENDS[0])) for kind in (STFT, DoubleSTFT, ISTFT)]
    covered = {
        type(module) for host in hosts for root in (host, to_streaming(host)) for module in root.modules()
    }
    others = [spec for name in list_models() if (spec := get_spec(name)).task != "enhancement"]
    smallest = {spec.family: spec for spec in sorted(others, key=lambda spec: -spec.parameters)}
    for spec in smallest.values():
        covered |= {type(module) for module in build(spec).modules()}
    covered |= {type(module) for module in SpeakerFeatures(Filterbank()).modules()}
    defined = set()
    for info in pkgutil.iter_modules(layers.__path__, "zoo.layers."):
        for value in vars(importlib.import_module(info.name)).values():
            if isinstance(value, type) and value.__module__ == info.name:
                stateful = issubclass(value, Stateful) or hasattr(value, "streaming_twin")
                if stateful or issubclass(value, nn.Module):
                    defined.add(value)
    assert len(defined) > 15
    assert not sorted(c.__qualname__ for c in defined - covered), "layers without a case in this file"
