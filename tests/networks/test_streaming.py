"""States that belong to another model, and what a conversion leaves alone."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch

import zoo
from tests.contract import ONE_A_FAMILY, difference, random_model
from zoo.errors import SpeechZooError, StateError
from zoo.layers.conv import CausalConv2d
from zoo.networks.streaming import StreamingModule
from zoo.registry import get_spec
from zoo.streaming.waveform import WaveformModel

FORMS = ["spec2spec", "wav2wav"]


@pytest.fixture(scope="module")
def gtcrn(speech: Callable) -> StreamingModule:
    return random_model("gtcrn", speech)


def frame(form: str, batch: int = 1, name: str = "gtcrn") -> torch.Tensor:
    front_end = get_spec(name).front_end
    shape = (batch, front_end.bins, 1, 2) if form == "spec2spec" else (batch, front_end.hop_length)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("form", FORMS)
def test_state_of_another_model(form: str, gtcrn: StreamingModule) -> None:
    """Refused, with what is missing and what is surplus; both ways round."""
    ours = zoo.to_streaming(gtcrn, form)
    theirs = zoo.to_streaming(zoo.create_model("dpcrn"), form)
    for model, other in ((ours, theirs), (theirs, ours)):
        with pytest.raises(StateError) as caught:
            model(frame(form), other.initial_state())
        message = str(caught.value)
        assert model.spec.name in message
        assert "initial_state()" in message
        missing, surplus = message.split("missing ")[1].split("; surplus ")
        for name in model.state_shapes().keys() - other.state_shapes().keys():
            assert name in missing
        for name in other.state_shapes().keys() - model.state_shapes().keys():
            assert name in surplus


def test_state_of_the_other_form(gtcrn: StreamingModule) -> None:
    """spec2spec has the network's own states; wav2wav has them and those of the transforms."""
    spec, wave = (zoo.to_streaming(gtcrn, form) for form in FORMS)
    assert wave.state_shapes().keys() - spec.state_shapes().keys() == {"stft.past", "istft.overlap"}
    assert spec.state_shapes().keys() <= wave.state_shapes().keys()
    with pytest.raises(StateError, match=r"missing none; surplus .*stft\.past"):
        spec(frame("spec2spec"), wave.initial_state())
    with pytest.raises(StateError, match=r"missing .*stft\.past.*; surplus none"):
        wave(frame("wav2wav"), spec.initial_state())


@pytest.mark.parametrize("form", [*FORMS, "training"])
def test_names_that_are_missing_or_surplus(form: str, gtcrn: StreamingModule) -> None:
    model = gtcrn if form == "training" else zoo.to_streaming(gtcrn, form)
    x = frame("wav2wav" if form == "wav2wav" else "spec2spec")
    state = model.initial_state()
    lost = next(iter(state))
    with pytest.raises(StateError, match=f"missing {lost}; surplus none"):
        model(x, {name: value for name, value in state.items() if name != lost})
    with pytest.raises(StateError, match="missing none; surplus mine"):
        model(x, {**state, "mine": torch.zeros(1)})
    with pytest.raises(StateError, match=f"missing {', '.join(state)}; surplus none"):
        model(x, {})


@pytest.mark.parametrize("form", FORMS)
def test_another_number_of_streams(form: str, gtcrn: StreamingModule) -> None:
    model = zoo.to_streaming(gtcrn, form)
    with pytest.raises(StateError, match=r"expected shape \(2, .* got \(3, .*initial_state\(batch=2\)"):
        model(frame(form, batch=2), model.initial_state(3))
    state = model.initial_state(2)
    name = list(state)[-1]
    with pytest.raises(StateError, match=name):
        model(frame(form, batch=2), {**state, name: state[name][..., :-1]})


def test_state_of_another_size() -> None:
    """Names are the same for all sizes of a family, shapes are not."""
    small, large = (zoo.to_streaming(zoo.create_model(f"fastenhancer_{size}")) for size in "bs")
    assert small.state_shapes().keys() == large.state_shapes().keys()
    with pytest.raises(StateError, match=r"expected shape \(1, 24, 36\), got \(1, 36, 48\)"):
        small(frame("spec2spec"), large.initial_state())


def test_state_errors_are_ours() -> None:
    assert issubclass(StateError, SpeechZooError)
    assert issubclass(StateError, ValueError)


@pytest.mark.parametrize("shape", [(1, 256, 1, 2), (1, 257, 1), (1, 257, 0, 2), (257, 1, 2), (1, 257, 1, 1)])
def test_spectra_of_another_shape(shape: tuple[int, ...], gtcrn: StreamingModule) -> None:
    for model in (gtcrn, zoo.to_streaming(gtcrn)):
        with pytest.raises(SpeechZooError, match=r"gtcrn: .*\(B, 257, T, 2\)"):
            model(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(1, 255), (1, 300), (1, 0), (256,), (1, 1, 256)])
def test_waveforms_of_another_shape(shape: tuple[int, ...], gtcrn: StreamingModule) -> None:
    with pytest.raises(SpeechZooError, match=r"gtcrn: .*256"):
        zoo.to_streaming(gtcrn, "wav2wav")(torch.zeros(shape))


