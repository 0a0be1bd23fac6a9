"""Every layer and its twin under the contract."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from tests.contract import Signal, perturb, verify_contract, verify_exact
from tests.layers.hosts import MAPS, ROWS, SEQUENCES, WITHOUT_TIME, Bands, Halves, Host, OverTime
from zoo import layers, list_models
from zoo.create import build
from zoo.layers.attention import SelfAttention
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
    FrequencyGRU,
    GroupedGRU,
    GroupedTimeGRU,
    SequenceGRU,
    SequenceLSTM,
    TimeGRU,
    TimeLSTM,
)
from zoo.layers.stft import ISTFT, STFT, DoubleSTFT, OverlapAdd
from zoo.networks.streaming import Stateful
from zoo.registry import get_spec
from zoo.spec import Filterbank
from zoo.streaming.conversion import to_streaming


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
    Case("FrequencyGRU", lambda: Host(FrequencyGRU(8, 9)), (9, 6, 8), SEQUENCES),
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
    Case("ERBBands", lambda: Host(Bands()), (3, 4, 7, 257), MAPS),
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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_contract(case: Case) -> None:
    host = case.host
    x = torch.randn(case.shape, generator=torch.Generator().manual_seed(2))
    verify_contract(host, to_streaming(host), x, case.signal, case.signal)
    verify_exact(host, x)


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
    hosts += [Host(kind(get_spec("gtcrn").front_end)) for kind in (STFT, DoubleSTFT, ISTFT, OverlapAdd)]
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
