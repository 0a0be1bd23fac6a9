"""FastSpeech against the public implementation: weights, every activation, durations, and a training step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from scripts.voice.loss import losses
from tests.synthesis import own_name
from zoo.create import build
from zoo.errors import CheckpointError, ShapeError
from zoo.layers.length import Repeat, length_mask, repeat_counts
from zoo.models.fastspeech.model import FastSpeech
from zoo.networks.synthesis import Prediction
from zoo.registry import get_spec
from zoo.spec import SynthesisSpec
from zoo.tasks.synthesis.session import PREDICT

CASES = ("b1_crop", "b1_exact", "b1_fixed", "b1_slow")
SMALL = {
    "symbols": 149, "channels": 384, "phoneme_layers": 2, "mel_layers": 2, "heads": 2, "head_channels": 64,
    "filters": 64, "kernel": 3, "duration_filters": 32, "duration_kernel": 3, "mels": 80, "longest": 256,
}  # fmt: skip


@pytest.fixture(scope="session")
def oracle(shared: Path) -> Path:
    return shared / "oracles/fastspeech"


@pytest.fixture(scope="session")
def small(oracle: Path) -> FastSpeech:
    """The public small network with its weights."""
    return zoo.create_model("fastspeech", oracle / "checkpoint_000001.pt")


def test_full_size() -> None:
    """The public network's sizes, and all 159 names of its state dict."""
    model = zoo.create_model("fastspeech")
    state = model.state_dict()
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert (len(state), trained) == (159, 45_458_641)
    assert sum(value.numel() for value in state.values()) == model.spec.parameters == 47_032_273
    for name, shape in {
        "word_emb.weight": (149, 384),
        "mel_side.position.weight": (2049, 384),
        "phoneme_side.layer_stack.5.slf_attn.fc.weight": (384, 128),
        "mel_side.layer_stack.0.pos_ffn.w_1.weight": (1536, 384, 3),
        "length_regulator.duration_predictor.linear_layer.weight": (1, 256),
        "mel_linear.weight": (80, 384),
    }.items():
        assert tuple(state[name].shape) == shape


def test_sizes_come_from_the_checkpoint(small: FastSpeech) -> None:
    assert dict(small.spec.options) == SMALL
    assert small.longest == 256 and not small.training


def test_a_training_folder_gives_its_newest_checkpoint(
    oracle: Path, small: FastSpeech, tmp_path: Path
) -> None:
    content = torch.load(oracle / "checkpoint_000001.pt", weights_only=True)
    torch.save(content, tmp_path / "checkpoint_000009.pt")
    for value in content["model"].values():
        value += 1
    torch.save(content, tmp_path / "checkpoint_000010.pt")
    newest = zoo.create_model("fastspeech", tmp_path)
    assert torch.equal(newest.mel_linear.bias, small.mel_linear.bias + 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("module.mel_linear.weight"), "not a checkpoint of a FastSpeech"),
        (lambda c: c.pop("module.mel_linear.bias"), "1 missing: mel_linear.bias"),
        (
            lambda c: c.update({"module.mel_linear.weight": torch.ones(100, 384)}),
            "its frames have 100 mel bands, those of fastspeech have 80",
        ),
        (lambda c: c.update({"module.postnet.weight": torch.ones(1)}), "1 surplus: postnet.weight"),
        (lambda c: c["module.mel_linear.bias"].fill_(torch.nan), "1 not finite: mel_linear.bias"),
        (
            lambda c: c.update({"module.mel_side.layer_stack.1.pos_ffn.w_1.weight": torch.ones(32, 384, 3)}),
            "1 of another shape: mel_side.layer_stack.1.pos_ffn.w_1.weight",
        ),
    ],
)
def test_checkpoints_load_strictly(
    oracle: Path, tmp_path: Path, change: Callable[[dict[str, Tensor]], object], message: str
) -> None:
    content = torch.load(oracle / "checkpoint_000001.pt", weights_only=True)
    change(content["model"])
    torch.save(content, tmp_path / "changed.pt")
    with pytest.raises(CheckpointError, match=message):
        zoo.create_model("fastspeech", tmp_path / "changed.pt")


