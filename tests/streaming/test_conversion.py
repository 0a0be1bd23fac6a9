"""Batch norms in front of a layer: folded exactly, or refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.contract import difference, perturb
from zoo.layers.conv import CausalConv2d
from zoo.layers.frequency_conv import StridedFrequencyConv
from zoo.layers.norm import ChannelsLastBatchNorm
from zoo.layers.recurrent import SequenceLSTM, TimeGRU, TimeLSTM
from zoo.networks.streaming import State, Stateful, StreamingModule
from zoo.registry import get_spec
from zoo.streaming.conversion import convert_parameters, to_streaming


class PreNorm(StreamingModule):
    """A norm, a layer that reads it, and perhaps a norm of what comes out."""

    def __init__(self, norm: nn.Module, layer: nn.Module, post_norm: nn.Module | None = None) -> None:
        super().__init__()
        self.spec = get_spec("gtcrn")
        self.norm, self.layer = norm, layer
        self.post_norm = post_norm or nn.Identity()
        self.folded_pre_norms = [("norm", "layer")]
        self.folded_norms = [("post_norm", "layer")] if post_norm else []
        self.name_states()

    def check_input(self, x: Tensor) -> None:
        """A layer takes any shape."""

    def process(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        if isinstance(self.layer, Stateful):
            x, state = self.layer(self.norm(x), state)
        else:
            x = self.layer(self.norm(x))
        return self.post_norm(x), state


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: PreNorm(ChannelsLastBatchNorm(5), nn.Linear(5, 7)), (8, 3, 5)),
        (lambda: PreNorm(ChannelsLastBatchNorm(5), nn.Linear(5, 7, bias=False)), (8, 3, 5)),
        (lambda: PreNorm(nn.BatchNorm1d(4), nn.Conv1d(4, 6, 1)), (8, 4, 11)),
        (lambda: PreNorm(nn.BatchNorm1d(4, affine=False), nn.Conv1d(4, 6, 3, stride=2)), (8, 4, 11)),
        (lambda: PreNorm(nn.BatchNorm2d(4, eps=1e-2), nn.Conv2d(4, 4, (2, 3), bias=False)), (8, 4, 6, 7)),
        (lambda: PreNorm(nn.BatchNorm1d(4), nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6)), (8, 4, 11)),
        (lambda: PreNorm(ChannelsLastBatchNorm(5), nn.Linear(5, 7), ChannelsLastBatchNorm(7)), (8, 5)),
        (lambda: PreNorm(ChannelsLastBatchNorm(5), SequenceLSTM(5, 7)), (9, 6, 5)),
        (lambda: PreNorm(ChannelsLastBatchNorm(5), SequenceLSTM(5, 7, bidirectional=True)), (9, 6, 5)),
        (lambda: PreNorm(ChannelsLastBatchNorm(5), TimeGRU(5, 7, rows=4)), (9, 1, 4, 5)),
        (lambda: PreNorm(ChannelsLastBatchNorm(5), TimeLSTM(5, 7, rows=4)), (9, 1, 4, 5)),
    ],
    ids=[
        "Linear",
        "Linear-no-bias",
        "Conv1d",
        "Conv1d-no-scale",
        "Conv2d-no-bias",
        "Conv1d-between-norms",
        "Linear-between-norms",
        "LSTM",
        "LSTM-both-ways",
        "TimeGRU",
        "TimeLSTM",
    ],
)
@torch.inference_mode()
def test_pre_norms_are_folded(make: Callable[[], PreNorm], shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    model = perturb(make()).eval()
    x = torch.randn(shape) + 0.5
    state = {name: torch.randn(1, *size) for name, size in model.state_shapes().items()}
    expected, twin = model.process(x, state)[0], to_streaming(model)
    assert isinstance(twin.norm, nn.Identity)
    assert difference(expected, twin.process(x, state)[0])[0] > 125
    exact = {name: value.double() for name, value in state.items()}
    expected = model.double().process(x.double(), exact)[0]
    assert difference(expected, to_streaming(model).process(x.double(), exact)[0])[0] > 250


@torch.inference_mode()
def test_a_norm_first_in_a_sequence_goes_into_the_layer_behind() -> None:
    torch.manual_seed(0)
    sequence = nn.Sequential(
        nn.BatchNorm1d(4), nn.Conv1d(4, 6, 1), nn.Tanh(), nn.Conv1d(6, 3, 1), nn.BatchNorm1d(3)
    )
    model = perturb(PreNorm(nn.BatchNorm1d(4), nn.Conv1d(4, 4, 1))).eval()
    model.layer = nn.Sequential(model.layer, perturb(sequence))
    model.folded_pre_norms = [("norm", "layer.0")]
    model.eval()
    x = torch.randn(8, 4, 11)
    twin = to_streaming(model)
    assert not [m for m in twin.modules() if isinstance(m, nn.BatchNorm1d)]
    assert difference(model(x)[0], twin(x)[0])[0] > 125


@pytest.mark.parametrize(
    "layer",
    [
        lambda: nn.Conv1d(4, 6, 3, padding=1),  # zeros before the norm are not zeros behind it
        lambda: nn.Conv1d(4, 6, 3, padding="same"),
        lambda: nn.Conv1d(4, 6, 1, groups=2),
        lambda: nn.ConvTranspose1d(4, 6, 1),
        lambda: CausalConv2d(4, 6, (2, 3), bins=7),
        lambda: StridedFrequencyConv(2, 6, 4, 2, 1),
        lambda: nn.LSTM(4, 6, bias=False),
        lambda: nn.Tanh(),
        lambda: nn.Sequential(nn.Conv1d(4, 6, 1)),
    ],
    ids=["padded", "same", "groups", "transposed", "causal", "strided", "no-bias", "activation", "sequence"],
)
def test_pre_norms_that_cannot_be_folded_are_refused(layer: Callable[[], nn.Module]) -> None:
    model = PreNorm(nn.BatchNorm1d(4), layer()).eval()
    with pytest.raises(TypeError, match="norm cannot be folded into layer after it, a"):
        convert_parameters(model)


def test_norms_that_nobody_names_are_refused() -> None:
    model = PreNorm(nn.BatchNorm1d(4), nn.Conv1d(4, 6, 1)).eval()
    model.folded_pre_norms = []
    with pytest.raises(
        TypeError, match=r"\['norm'\]; name them in folded_norms, folded_pre_norms or kept_norms"
    ):
        to_streaming(model)