@pytest.mark.parametrize("name", ONE_A_FAMILY)
@pytest.mark.parametrize("form", FORMS)
def test_conversion_leaves_the_training_form_alone(name: str, form: str, speech: Callable) -> None:
    """Parameters, modules, state names and outputs are those from before, and nothing is shared."""
    model = random_model(name, speech)
    before, modules = copy.deepcopy(model.state_dict()), [path for path, _ in model.named_modules()]
    types = [type(module) for module in model.modules()]
    shapes, trainable = model.state_shapes(), [p.requires_grad for p in model.parameters()]
    x = frame("spec2spec", name=name)
    with torch.no_grad():
        y, _ = model(x)
    twin = zoo.to_streaming(model, form)
    with torch.no_grad():
        for parameter in (*twin.parameters(), *twin.buffers()):
            parameter.zero_()
        twin(frame(form, name=name))
        again, _ = model(x)
    assert torch.equal(again, y)
    assert y.abs().max() > 0
    assert [path for path, _ in model.named_modules()] == modules
    assert [type(module) for module in model.modules()] == types
    assert [p.requires_grad for p in model.parameters()] == trainable
    assert model.state_shapes() == shapes
    assert model.form == "training"
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], value) for key, value in before.items())


@pytest.mark.parametrize("first", FORMS)
@pytest.mark.parametrize("second", FORMS)
def test_converting_twice_is_refused(first: str, second: str, gtcrn: StreamingModule) -> None:
    with pytest.raises(
        ValueError, match=f"gtcrn is a {first} streaming form already; pass the training form"
    ):
        zoo.to_streaming(zoo.to_streaming(gtcrn, first), second)


def test_unknown_form(gtcrn: StreamingModule) -> None:
    with pytest.raises(ValueError, match="'wav' is neither spec2spec nor wav2wav"):
        zoo.to_streaming(gtcrn, "wav")


def test_conversion_from_training_mode(gtcrn: StreamingModule) -> None:
    """A network left in training mode gives the same streaming form, in eval mode, and stays as it was."""
    x = frame("spec2spec", batch=2)
    with torch.no_grad():
        expected, _ = zoo.to_streaming(gtcrn)(x)
        busy = copy.deepcopy(gtcrn).train()
        twin = zoo.to_streaming(busy)
        assert torch.equal(twin(x)[0], expected)
    assert busy.training
    assert not any(module.training for module in twin.modules())


@pytest.mark.parametrize("name", ONE_A_FAMILY)
@pytest.mark.parametrize("form", FORMS)
def test_conversion_after_training(name: str, form: str, speech: Callable) -> None:
    """A network that has just been trained, its gradients still there, is converted as it is now."""
    model = random_model(name, speech).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    x = frame("spec2spec", batch=2, name=name)
    before = zoo.to_streaming(random_model(name, speech))
    y, _ = model(x)
    y.square().mean().backward()
    optimizer.step()
    assert zoo.to_streaming(model, form).form == form
    model.eval()
    with torch.no_grad():
        expected, _ = model(x)
        snr, _ = difference(expected, zoo.to_streaming(model)(x)[0])
        assert snr > 110
        assert difference(expected, before(x)[0])[0] < 100, "the step changed nothing"


@pytest.mark.parametrize("name", ONE_A_FAMILY)
def test_conversion_keeps_the_type(name: str) -> None:
    """A network in double precision has a streaming form in double precision, states included."""
    twin = zoo.to_streaming(zoo.create_model(name).double(), "wav2wav")
    y, state = twin(frame("wav2wav", name=name).double())
    assert {value.dtype for value in (y, *state.values(), *twin.parameters())} == {torch.float64}


def test_what_was_converted_is_known(gtcrn: StreamingModule) -> None:
    for form in FORMS:
        twin = zoo.to_streaming(gtcrn, form)
        assert twin.converted_from == (gtcrn,)
        assert twin.spec == gtcrn.spec
        assert not any(module is gtcrn for module in twin.modules()), "it is not a part of it"


def test_state_names_are_paths(gtcrn: StreamingModule) -> None:
    """A state is named by the layer that owns it, the same inside a waveform model."""
    names = gtcrn.state_shapes()
    for name in names:
        gtcrn.get_submodule(name.rpartition(".")[0])
    assert "dpgrnn1.inter_rnn.hidden" in names
    assert list(WaveformModel(gtcrn).state_shapes()) == ["stft.past", *names, "istft.overlap"]


def test_one_state_may_branch(gtcrn: StreamingModule, speech: Callable) -> None:
    """Two continuations from one state do not touch each other: a state is an argument."""
    model = zoo.to_streaming(gtcrn, "wav2wav")
    hops = torch.from_numpy(speech(16000, 0.8, 0.16))[None].split(256, dim=1)
    with torch.inference_mode():
        state = model.initial_state()
        for hop in hops[:5]:
            _, state = model(hop, state)
        first, _ = model(hops[5], state)
        other, _ = model(-3 * hops[7], state)
        again, _ = model(hops[5], state)
    assert torch.equal(first, again)
    assert difference(first, other)[1] > 1e-2


def test_layers_without_memory_have_no_state() -> None:
    assert CausalConv2d(2, 2, (1, 5), bins=9).state_shapes() == {}
    assert CausalConv2d(2, 2, (3, 5), bins=9, dilation=2).state_shapes() == {"past": (2, 4, 9)}
