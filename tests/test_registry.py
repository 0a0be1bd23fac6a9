"""Names, records, and listing them where torch cannot be imported."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
import torch
from torch import nn

import zoo
from zoo.errors import SpeechZooError, UnknownModelError
from zoo.extras import install_command
from zoo.layers.attention import CausalAttention, SelfAttention
from zoo.networks.streaming import StreamingModule
from zoo.registry import find_weights, get_spec

ROOT = Path(__file__).resolve().parents[1]
OFFLINE = {"fastenhancer_huge", "fastenhancer_huge_24k", "fastenhancer_huge_48k"}
GEOMETRY = {  # of models known elsewhere: rate, transform, hop, as the papers and the public code have them
    "gtcrn": (16000, 512, 256),
    "dpcrn": (16000, 512, 256),
    "bsrnn_xxt": (16000, 512, 256),
    "bsrnn_xt": (16000, 512, 256),
    "bsrnn_t": (16000, 512, 256),
    "bsrnn_s": (16000, 512, 256),
    "fastenhancer_t": (16000, 512, 256),
    "fastenhancer_b": (16000, 512, 256),
    "fastenhancer_s": (16000, 512, 256),
    "fastenhancer_m": (16000, 512, 160),
    "fastenhancer_l": (16000, 512, 100),
    "fastenhancer_48k_t": (48000, 1024, 512),
    "fastenhancer_48k_b": (48000, 1024, 512),
    "fastenhancer_48k_s": (48000, 1024, 512),
    "fastenhancer_48k_m": (48000, 1024, 320),
    "fastenhancer_48k_l": (48000, 1024, 200),
    "fspen": (16000, 512, 256),
    "fastenhancer_huge": (16000, 512, 100),
    "fastenhancer_huge_24k": (24000, 512, 100),
    "fastenhancer_huge_48k": (48000, 1024, 200),
    "lisennet": (16000, 512, 256),
    "ulunas": (16000, 512, 256),
    "dtln": (16000, 512, 128),
}
for form, sizes in {"dprnn": "tbsml", "transformer": "tbsm", "layernorm": "b", "time_kernel": "b"}.items():
    GEOMETRY |= {f"fastenhancer_{form}_{size}": GEOMETRY[f"fastenhancer_{size}"] for size in sizes}


def test_names() -> None:
    assert set(GEOMETRY) <= set(zoo.list_models("enhancement"))
    assert set(zoo.list_models("enhancement")) <= set(zoo.list_models())
    assert zoo.list_models("cooking") == []
    assert len(set(zoo.list_models())) == len(zoo.list_models())


@pytest.mark.parametrize("name", zoo.list_models())
def test_records(name: str) -> None:
    spec = get_spec(name)
    assert spec.name == name
    for file in ("__init__.py", "model.py", "README.md"):
        assert (ROOT / "zoo/models" / spec.family / file).is_file()
    assert spec.url.startswith("https://")
    assert spec.licence
    assert spec.title
    assert spec.paper
    assert spec.parameters > 0
    assert spec.macs_per_second > 0
    with pytest.raises(FrozenInstanceError):
        spec.parameters = 1
    for weights in spec.weights:
        assert find_weights(spec, weights.tag) is weights


@pytest.mark.parametrize("name", zoo.list_models("enhancement"))
def test_geometry(name: str) -> None:
    spec = get_spec(name)
    front_end = spec.front_end
    geometry = (front_end.sample_rate, front_end.n_fft, front_end.hop_length)
    assert geometry == GEOMETRY.get(name, geometry)
    assert spec.latency == front_end.n_fft + (spec.look_ahead - 1) * front_end.hop_length
    assert front_end.bins == front_end.n_fft // 2 + 1


def test_what_is_offline() -> None:
    assert {name for name in GEOMETRY if not get_spec(name).streaming} == OFFLINE


class Counter:
    """Counts multiply-adds of a network while it runs."""

    def __init__(self, model: StreamingModule) -> None:
        self.count = 0
        for module in model.modules():
            module.register_forward_hook(self._add)

    def _add(self, module: nn.Module, inputs: tuple, output: object) -> None:
        x, y = inputs[0], output[0] if isinstance(output, tuple) else output
        if isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d)):
            # each position meets every weight once, also where the layer unfolds its input first
            self.count += x.numel() // x.shape[1] * module.weight.numel()
        elif isinstance(module, (nn.Conv1d, nn.Conv2d)):
            self.count += y.numel() * module.weight[0].numel()
        elif isinstance(module, (nn.GRU, nn.LSTM)):
            steps = x.numel() // x.shape[-1]
            self.count += steps * sum(w.numel() for n, w in module.named_parameters() if "weight" in n)
        elif isinstance(module, SelfAttention):
            self.count += 2 * x.shape[0] * x.shape[1] ** 2 * x.shape[2]
        elif isinstance(module, CausalAttention):
            self.count += 2 * x.numel() * (module.past + 1)
        elif isinstance(module, nn.Linear) or type(module).__name__ == "FilterBank":
            self.count += y.numel() * x.shape[-1]


@pytest.mark.parametrize("name", zoo.list_models("enhancement"))
def test_multiply_adds(name: str) -> None:
    """The declared count is that of the network, to one per cent."""
    model = zoo.create_model(name)
    for module in model.modules():  # weight norm would hide the plain weights from the counter
        if nn.utils.parametrize.is_parametrized(module):
            for tensor in list(module.parametrizations):
                nn.utils.parametrize.remove_parametrizations(module, tensor)
    counter = Counter(model)
    front_end = get_spec(name).front_end
    frames = 4
    with torch.no_grad():
        model(torch.randn(1, front_end.bins, frames, 2))
    counted = counter.count / frames * front_end.sample_rate / front_end.hop_length
    assert counted == pytest.approx(get_spec(name).macs_per_second, rel=0.01)


def test_listing_needs_no_torch() -> None:
    """Where torch, onnx and the networks cannot be imported, the records can still be read."""
    program = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "onnx", "safetensors", "yaml", "onnxruntime", "soundfile"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
import zoo

print(*zoo.list_models())
print(*(zoo.get_spec(name).parameters for name in zoo.list_models()))
loaded = {name.split(".")[0] for name in sys.modules}
assert not loaded & {"torch", "onnx", "onnxruntime"}, loaded
assert not [name for name in sys.modules if name.startswith("zoo.layers") or name.endswith(".model")]
try:
    zoo.create_model("gtcrn")
except ImportError as error:
    print(type(error).__name__, error)
else:
    raise SystemExit("create_model worked without torch")
"""
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    names, parameters, error = run.stdout.splitlines()
    assert names.split() == zoo.list_models()
    assert parameters.split() == [str(get_spec(name).parameters) for name in zoo.list_models()]
    assert error.startswith("MissingExtraError")
    assert install_command("torch") in error


