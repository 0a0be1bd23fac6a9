"""Training forms from public graphs and another port's files: the same network, proved, kept, or refused."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import zoo
from tests.contract import difference
from zoo import published
from zoo.artifact.golden import parity_speech
from zoo.builtin import packaged_artifact
from zoo.cli import main
from zoo.create import build, model_of
from zoo.errors import CheckpointError, SpeechZooError
from zoo.registry import get_spec
from zoo.spec import EnhancementSpec, FrontEnd
from zoo.tasks.enhancement.torch import TorchSession

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
Capture = pytest.CaptureFixture[str]
Record = Callable[[str, object], None]

GRAPHS = {  # under data, by model
    "fastenhancer_s": "public/fastenhancer_s_vd.onnx",
    "fastenhancer_48k_t": "public/fastenhancer_48k_t.onnx",
    "fastenhancer_48k_s": "public/fastenhancer_48k_s.onnx",
    "fastenhancer_t": "onnx/fastenhancer_16k_t_spec2spec.onnx",  # a GRU operator, Gemm, shared constants
    "fastenhancer_b": "onnx/fastenhancer_16k_b_wav2wav.onnx",
    "fastenhancer_m": "onnx/fastenhancer_16k_m_wav2wav.onnx",
    "fastenhancer_48k_b": "onnx/fastenhancer_48k_b_wav2wav.onnx",
}
BINARIES = {"t": "fe_tiny_48k.bin", "b": "fe_base_48k.bin", "s": "fe_small_48k.bin"}
KNOWN = {  # tags of those that the registry pins
    "fastenhancer_s_vd.onnx": "vd",
    "fastenhancer_48k_t.onnx": "48k",
    "fastenhancer_48k_s.onnx": "48k",
}
SMALL = "fastenhancer_48k_t"  # the smallest public graph


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("SPEECHZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def data(shared: Path) -> Path:
    """The folder with the public files."""
    if not (shared / "data" / GRAPHS[SMALL]).is_file():
        pytest.skip("needs ../shared/data/public: graphs and files that others published")
    return shared / "data"


@pytest.fixture
def proto(data: Path) -> onnx.ModelProto:
    """The smallest public graph, to be changed."""
    return onnx.load(data / GRAPHS[SMALL])


def enhancement_spec(name: str) -> EnhancementSpec:
    return get_spec(name, EnhancementSpec)


def refused(name: str, path: Path, cache: Path, told: str) -> None:
    """The file is refused in one sentence that names it, and nothing is left."""
    with pytest.raises(SpeechZooError, match=told) as caught:
        zoo.create_model(name, path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    assert not list(cache.rglob("*.*"))


def save(proto: onnx.ModelProto, folder: Path) -> Path:
    onnx.save(proto, folder / "x.onnx")
    return folder / "x.onnx"


@pytest.mark.parametrize("name", GRAPHS)
def test_the_training_form_computes_what_the_graph_does(
    name: str, data: Path, capsys: Capture, record_testsuite_property: Record
) -> None:
    """On speech, 100 dB; only once, and with the parameters of the whole training form."""
    path = data / GRAPHS[name]
    model = zoo.create_model(name, path)
    told = capsys.readouterr().err
    assert told.startswith(
        f"speechzoo: {name}: parameters read from {path.name}; beside the graph in ONNX Ru"
    )
    ratio = float(re.findall(r"SNR (\d+\.\d) dB", told)[0])
    record_testsuite_property(f"{name} from {path.name}", f"{ratio} dB")
    assert ratio >= 100
    assert model.provenance["source"] == KNOWN.get(path.name, path.name)
    again = zoo.create_model(name, path)
    assert capsys.readouterr().err == ""
    assert again.provenance == model.provenance
    merged = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    assert all((m.running_mean == 0).all() and (m.running_var == 1).all() for m in merged)


def test_every_size_is_read_from_both_forms(data: Path) -> None:
    """Graphs exported with the public script: all that the training form has is found."""
    paths = sorted((data / "onnx").glob("fastenhancer_*.onnx"))
    assert len(paths) == 13
    for path in paths:
        _, rate, size, _ = path.stem.split("_")
        name = f"fastenhancer_48k_{size}" if rate == "48k" else f"fastenhancer_{size}"
        params = published.read(get_spec(name), [path], "graph")
        expected = {key: tuple(value.shape) for key, value in build(get_spec(name)).state_dict().items()}
        assert {key: value.shape for key, value in params.items()} == expected, path.name


@pytest.mark.parametrize("size", BINARIES)
def test_another_ports_file_is_the_same_network(
    size: str, data: Path, record_testsuite_property: Record
) -> None:
    """Streaming forms of file and recovered checkpoint: parameters within rounding, and what they give."""
    name = f"fastenhancer_48k_{size}"
    ours = zoo.create_model(name, data / f"checkpoints/{name}.safetensors")
    theirs = zoo.create_model(name, data / "public" / BINARIES[size])
    expected, found = (zoo.to_streaming(model).state_dict() for model in (ours, theirs))
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        assert (found[key] - value).abs().max() <= 3e-7 * value.abs().max(), key
    noisy = parity_speech(48000)[None, :96000]
    a, b = (torch.from_numpy(TorchSession(model, hops=16).whole(noisy)) for model in (ours, theirs))
    ratio = difference(a, b)[0]
    record_testsuite_property(f"{name} from {BINARIES[size]}", f"{ratio:.1f} dB")
    assert ratio >= 120


@pytest.mark.parametrize(
    ("parameter", "told"),
    [
        ("enc_pre.0.weight", "enc_pre.0.weight"),
        ("encoder.1.1.bias", "encoder.1.0.bias"),
        ("rf_pre.0.weight", "rf_pre.0.weight"),
        ("rf_block.0.pe", "rf_block.0.pe"),
        ("rf_block.1.rnn.parametrizations.weight_hh_l0.original0", "rf_block.1.rnn.weight_hh_l0"),
        ("rf_block.1.rnn.bias_hh_l0", "rf_block.1.rnn.bias_hh_l0"),
        ("rf_block.0.attn.qkv.parametrizations.weight.original0", "rf_block.0.attn.qkv.weight"),
        ("rf_block.1.attn_post_norm.weight", "rf_block.1.attn_fc.weight"),
        ("dec_post.3.bias", "dec_post.3.bias"),
    ],
)
def test_a_tensor_a_thousandth_larger_is_refused_by_name(parameter: str, told: str, data: Path) -> None:
    spec, paths = get_spec(SMALL), [data / GRAPHS[SMALL]]
    params, model = published.read(spec, paths, "graph"), build(spec).eval()
    published.prove(model, params, paths, "graph")
    params[parameter] *= np.float32(1.001)
    with pytest.raises(CheckpointError, match=rf"SNR \d\d\.\d dB, .* the graph does not hold {told}$"):
        published.prove(model, params, paths, "graph")
    params[parameter] /= np.float32(1.001)
    params["dec_post.3.scale"] *= np.float32(1.001)
    with pytest.raises(CheckpointError, match=r"the graph holds every tensor of more than one number$"):
        published.prove(model, params, paths, "graph")


def test_what_is_kept_is_used_once_it_is_whole(data: Path, cache: Path, capsys: Capture) -> None:
    path = data / GRAPHS[SMALL]
    model = zoo.create_model(SMALL, path)
    (kept,) = cache.rglob("*.safetensors")
    assert str(kept) in capsys.readouterr().err
    assert zoo.create_model(SMALL, kept).provenance["sha256"] == model.provenance["sha256"]
    whole = kept.read_bytes()
    changed = bytearray(whole)
    changed[-1] ^= 1
    for content in (whole[:-9], bytes(changed), b""):
        kept.write_bytes(content)
        again = zoo.create_model(SMALL, path)
        assert "parameters read from" in capsys.readouterr().err
        assert again.provenance == model.provenance
        zoo.create_model(SMALL, path)
        assert capsys.readouterr().err == ""
    blocked = cache / "read"
    for file in blocked.iterdir():
        file.unlink()
    blocked.rmdir()
    blocked.touch()  # as a full or read-only disk, for whoever runs this
    assert zoo.create_model(SMALL, path).provenance == model.provenance
    assert f"not kept: {kept}: it cannot be written" in capsys.readouterr().err


def test_where_weights_are_named(data: Path, tmp_path: Path, capsys: Capture) -> None:
    """``convert`` finds the model by what the file holds; an ``Enhancer`` runs a graph as it is."""
    graph, other = data / GRAPHS[SMALL], data / "public" / BINARIES["t"]
    for source in (graph, other):
        assert model_of(source) == SMALL
        assert main(["convert", str(source), "-o", str(tmp_path / f"{source.stem}.safetensors")]) == 0
    noisy, heard = parity_speech(48000)[:48000], []
    for weights in (graph, tmp_path / f"{graph.stem}.safetensors", other):
        heard.append(torch.from_numpy(zoo.Enhancer(zoo.create_model(SMALL, weights))(noisy)))
    assert torch.equal(heard[0], heard[1])
    assert difference(heard[0], heard[2])[0] > 110
    as_it_is = torch.from_numpy(zoo.Enhancer(SMALL, graph)(noisy))
    assert difference(heard[0], as_it_is)[0] > 100
    capsys.readouterr()
    target = tmp_path / "y.safetensors"
    assert main(["convert", str(data / "onnx/dpcrn_stream_upstream.onnx"), "-o", str(target)]) == 1
    assert "name the model to be told why" in capsys.readouterr().err and not target.exists()
    (tmp_path / "cut.onnx").write_bytes(graph.read_bytes()[:9999])
    assert main(["convert", str(tmp_path / "cut.onnx"), "-o", str(target)]) == 1
    assert "it is damaged or cut short" in capsys.readouterr().err and not target.exists()


def test_an_artifact_of_ours_is_no_public_graph(cache: Path) -> None:
    ours = packaged_artifact(get_spec("fastenhancer_t"))
    assert ours is not None
    refused("fastenhancer_t", ours, cache, "it is an artifact of speechzoo, which runs as it is")


def test_graphs_of_others(data: Path, cache: Path) -> None:
    small = data / GRAPHS[SMALL]
    for name, path, told in (
        (
            "fastenhancer_s",
            small,
            r"model\.enc_pre\.0\.weight: expected shape \(64, 8, 2\), got \(24, 8, 2\)",
        ),
        ("fastenhancer_t", small, r"val_97: as rf_pre\.0 expected shape \(16, 64\), got \(24, 128\)"),
        ("gtcrn", small, "the parameters of gtcrn are not read from an ONNX graph"),
        ("fastenhancer_dprnn_t", small, "the parameters of fastenhancer_dprnn_t are not read"),
        (
            SMALL,
            data / "public/ulunas_stream_simple.onnx",
            r"enc_pre\.0\.weight: the graph has no constant of",
        ),
    ):
        refused(name, path, cache, told)


def test_another_hop(data: Path) -> None:
    """The same parameters at another frame rate are another network."""
    path = data / GRAPHS["fastenhancer_m"]
    spec = enhancement_spec("fastenhancer_m")
    params = published.read(spec, [path], "graph")
    for hop in (100, 256):
        model = build(replace(spec, front_end=FrontEnd(16000, 512, hop)))
        with pytest.raises(SpeechZooError, match=f"hop are 512 and 160 samples, .* 512 and {hop};"):
            published.prove(model, params, [path], "graph")


def test_graphs_with_a_fault(proto: onnx.ModelProto, tmp_path: Path, cache: Path) -> None:
    tensors = {tensor.name: tensor for tensor in proto.graph.initializer}
    matrix, bias = tensors["node_MatMul_187_weight"], tensors["model.encoder.0.0.bias"]
    kept = matrix.raw_data
    values = np.frombuffer(kept, np.float32).copy()
    values[7] = np.nan
    matrix.raw_data = values.tobytes()
    refused(SMALL, save(proto, tmp_path), cache, "node_MatMul_187_weight: it is not finite")
    matrix.raw_data = kept[:-4]
    refused(SMALL, save(proto, tmp_path), cache, "cannot be read")
    matrix.raw_data = kept
    del matrix.dims[:]
    matrix.dims.extend([10, 40])
    refused(SMALL, save(proto, tmp_path), cache, r"rnn_fc\.bias: expected shape \(10,\), got \(20,\)")
    del matrix.dims[:]
    matrix.dims.extend([20, 20])
    other = proto.graph.initializer.add()
    other.CopyFrom(tensors["model.encoder.0.0.weight"])
    other.name = "ema.encoder.0.0.weight"
    refused(SMALL, save(proto, tmp_path), cache, r"encoder\.0\.0\.weight: there are 2 candidates, ema\.")
    proto.graph.initializer.pop()
    bias.name = "renamed"
    refused(SMALL, save(proto, tmp_path), cache, "cannot be read as an ONNX graph")
    conv = next(node for node in proto.graph.node if "model.encoder.0.0.bias" in node.input)
    conv.input.pop()  # a valid graph of another network, which is read and heard as that
    proto.graph.initializer.remove(bias)
    zoo.create_model(SMALL, save(proto, tmp_path))


def test_graphs_wired_otherwise(proto: onnx.ModelProto, tmp_path: Path, cache: Path) -> None:
    """What the walk meets is not what must be there: the tensor is named."""
    made = {node.output[0]: node for node in proto.graph.node}

    def rewired(node: onnx.NodeProto, place: int, tensor: str, told: str) -> None:
        before = node.input[place]
        node.input[place] = tensor
        refused(SMALL, save(proto, tmp_path), cache, told)
        node.input[place] = before

    rewired(made["add_6"], 1, "linear_5", r"rf_block\.0\.attn_fc: .* must add one linear layer to some")
    rewired(made["linear_4"], 0, "view_3", "is expected|must read|cannot be read")
    rewired(made["scaled_dot_product_attention_1"], 1, "slice_18", r"must read|must come from")
    rewired(
        made["add_5"], 1, "add_4", r"for rf_block\.0\.pe a constant must be added here, and Add \w+ adds none"
    )
    node = made["tanh"]
    node.op_type = "Sigmoid"
    refused(SMALL, save(proto, tmp_path), cache, r"rf_block\.0\.rnn: .* must read one Tanh, and reads 0")


def test_graphs_that_compute_something_else(proto: onnx.ModelProto, tmp_path: Path, cache: Path) -> None:
    """Every parameter is where it should be, but an exponent is another: only the gate can tell."""
    power = next(node for node in proto.graph.node if node.op_type == "Pow")
    exponent = next(t for t in proto.graph.initializer if t.name == power.input[1])
    exponent.raw_data = np.float32(-0.69).tobytes()
    told = (
        r"does not compute what it does: the waveform of the training form: SNR \d+\.\d dB, .* graph holds ev"
    )
    refused(SMALL, save(proto, tmp_path), cache, told)


def test_damaged_files(data: Path, tmp_path: Path, cache: Path) -> None:
    graph = (data / GRAPHS[SMALL]).read_bytes()
    cut = tmp_path / "cut.onnx"
    for length in (len(graph) - 50, len(graph) // 2, 100, 0):
        cut.write_bytes(graph[:length])
        refused(SMALL, cut, cache, "it is damaged or cut short: download it again")
    outside = tmp_path / "outside.onnx"
    onnx.save(onnx.load(data / GRAPHS[SMALL]), outside, save_as_external_data=True, location="all.data")
    refused(SMALL, outside, cache, "the data of a tensor is outside the file, which is not read")


def binary(values: np.ndarray, *, version: int = 1, size: int = 0) -> bytes:
    """A file of fastenhancer-web."""
    payload = values.astype("<f4").tobytes()
    return struct.pack("<4s4I", b"FEW1", version, size, len(values), zlib.crc32(payload)) + payload


def test_binaries_with_a_fault(tmp_path: Path, cache: Path) -> None:
    """Made here: 28,354 values are those of FastEnhancer-T, of which zeros are the simplest."""
    values, random = np.zeros(28354, np.float32), np.random.default_rng(0).standard_normal(28354)
    values[:3000] = random[:3000]
    path, whole = tmp_path / "x.bin", bytearray(binary(values))
    wrong = whole.copy()
    wrong[1000] ^= 1
    nan = np.where(np.arange(len(values)) == 5000, np.nan, values)
    for content, told in (
        (whole[:-4], "its header tells of 28354 values, and it holds 28353; download it again"),
        (whole[:-1], "its header tells of 28354 values"),
        (whole[:18], "it does not begin with FEW1 and a header"),
        (wrong, "its CRC-32 is [0-9a-f]{8}, and its header says [0-9a-f]{8}; download it again"),
        (binary(values, version=2), "it has version 2, and version 1 is read"),
        (binary(values[:-1]), r"it ends before dec_post\.3 \(bias\); its header says FastEnhancer-T"),
        (
            binary(np.append(values, 0), size=7),
            "28354 of its 28355 values are expected; its header says size 7",
        ),
        (binary(nan), r"its values of rf_\w+.* are not finite"),
        (binary(random), r"its attention in rf_block\.0 has a bias, which the network has not"),
    ):
        path.write_bytes(content)
        refused(SMALL, path, cache, told)
    path.write_bytes(binary(values[:200]))
    refused("fastenhancer_48k_b", path, cache, "it ends before enc_pre.0")
    refused("gtcrn", path, cache, "the parameters of gtcrn are not read from an ONNX graph or another port's")


def test_zero_rows_have_no_direction(tmp_path: Path) -> None:
    """All zeros are a network too: weight norm of a row without length must not divide by it."""
    path = tmp_path / "zeros.bin"
    path.write_bytes(binary(np.zeros(28354)))
    model = zoo.create_model(SMALL, path)
    streaming = zoo.to_streaming(model)
    assert all(not value.isnan().any() for value in streaming.state_dict().values())
    assert not streaming.state_dict()["rf_block.0.rnn.weight_ih_l0"].any()


def test_kinds_are_told_by_content(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"x": torch.zeros(2)}, buffer)
    for name, content, kind in (
        ("a", b"FEW1", "binary"),
        ("a.pth", buffer.getvalue(), ""),
        ("a.onnx", b"", "graph"),
        ("graph", b"\x08\x0a\x12", "graph"),
        ("a.safetensors", b"\x08\x00\x00\x00", ""),
    ):
        (tmp_path / name).write_bytes(content)
        assert published.kind_of(tmp_path / name) == kind, name
    assert published.kind_of(tmp_path) == ""
