"""Training forms from public graphs of speaker networks, exported here as wespeaker does it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import zoo
from tests.contract import difference
from zoo import published
from zoo.create import build, model_of
from zoo.errors import CheckpointError, SpeechZooError
from zoo.layers.pooling import AttentivePooling
from zoo.networks.speaker import SpeakerNetwork
from zoo.registry import get_spec

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
Capture = pytest.CaptureFixture[str]

MODELS = ("resnet18", "resnet50", "ecapa_c512_glob", "campplus")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("SPEECHZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class PublicPooling(torch.nn.Module):
    """``AttentivePooling`` as wespeaker writes it: one convolution over what is put side by side."""

    def __init__(self, pooling: AttentivePooling) -> None:
        super().__init__()
        self.linear1, self.linear2 = pooling.linear1, pooling.linear2

    def forward(self, x: torch.Tensor, mask: None) -> torch.Tensor:
        mean = x.mean(-1, keepdim=True).expand_as(x)
        deviation = (x.var(-1, keepdim=True) + 1e-7).sqrt().expand_as(x)
        hidden = self.linear1(torch.cat([x, mean, deviation], dim=1)).tanh()
        weights = self.linear2(hidden).softmax(2)
        mean = (weights * x).sum(2)
        return torch.cat([mean, ((weights * x**2).sum(2) - mean**2).clamp(min=1e-7).sqrt()], dim=1)


class Public(torch.nn.Module):
    """A network as wespeaker exports it: the module ``model``, and a mean that is subtracted."""

    def __init__(self, model: SpeakerNetwork) -> None:
        super().__init__()
        self.model = model
        if isinstance(model.pool, AttentivePooling):
            model.pool = PublicPooling(model.pool)
        self.register_buffer("mean_vec", torch.linspace(-1, 1, model.spec.embedding))

    def forward(self, feats: torch.Tensor) -> torch.Tensor:
        return self.model(feats) - self.mean_vec


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Public]]:
    """``public(name)``: a graph, with norms merged as the exporter does it, and what it was made from."""
    made: dict[str, tuple[Path, Public]] = {}

    def export(name: str) -> tuple[Path, Public]:
        if name not in made:
            torch.manual_seed(0)
            model = build(get_spec(name)).eval()
            for module in model.modules():
                if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                    module.running_mean.normal_(0, 0.1)
                    module.running_var.uniform_(0.5, 2)
            network, path = Public(model).eval(), tmp_path_factory.mktemp(name) / "public.onnx"
            torch.onnx.export(
                network, (torch.ones(1, 40, 80),), path, dynamo=False, opset_version=14,
                input_names=["feats"], output_names=["embs"],
                dynamic_axes={"feats": {0: "B", 1: "T"}, "embs": {0: "B"}},
            )  # fmt: skip
            made[name] = path, network
        return made[name]

    return export


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODELS)
def test_the_training_form_computes_what_the_graph_does(
    name: str, public: Callable[[str], tuple[Path, Public]], capsys: Capture
) -> None:
    """On features of speech, 100 dB; the graph's mean is part of the bias, and the model is recognised."""
    path, network = public(name)
    model = zoo.create_model(name, path)
    told = capsys.readouterr().err
    assert float(re.findall(r"SNR (\d+\.\d) dB", told)[0]) >= 100
    feats = torch.randn(2, 250, 80)
    with torch.inference_mode():
        assert difference(network(feats), model(feats))[0] > 100
    assert model_of(path) == name
    zoo.create_model(name, path)
    assert capsys.readouterr().err == ""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "parameter", "told"),
    [
        ("resnet18", "layer2.0.bn1.weight", "layer2.0.conv1.weight"),
        ("resnet18", "layer3.0.shortcut.1.bias", "layer3.0.shortcut.0.bias"),
        ("ecapa_c512_glob", "bn.weight", "bn.weight"),
        ("campplus", "xvector.out_nonlinear.batchnorm.weight", "xvector.transit3.linear.weight"),
    ],
)
def test_a_tensor_a_thousandth_larger_is_refused_by_name(
    name: str, parameter: str, told: str, public: Callable[[str], tuple[Path, Public]]
) -> None:
    paths, spec = [public(name)[0]], get_spec(name)
    params = published.read(spec, paths, "graph")
    params[parameter] *= np.float32(1.001)
    with pytest.raises(CheckpointError, match=rf"SNR \d\d\.\d dB, .* the graph does not hold .*{told}"):
        published.prove(build(spec).eval(), params, paths, "graph")


@pytest.mark.filterwarnings("ignore")
def test_graphs_of_others_and_with_a_fault(
    public: Callable[[str], tuple[Path, Public]], tmp_path: Path, cache: Path
) -> None:
    small, other = public("resnet18")[0], public("ecapa_c512_glob")[0]
    proto = onnx.load(small)
    node = next(node for node in proto.graph.node if node.op_type == "Relu")
    node.op_type = "Tanh"
    onnx.save(proto, tmp_path / "tanh.onnx")
    for name, path, told in (
        (
            "resnet34",
            small,
            r"for layer4\.2 an operator Add is|for layer4\.\d Add .* must add 2 convolutions",
        ),
        ("resnet18", other, r"seg_1\.weight: the graph has no constant of this name"),
        (
            "resnet18",
            tmp_path / "tanh.onnx",
            "for conv1 an operator Relu is expected|must add 2 convolutions",
        ),
        ("ecapa_c512", other, r"1 of another shape: pool\.linear1\.weight"),
        ("ecapa_c512", small, r"linear\.weight: the graph has no constant of this name"),
        (
            "campplus",
            small,
            r"xvector\.block1\.tdnnd1\.cam_layer\.linear1\.weight: the graph has no constant",
        ),
        ("eres2net_base", small, "the parameters of eres2net_base are not read from an ONNX graph"),
    ):
        with pytest.raises(SpeechZooError, match=told) as caught:
            zoo.create_model(name, path)
        assert str(caught.value).startswith(f"{path}: ")
    assert not list(cache.rglob("*.*"))