def run(model: FastSpeech, case: np.lib.npyio.NpzFile, **changes: object) -> Prediction:
    """The network on the input of a public case."""
    frames = int(case["seq_output_len"])
    arguments = {
        "ids": torch.from_numpy(case["seq"]),
        "lengths": torch.from_numpy((case["pos"] > 0).sum(1)),
        "alpha": float(case["alpha"]),
        "frames": None if frames < 0 else frames,
        **changes,
    }
    with torch.inference_mode():
        return model(arguments.pop("ids"), arguments.pop("lengths"), **arguments)


def captured(model: nn.Module, call: Callable[[], Prediction]) -> tuple[Prediction, dict[str, Tensor]]:
    """A call's result, with every module's first input and its output by the module's path."""
    values: dict[str, Tensor] = {}

    def keep(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple, output: object) -> None:
            if isinstance(output, Tensor):
                values[path], values[f"{path} input"] = output.clone(), inputs[0].clone()

        return hook

    handles = [module.register_forward_hook(keep(path)) for path, module in model.named_modules()]
    result = call()
    for handle in handles:
        handle.remove()
    return result, values


@pytest.mark.parametrize("name", CASES)
def test_public_outputs(oracle: Path, small: FastSpeech, name: str) -> None:
    """Frames, durations, repeats, and all 45 activations."""
    case = np.load(oracle / f"case_{name}.npz")
    result, values = captured(small, lambda: run(small, case))
    np.testing.assert_allclose(result.mel, case["mel"], atol=1e-5)
    np.testing.assert_allclose(result.durations, case["duration"], rtol=1e-5, atol=1e-5)
    alpha = torch.tensor(float(case["alpha"]))
    np.testing.assert_array_equal(repeat_counts(result.durations, alpha), case["repeats"])
    assert result.mel_lengths.tolist() == case["repeats"].sum(1).tolist()
    mask = length_mask(result.mel_lengths, case["mel"].shape[1])
    np.testing.assert_array_equal(mask, case["mel_mask"])
    compared = 0
    for activation in case.files:
        if activation == "act/out.seq_mask":
            found = mask.unsqueeze(2)
        elif activation == "act/act.length_regulator.dur":
            found = result.durations.round()
        elif activation.startswith("act/"):
            found = values[own_name(activation)]
        else:
            continue
        np.testing.assert_allclose(found, case[activation], atol=1e-5, err_msg=activation)
        compared += 1
    assert compared == 45


def test_a_training_step(oracle: Path, small: FastSpeech) -> None:
    """Losses, predictions and every gradient of the public trainer; its dropout was off."""
    step = {name: torch.from_numpy(value) for name, value in np.load(oracle / "train_step.npz").items()}
    spec = dataclasses.replace(small.spec, options={**small.spec.options, "dropout": 0.0})
    model = build(spec).train()
    model.load_state_dict(small.state_dict())
    lengths = (step["pos"] > 0).sum(1)
    result = model(step["seq"], lengths, durations=step["dur_tgt"], frames=step["mel_tgt"].shape[1])
    torch.testing.assert_close(result.mel, step["mel"], atol=1e-5, rtol=0)
    torch.testing.assert_close(result.log_durations, step["log_dur"], atol=1e-5, rtol=0)
    mel_loss, duration_loss = losses(result, lengths, step["mel_tgt"], step["dur_tgt"])
    assert mel_loss.item() == pytest.approx(step["mel_loss"].item(), rel=1e-6)
    assert duration_loss.item() == pytest.approx(step["dur_loss"].item(), rel=1e-6)
    (mel_loss + duration_loss).backward()
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert {f"gradnorm/{name}" for name in trained} == {name for name in step if name.startswith("gradnorm/")}
    for name, parameter in trained.items():
        assert parameter.grad.norm().item() == pytest.approx(step[f"gradnorm/{name}"].item(), rel=1e-5)


def test_padding_is_known_by_lengths(small: FastSpeech) -> None:
    """An id 0 inside a text is a token; ids behind the end mean nothing."""
    ids, lengths = torch.tensor([[5, 0, 7, 9, 9]]), torch.tensor([3])
    with torch.inference_mode():
        first = small(ids, lengths, frames=128)
        assert torch.equal(first.mel, small(torch.tensor([[5, 0, 7, 0, 1]]), lengths, frames=128).mel)
    assert first.durations[0, 3:].tolist() == [0, 0]
    past = first.mel[0, int(first.mel_lengths[0]) + 6 :]  # beyond what the convolutions reach
    assert torch.allclose(past, small.mel_linear.bias.expand_as(past), atol=1e-6)


