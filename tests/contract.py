"""What every layer and every model must do, checked by one helper: ``verify_contract``."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

import zoo
from zoo.arrays import Array
from zoo.networks.streaming import State, StreamingModule
from zoo.registry import get_spec
from zoo.spec import EnhancementSpec
from zoo.streaming.conversion import norms_to_fold, to_streaming
from zoo.streaming.waveform import WaveformModel

Module = TypeVar("Module", bound=nn.Module)

SNR_DB = 110.0  # rounding of float32 stays below
LARGEST = 1e-5  # of the largest reference value
ROUNDING = 2e-6  # of the largest reference value: the same arithmetic in another order
SILENT_FRAMES = 40


def smallest_of_each(kind: Callable[[EnhancementSpec], Hashable], names: Iterable[str]) -> list[str]:
    """The model with the fewest parameters of each kind, in the registry's order of kinds."""
    smallest: dict[Hashable, EnhancementSpec] = {}
    for spec in map(get_spec, names):
        best = smallest.setdefault(kind(spec), spec)
        if spec.parameters < best.parameters:
            smallest[kind(spec)] = spec
    return [spec.name for spec in smallest.values()]


# A model is under test because it is registered.
STREAMING = [name for name in zoo.list_models("enhancement") if get_spec(name).streaming]
OFFLINE = [name for name in zoo.list_models("enhancement") if not get_spec(name).streaming]
ONE_A_NETWORK = smallest_of_each(lambda spec: (spec.network, spec.front_end.sample_rate), STREAMING)
ONE_A_FAMILY = smallest_of_each(lambda spec: (spec.family, spec.front_end.sample_rate), STREAMING)


@dataclass(frozen=True)
class Signal:
    """Which axes of a tensor are the stream and time.

    Attributes:
        stream: axis of independent streams.
        time: axis of time; the stream's own for layers without time, whose rows are independent.
        frame: elements along ``time`` that make a frame.
    """

    stream: int = 0
    time: int = 2
    frame: int = 1

    def frames(self, x: Tensor) -> int:
        return x.shape[self.time] // self.frame

    def cut(self, x: Tensor, begin: int, end: int) -> Tensor:
        """Frames ``begin`` to ``end``."""
        return x.narrow(self.time, begin * self.frame, (end - begin) * self.frame)

    def pick(self, x: Tensor, stream: int) -> Tensor:
        return x.narrow(self.stream, stream, 1)

    def join(self, parts: list[Tensor]) -> Tensor:
        return torch.cat(parts, dim=self.time)


@torch.inference_mode()
def verify_exact(training: StreamingModule, x: Tensor) -> None:
    """Check the conversion by itself: in double precision nothing is left of the difference."""
    training = copy.deepcopy(training).double()
    snr, _ = difference(training(x.double())[0], to_streaming(training)(x.double())[0])
    assert snr > 250, f"double precision: SNR {snr:.1f} dB"


@torch.inference_mode()
def verify_contract(
    training: StreamingModule,
    twin: StreamingModule,
    x: Tensor,
    source: Signal = Signal(),
    target: Signal = Signal(),
) -> tuple[float, float]:
    """Check a training form and the streaming form that was made from it.

    Args:
        training: maps ``x`` as a whole.
        twin: maps it piece by piece.
        x: at least 6 frames of at least 2 streams that differ.
        source, target: axes of the input and of the output.

    Returns:
        SNR in dB and largest difference (of the largest reference value) of frame by frame against whole.
    """
    frames, streams = source.frames(x), x.shape[source.stream]
    assert frames >= 6 and streams >= 2, "too little to show anything"
    whole, _ = training(x)
    assert target.frames(whole) == frames, "a frame in is a frame out"
    assert whole.shape[target.stream] == streams

    check_states(twin, streams)
    stepped, after = step(twin, x, source, target)
    measured = assert_same(whole, stepped, "frame by frame, against the training form on the whole")
    assert_same(whole, step(training, x, source, target)[0], "the training form frame by frame")
    check_state(twin, after, streams)
    if after:
        forgetful = [twin(source.cut(x, i, i + 1))[0] for i in range(frames)]
        assert difference(stepped, target.join(forgetful))[1] > 1e-3, "the state makes no difference"

    for size in (2, 3, frames):
        many, state = step(twin, x, source, target, size)
        assert_same(stepped, many, f"{size} frames a step, against one")
        for name, value in after.items():
            assert_same(value, state[name], f"state {name} after {size} frames a step")

    check_causal(training, x, source, target)
    check_causal(twin, x, source, target)

    again, _ = step(twin, x, source, target)
    assert torch.equal(again, stepped), "a fresh state does not give what a fresh start gave"

    if source.time != source.stream:
        for i in range(streams):
            alone, _ = step(twin, source.pick(x, i), source, target)
            assert_same(target.pick(stepped, i), alone, f"stream {i} alone, against among {streams}")

    check_silence(training, x, source, target)
    check_silence(twin, x, source, target)
    return measured