def test_a_name_registered_twice_is_an_error(tmp_path: Path) -> None:
    """Two folders of models that claim one name, found as the registry finds its own."""
    for family in ("first", "second"):
        (tmp_path / family).mkdir()
        (tmp_path / family / "__init__.py").write_text(
            "from dataclasses import replace\n"
            "from zoo.registry import get_spec\n"
            "from zoo.models.gtcrn import SPECS as _GTCRN\n"
            f"SPECS = (replace(_GTCRN[0], name='twin', family={family!r}),)\n"
        )
    program = (
        "import zoo.models\n"
        f"zoo.models.__path__.append({str(tmp_path)!r})\n"
        "import zoo\n"
        "try:\n"
        "    zoo.list_models()\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert "model name 'twin' is registered twice: by first and by second" in run.stdout, run.stderr


@pytest.mark.parametrize(
    ("wrong", "close"),
    [
        ("gtcrm", "gtcrn"),
        ("dpcrn2", "dpcrn"),
        ("fastenhancer-t", "fastenhancer_t"),
        ("fastenhancer_48_t", "fastenhancer_48k_t"),
    ],
)
def test_unknown_names_suggest_close_ones(wrong: str, close: str) -> None:
    for ask in (get_spec, zoo.create_model, zoo.Enhancer):
        with pytest.raises(UnknownModelError, match=f"no model '{wrong}'; did you mean .*{close}") as caught:
            ask(wrong)
        assert isinstance(caught.value, SpeechZooError)
        assert isinstance(caught.value, KeyError)


def test_names_far_from_all_list_them() -> None:
    with pytest.raises(UnknownModelError) as caught:
        get_spec("xyzzy")
    for name in zoo.list_models():
        assert name in str(caught.value)


def test_unknown_tags_list_those_there_are() -> None:
    with pytest.raises(UnknownModelError, match="known tags: speechzoo, dns3, vctk"):
        find_weights(get_spec("gtcrn"), "dns9")
    nothing = replace(get_spec("gtcrn"), weights=())
    with pytest.raises(UnknownModelError, match="known tags: none"):
        find_weights(nothing, "dns3")


@pytest.mark.parametrize("name", zoo.list_models())
def test_create_model_gives_eval_mode(name: str) -> None:
    model = zoo.create_model(name)
    assert getattr(model, "form", "training") == "training"
    assert not any(module.training for module in model.modules())
    assert model.spec is get_spec(name)