def test_a_batch_is_each_alone_padded_as_it_is(small: FastSpeech) -> None:
    ids, lengths = torch.randint(1, 148, (3, 12)), torch.tensor([12, 7, 1])
    alpha = torch.tensor([1.0, 1.3, 0.8])
    with torch.inference_mode():
        together = small(ids, lengths, alpha=alpha, frames=200)
        for row in range(3):
            alone = small(ids[row : row + 1], lengths[row : row + 1], alpha=alpha[row : row + 1], frames=200)
            torch.testing.assert_close(together.mel[row : row + 1], alone.mel, atol=1e-5, rtol=0)
            assert together.mel_lengths[row] == alone.mel_lengths[0]


def test_forced_durations(small: FastSpeech) -> None:
    """The predicted ones change nothing; others decide; where one is negative, the predicted one is taken."""
    ids, lengths = torch.tensor([[5, 20, 7, 9]]), torch.tensor([3])
    with torch.inference_mode():
        free = small(ids, lengths, frames=128)
        assert torch.equal(small(ids, lengths, durations=free.durations, frames=128).mel, free.mel)
        forced = torch.tensor([[3.0, PREDICT, 2.5, 50.0]])
        result = small(ids, lengths, durations=forced, alpha=1.0, frames=128)
        assert result.mel_lengths.tolist() == [3 + round(free.durations[0, 1].item()) + 2]
        assert small(ids, lengths, durations=forced.abs(), alpha=2.0).mel.shape[1] == 6 + 2 + 5


def test_overflow_shows_in_the_lengths(oracle: Path, small: FastSpeech) -> None:
    case = np.load(oracle / "case_b1_crop.npz")
    cut, whole = run(small, case), run(small, case, frames=None)
    assert cut.mel.shape[1] == 16 and cut.mel_lengths.tolist() == whole.mel_lengths.tolist() == [91]
    longer = run(small, case, frames=None, durations=torch.full((1, 16), 100.0))
    assert longer.mel.shape[1] == small.longest and longer.mel_lengths.tolist() == [1600]


@pytest.mark.parametrize(
    ("ids", "lengths", "options", "message"),
    [
        ((1, 257), [257], {}, "257 tokens, and it has positions for 256"),
        ((1, 4), [5], {}, r"lengths \[5\] for ids of width 4"),
        ((1, 4), [-1], {}, r"lengths \[-1\]"),
        ((2, 4), [4], {}, r"expected ids \(B, S\) and lengths \(B,\), got \(2, 4\) and \(1,\)"),
        ((1, 4), [4], {"durations": torch.ones(1, 5)}, r"expected durations \(1, 4\), one a token"),
        ((1, 4), [4], {"frames": 300}, "300 frames"),
    ],
)
def test_what_does_not_fit(small: FastSpeech, ids: tuple, lengths: list, options: dict, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        small(torch.ones(ids, dtype=torch.long), torch.tensor(lengths), **options)


def test_silence_in_every_token(small: FastSpeech) -> None:
    result = small(torch.ones(1, 4, dtype=torch.long), torch.tensor([4]), durations=torch.zeros(1, 4))
    assert result.mel_lengths.tolist() == [0] and result.mel.shape == (1, 1, 80)


@pytest.mark.parametrize("name", zoo.list_models("synthesis"))
def test_multiply_adds(name: str) -> None:
    """The declared count is that of the network, from 128 tokens to 1024 frames."""
    spec = get_spec(name, SynthesisSpec)
    model, count = zoo.create_model(name).to("meta"), 0

    def add(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        nonlocal count
        if isinstance(module, nn.Conv1d):
            count += output.numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            count += output.numel() * module.in_features
        elif type(module).__name__ == "SelfAttention":
            count += 2 * inputs[0].shape[1] ** 2 * module.fc.in_features

    for module in model.modules():
        module.register_forward_hook(add)
    tokens, frames = spec.buckets[-1]
    mask, wide = (torch.ones(1, n, dtype=torch.bool, device="meta") for n in (tokens, frames))
    x = model.phoneme_side(torch.empty(1, tokens, spec.options["channels"], device="meta"), mask)
    model.length_regulator.predict(x, mask)
    x = Repeat()(x, torch.empty(1, tokens, device="meta"), frames)
    model.mel_linear(model.mel_side(x, wide))
    seconds = frames * spec.front_end.hop_length / spec.front_end.sample_rate
    assert spec.macs_per_second == pytest.approx(count / seconds, rel=0.01)