def step(
    model: StreamingModule,
    x: Tensor,
    source: Signal,
    target: Signal,
    size: int = 1,
    state: State | None = None,
) -> tuple[Tensor, State]:
    """Run ``size`` frames at a time; neither the input nor any state given may change."""
    streams = x.shape[source.stream]
    state = model.initial_state(streams) if state is None else state
    outputs = []
    for begin in range(0, source.frames(x), size):
        piece = source.cut(x, begin, min(begin + size, source.frames(x)))
        if source.time == source.stream:  # independent rows, so a piece is that many streams
            state = model.initial_state(piece.shape[source.stream])
        piece_before = piece.clone()
        before = {name: value.clone() for name, value in state.items()}
        y, after = model(piece, state)
        assert torch.equal(piece, piece_before), "the input was changed in place"
        assert before.keys() == state.keys(), "entries of the state given were added or removed"
        for name, value in before.items():
            assert torch.equal(state[name], value), f"the state given was changed in place: {name}"
        outputs.append(y)
        state = after
    return target.join(outputs), state


def check_causal(model: StreamingModule, x: Tensor, source: Signal, target: Signal) -> None:
    """What comes later changes what comes out later, and nothing before."""
    begin = source.frames(x) // 2
    future = source.cut(x, begin, source.frames(x))
    other = source.join([source.cut(x, 0, begin), 3 * future.flip(source.time) + 0.1 * future.abs().max()])
    (y, _), (changed, _) = model(x), model(other)
    past, future = (target.cut(y, 0, begin), target.cut(y, begin, target.frames(y)))
    assert_same(past, target.cut(changed, 0, begin), "the past, after a change in the future", ROUNDING)
    largest = difference(future, target.cut(changed, begin, target.frames(y)))[1]
    assert largest > 1e-2, "the input makes no difference"


def check_silence(model: StreamingModule, x: Tensor, source: Signal, target: Signal) -> None:
    """Silence first, or long silence after speech, gives finite numbers, and speech can follow."""
    streams = x.shape[source.stream]
    silence = torch.zeros_like(x)
    y, state = model(silence)
    check_finite(y, state, "silence from the start")
    state = model.initial_state(streams)
    for part in (x, *[silence] * -(-SILENT_FRAMES // source.frames(x)), x):
        y, state = model(part, state)
        check_finite(y, state, "speech, long silence, speech")


def check_finite(y: Tensor, state: State, what: str) -> None:
    assert y.isfinite().all(), f"{what}: the output is not finite"
    for name, value in state.items():
        assert value.isfinite().all(), f"{what}: state {name} is not finite"


def check_states(model: StreamingModule, streams: int) -> None:
    """Initial states are those declared, zero, and never the same memory twice."""
    state = model.initial_state(streams)
    check_state(model, state, streams)
    assert list(state) == list(model.state_shapes()), "states come in the declared order"
    assert not any(value.any() for value in state.values()), "streams start from zeros"
    again = model.initial_state(streams)
    assert not {v.data_ptr() for v in state.values()} & {v.data_ptr() for v in again.values()}


def check_state(model: StreamingModule, state: State, streams: int) -> None:
    declared = model.state_shapes()
    assert state.keys() == declared.keys()
    for name, value in state.items():
        assert tuple(value.shape) == (streams, *declared[name]), f"state {name}"
        assert value.dtype == torch.float32, f"state {name}"


def difference(reference: Tensor, candidate: Tensor) -> tuple[float, float]:
    """SNR in dB, and the largest difference over the reference's largest magnitude."""
    assert reference.shape == candidate.shape, f"{tuple(reference.shape)} and {tuple(candidate.shape)}"
    reference, candidate = reference.double(), candidate.double()
    largest = reference.abs().max().item()
    assert largest > 0, "a silent reference shows nothing"
    error = candidate - reference
    noise = error.square().sum().item()
    snr = 10 * np.log10(reference.square().sum().item() / noise) if noise else float("inf")
    return snr, error.abs().max().item() / largest


def assert_same(
    reference: Tensor, candidate: Tensor, what: str, largest: float = LARGEST
) -> tuple[float, float]:
    assert candidate.isfinite().all(), f"{what}: not finite"
    snr, error = difference(reference, candidate)
    assert snr >= SNR_DB, f"{what}: SNR {snr:.1f} dB"
    assert error <= largest, f"{what}: largest difference {error:.1e} of the peak"
    return snr, error


def random_model(name: str, speech: Callable[[int, float, float], Array]) -> StreamingModule:
    """A registered network with random weights of which every part matters to the output."""
    torch.manual_seed(0)
    return enliven(zoo.create_model(name), speech)


def enliven(model: StreamingModule, speech: Callable[[int, float, float], Array]) -> StreamingModule:
    """Make every part of a network with random weights matter to the output.

    Plain random weights shrink the signal layer by layer, until little but the biases comes out and no
    error in a state could be seen. So the batch norms scale towards the deviations found on speech; not
    all the way, which makes networks that amplify rounding as no trained one does. For that reason norms
    in front of a layer are left alone: they would make bins that hold nothing but rounding loud.
    """
    perturb(model)
    behind, _ = norms_to_fold(model)
    norms = [model.get_submodule(path) for path, _ in behind]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        WaveformModel(model.train())(
            whole_hops(speech(model.spec.front_end.sample_rate, 0.8, 0.2)[None], model)
        )
    for norm in norms:
        norm.momentum = 0.1
        norm.running_var.pow_(0.7)
    return shift_statistics(model.eval())


def whole_hops(waves: Array, model: StreamingModule) -> Tensor:
    """(B, N) -> (B, T x hop), the end dropped."""
    hop = model.spec.front_end.hop_length
    return torch.from_numpy(waves[:, : waves.shape[1] // hop * hop])


@torch.no_grad()
def perturb(model: Module, seed: int = 1) -> Module:
    """Move biases, scales, slopes, magnitudes and statistics off their initial values: a slip then shows."""
    random = torch.Generator().manual_seed(seed)
    for module in model.modules():
        norms = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)
        if isinstance(module, norms) and module.weight is not None:
            module.weight.copy_(uniform(module.weight, 0.6, 1.5, random))
        elif isinstance(module, nn.PReLU):
            module.weight.copy_(uniform(module.weight, 0.05, 0.5, random))
    for name, parameter in model.named_parameters():
        last = name.rpartition(".")[2]
        if last.startswith("bias"):
            parameter.copy_(uniform(parameter, -0.2, 0.2, random))
        elif last in ("original0", "scale"):  # magnitudes of normalised weights
            parameter.mul_(uniform(parameter, 0.7, 1.4, random))
    return shift_statistics(model, seed)


@torch.no_grad()
def shift_statistics(model: Module, seed: int = 1) -> Module:
    """Move the statistics of batch norms, each by a part of its deviation."""
    random = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            mean, variance = module.running_mean, module.running_var
            assert mean is not None and variance is not None
            mean.add_(variance.sqrt() * uniform(mean, -0.3, 0.3, random))
            variance.mul_(uniform(variance, 0.4, 2.0, random))
    return model


def uniform(like: Tensor, low: float, high: float, random: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(like.shape, generator=random)
