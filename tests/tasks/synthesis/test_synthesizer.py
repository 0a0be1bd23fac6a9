"""Text to speech as graphs: the export's gate, sizes, batches, the synthesizer, the command line."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import torch
from onnx import numpy_helper

import zoo
from converters.subjects.synthesis import default_buckets, export_synthesis
from converters.targets.tracing import FORBIDDEN
from converters.tensorrt.precision import check_reduced, own_feeds, reduce_precision
from converters.tensorrt.profiles import complete_profiles
from scripts import export_synthesis as script
from tests.artifact.test_engine import RECORD
from tests.test_readme import snippet
from zoo.artifact.engine import read_engine_record, record_path
from zoo.artifact.manifest import METADATA_KEY, Manifest, SynthesisManifest
from zoo.builtin import packaged_artifact
from zoo.cli import main
from zoo.errors import (
    ArtifactError,
    CheckpointError,
    MissingExtraError,
    ParityError,
    TextError,
    UnknownModelError,
)
from zoo.files import sha256_of
from zoo.models.fastspeech.model import FastSpeech
from zoo.registry import get_spec
from zoo.runtime.nvidia import find_gpu
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import MelSpectrum
from zoo.tasks.synthesis.engine_config import read_engine_config
from zoo.tasks.synthesis.session import Utterance, inputs
from zoo.tasks.synthesis.synthesizer import Synthesizer
from zoo.text.sentences import SENTENCE_PAUSE
from zoo.text.symbols import encode
from zoo.vocoder.griffin_lim import GriffinLim

Capture = pytest.CaptureFixture[str]

SIZES = ((16, 128), (32, 256))
TEXT = "Hello there. It cost £20!"


@pytest.fixture(scope="session")
def graphs(fastspeech_checkpoint: Path, cache_folder: Path) -> Path:
    """The small public network's graphs of ``SIZES``, and one in a folder of its own with a free batch."""
    from filelock import FileLock

    folder = cache_folder / "fastspeech"
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            words = ["--weights", str(fastspeech_checkpoint), "--output"]
            sizes = ["--buckets", *(f"{tokens}/{frames}" for tokens, frames in SIZES)]
            assert script.main([*words, str(folder), *sizes]) == 0
            many = ["--buckets", "16/128", "--batch", "0"]
            assert script.main([*words, str(folder / "many"), *many]) == 0
    return folder


@pytest.fixture(scope="session")
def files(graphs: Path) -> list[Path]:
    return [graphs / f"fastspeech.i{tokens}.o{frames}.onnx" for tokens, frames in SIZES]


def manifest_of(path: Path) -> SynthesisManifest:
    (record,) = onnx.load(path).metadata_props
    manifest = Manifest.from_json(record.value, str(path))
    assert isinstance(manifest, SynthesisManifest)
    assert manifest.to_json() == record.value
    return manifest


def padded(model: FastSpeech, values: tuple[np.ndarray, ...], frames: int) -> tuple[np.ndarray, ...]:
    """The training form padded to a size."""
    ids, lengths, alpha, forced = map(torch.from_numpy, values)
    with torch.inference_mode():
        result = model(ids, lengths, alpha=alpha, durations=forced, frames=frames)
    return result.mel.numpy(), result.mel_lengths.numpy(), result.durations.numpy()


def test_graphs_compute_what_the_network_does(small_fastspeech: FastSpeech, files: list[Path]) -> None:
    """All outputs within 1e-4 of PyTorch padded to the same size, padding included; cut frames show."""
    random = np.random.default_rng(3)
    for path, (tokens, frames) in zip(files, SIZES, strict=True):
        graph = OnnxGraph(path)
        for length, alpha in ((tokens, 1.0), (tokens // 3, 1.3), (1, 0.5), (tokens, 2.5)):
            text = Utterance(tuple(random.integers(0, 148, length).tolist()), alpha)
            mel, lengths, durations = graph(*(values := inputs([text], tokens)))
            expected = padded(small_fastspeech, values, frames)
            assert mel.shape == (1, frames, 80) and durations.shape == (1, tokens)
            np.testing.assert_allclose(mel, expected[0], atol=1e-4)
            np.testing.assert_allclose(durations, expected[2], atol=1e-4)
            assert lengths.tolist() == expected[1].tolist()
        assert lengths[0] > frames  # the last one did not fit, and says so


def test_public_outputs(shared: Path, files: list[Path]) -> None:
    """The public cases of 16 tokens to 128 frames, in ONNX Runtime."""
    graph = OnnxGraph(files[0])
    for name in ("b1_fixed", "b1_slow"):
        case = np.load(shared / f"oracles/fastspeech/case_{name}.npz")
        text = Utterance(tuple(case["seq"][0, : (case["pos"] > 0).sum()].tolist()), float(case["alpha"]))
        mel, lengths, durations = graph(*inputs([text], 16))
        np.testing.assert_allclose(mel, case["mel"], atol=1e-4)
        np.testing.assert_allclose(durations, case["duration"], atol=1e-4)
        assert lengths.tolist() == case["mel_mask"].sum(1).tolist()


def test_random_durations_in_onnx_runtime(files: list[Path], small_fastspeech: FastSpeech) -> None:
    """A thousand forced vectors with zeros and halves: as many frames as numpy's rounding gives."""
    random, graph = np.random.default_rng(5), OnnxGraph(files[0])
    ids = tuple(range(1, 17))
    for _ in range(100):
        forced = random.integers(0, 24, 16) / 2 * (random.random(16) < 0.8)
        alpha = float(random.choice([0.5, 1.0, 1.5]))
        _, lengths, _ = graph(*inputs([Utterance(ids, alpha, tuple(forced))], 16))
        assert lengths[0] == np.rint(np.float32(forced) * np.float32(alpha)).sum()


def test_a_batch_of_any_number(small_fastspeech: FastSpeech, graphs: Path) -> None:
    (path,) = (graphs / "many").glob("*.onnx")
    manifest, graph = manifest_of(path), OnnxGraph(path)
    assert manifest.batch == "batch" and graph.inputs[0].shape == ("batch", 16)
    for batch in (1, 2, 5):
        texts = [Utterance(tuple(range(1, 4 + row)), 1.0 + row / 4) for row in range(batch)]
        values = inputs(texts, 16)
        for found, expected in zip(graph(*values), padded(small_fastspeech, values, 128), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-4)


def test_only_native_operators(files: list[Path]) -> None:
    """Nothing that TensorRT has to turn into a loop, and no shape that depends on data."""
    graph = onnx.load(files[0]).graph
    operators = {node.op_type for node in graph.node}
    assert not operators & (
        FORBIDDEN | {"CumSum", "GatherND", "GatherElements", "Compress", "Resize", "Shape"}
    )
    assert {"Gather", "Round", "Softmax", "LayerNormalization"} <= operators
    assert {i.name for i in graph.input} == {"ids", "lengths", "alpha", "forced"}
    assert {o.name for o in graph.output} == {"mel", "mel_lengths", "durations"}


def test_the_file_explains_itself(files: list[Path], fastspeech_checkpoint: Path) -> None:
    manifest = manifest_of(files[1])
    assert (manifest.model, manifest.task) == ("fastspeech", "synthesis")
    assert (manifest.tokens, manifest.frames, manifest.batch) == (32, 256, 1)
    assert manifest.front_end.sample_rate == 22050 and len(manifest.symbols) == 148
    assert manifest.weights["source"] == fastspeech_checkpoint.name and len(manifest.weights["sha256"]) == 64
    assert manifest.golden is not None and manifest.golden.ids == encode("the sun was low abov").ids
    assert zoo.verify(files[1]).passed


def changed(path: Path, tmp_path: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    proto = onnx.load(path)
    change(proto)
    onnx.save(proto, tmp_path / "changed.onnx")
    return tmp_path / "changed.onnx"


def scale(name: str) -> Callable[[onnx.ModelProto], None]:
    def change(proto: onnx.ModelProto) -> None:
        (tensor,) = (t for t in proto.graph.initializer if t.name.endswith(name))
        values = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(values * np.float32(1.01), tensor.name))

    return change


@pytest.mark.parametrize(
    ("name", "tensor"),
    [("mel_linear.bias", "mel"), ("duration_predictor.conv1d_2.bias", "durations: token")],
)
def test_verify_notices_changed_weights(files: list[Path], tmp_path: Path, name: str, tensor: str) -> None:
    with pytest.raises(ParityError, match=tensor):
        zoo.verify(changed(files[0], tmp_path, scale(name)))


def test_a_changed_record_is_refused(files: list[Path], tmp_path: Path) -> None:
    manifest = manifest_of(files[0])

    def with_record(**changes: object) -> Path:
        text = dataclasses.replace(manifest, **changes).to_json()
        return changed(files[0], tmp_path, lambda p: onnx.helper.set_model_props(p, {METADATA_KEY: text}))

    with pytest.raises(ArtifactError, match="its tensors are"):
        OnnxGraph(with_record(frames=64))
    with pytest.raises(ArtifactError, match="carries no golden text"):
        zoo.verify(with_record(golden=None))
    broken = dataclasses.replace(manifest.golden, mel="?")
    with pytest.raises(ArtifactError, match="its golden text is damaged"):
        zoo.verify(with_record(golden=broken))


def test_a_wrong_graph_leaves_no_file(
    small_fastspeech: FastSpeech, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One weight of the exported graph is 0.1 % off: the export fails and says where."""
    import converters.synthesis as exporter

    def trace(*arguments: object) -> onnx.ModelProto:
        proto = original(*arguments)
        (last,) = (node for node in proto.graph.node if "model.mel_linear.bias" in node.input)
        (tensor,) = (t for t in proto.graph.initializer if t.name == last.input[1])
        values = numpy_helper.to_array(tensor).copy()
        values.flat[np.abs(values).argmax()] *= 1.001
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        return proto

    original = exporter.trace
    monkeypatch.setattr(exporter, "trace", trace)
    with pytest.raises(ParityError, match=r"mel: SNR .* at frame .*would pass with Tolerance"):
        export_synthesis(small_fastspeech, tmp_path / "x.onnx", tokens=8, frames=32)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokens": 257}, "257 tokens and 128 frames: each must be from 1 to 256"),
        ({"frames": 0}, "16 tokens and 0 frames"),
        ({"batch": 0}, "batch is a number from 1"),
        ({"batch": "many"}, "batch is a number from 1"),
        ({"opset": 17}, "opset 17 is not one from 18 to 23"),
    ],
)
def test_what_cannot_be_exported(
    small_fastspeech: FastSpeech, tmp_path: Path, options: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        export_synthesis(small_fastspeech, tmp_path / "x.onnx", **{"tokens": 16, "frames": 128, **options})
    assert os.listdir(tmp_path) == []


def test_default_sizes(small_fastspeech: FastSpeech) -> None:
    assert default_buckets(small_fastspeech) == [(32, 256)]  # it has positions for 256
    assert default_buckets(zoo.create_model("fastspeech")) == [(32, 256), (64, 512), (96, 768), (128, 1024)]


# zoo.Synthesizer


@pytest.fixture(scope="session")
def synthesizer(files: list[Path]) -> Synthesizer:
    return Synthesizer(files, vocoder=GriffinLim(MelSpectrum(), iterations=3))


def test_speech(synthesizer: Synthesizer) -> None:
    speech = synthesizer(TEXT)
    assert [piece.text for piece in speech.pieces] == ["hello there.", "it cost twenty pounds!"]
    assert [piece.pause for piece in speech.pieces] == [SENTENCE_PAUSE, 0]
    frames = [int(np.rint(durations).sum()) for durations in speech.durations]
    assert speech.mel.shape == (sum(frames), 80) and speech.sample_rate == 22050
    pause = round(SENTENCE_PAUSE * 22050)
    assert speech.waveform.shape == (sum(frames) * 256 + pause,)
    begin = frames[0] * 256
    assert not speech.waveform[begin : begin + pause].any() and speech.waveform[begin + pause :].any()


def test_the_smallest_size_that_fits(synthesizer: Synthesizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """By tokens, and where the frames turn out too many, the next; those of one size go together."""
    calls: list[tuple[int, int]] = []
    original = synthesizer.session.run

    def run(utterances: list[Utterance], bucket: int) -> list:
        calls.append((len(utterances), bucket))
        return original(utterances, bucket)

    monkeypatch.setattr(synthesizer.session, "run", run)
    short, long = Utterance((5, 6, 7), forced=(9, 9, 9)), Utterance((5,) * 20, forced=(5,) * 20)
    slow = Utterance((5, 6, 7), forced=(50, 50, 50))
    found = synthesizer.frames([long, short, slow, short])
    assert calls == [(3, 0), (2, 1)]
    assert [frames.wanted for frames in found] == [100, 27, 150, 27] == [len(frames.mel) for frames in found]
    np.testing.assert_array_equal(found[1].mel, found[3].mel)


def test_a_graph_with_a_batch(
    graphs: Path, synthesizer: Synthesizer, small_fastspeech: FastSpeech, tmp_path: Path
) -> None:
    """A free batch and a fixed one give what each alone gives."""
    export_synthesis(small_fastspeech, tmp_path / "x.onnx", tokens=16, frames=128, batch=2)
    texts = [Utterance(tuple(range(1, 5 + i)), forced=tuple([4.0] * (4 + i))) for i in range(3)]
    expected = synthesizer.frames(texts)
    for source in (graphs / "many", tmp_path):
        for found, alone in zip(Synthesizer(source).frames(texts), expected, strict=True):
            np.testing.assert_allclose(found.mel, alone.mel, atol=1e-4)
            np.testing.assert_allclose(found.durations, alone.durations, atol=1e-4)


def test_long_text_is_split(synthesizer: Synthesizer) -> None:
    text = "One sentence, and another clause of it; then a third one, which goes on and on. " * 3
    speech = synthesizer(text, alpha=2.0)
    assert len(speech.pieces) > 6
    assert " ".join(piece.text for piece in speech.pieces) == zoo.tasks.synthesis.synthesizer.normalise(text)
    longest = max(len(encode(piece.text).ids) for piece in speech.pieces)
    assert longest <= 32 and all(len(d) <= 32 for d in speech.durations)


def test_alpha(synthesizer: Synthesizer) -> None:
    lengths = [len(synthesizer("hello there", alpha=alpha).mel) for alpha in (0.5, 1.0, 2.0)]
    durations = synthesizer("hello there").durations[0]
    assert lengths == [int(np.rint(durations * np.float32(a)).sum()) for a in (0.5, 1, 2)]
    for alpha in (0, 0.05, 20, float("nan"), -1):
        with pytest.raises(ValueError, match=r"expected from 0\.1 to 10"):
            synthesizer("hello", alpha=alpha)


def test_pytorch_gives_the_same(
    synthesizer: Synthesizer, small_fastspeech: FastSpeech, fastspeech_checkpoint: Path
) -> None:
    """Without padding, so the last frames differ a little; its durations are the graph's."""
    ids = tuple(range(1, 17))
    for source in (Synthesizer(small_fastspeech), Synthesizer("fastspeech", fastspeech_checkpoint)):
        assert source.backend == "torch"
        (own,) = source.frames([Utterance(ids)])
        (graph,) = synthesizer.frames([Utterance(ids)])
        np.testing.assert_allclose(own.durations, graph.durations, atol=1e-4)
        assert own.wanted == graph.wanted
        both = slice(0, own.wanted // 2)
        assert np.abs(own.mel[both] - graph.mel[both]).mean() < 0.05


def test_unknown_characters_are_reported(synthesizer: Synthesizer) -> None:
    speech = synthesizer("Hello ~ there 🙂")
    assert speech.unknown == ("~", "🙂")
    with pytest.raises(TextError, match="nothing in it can be spoken; it has no symbols for 🙂"):
        synthesizer("🙂")
    with pytest.raises(TextError, match="nothing in it can be spoken"):
        synthesizer(" ")


def test_a_dictionary(files: list[Path], tmp_path: Path, capsys: Capture) -> None:
    """Known words go in as phonemes; others stay in letters, and are told."""
    words = tmp_path / "words.dict"
    words.write_text("hello HH AH0 L OW1\n")
    speech = Synthesizer(files, dictionary=words)("Hello zyx.")
    assert [piece.text for piece in speech.pieces] == ["{HH AH0 L OW1} zyx."] and speech.letters == ("zyx",)
    out = ["-o", str(tmp_path / "x.wav"), "--artifact", str(files[1]), "--dictionary", str(words)]
    assert main(["speak", "Hello zyx.", *out]) == 0
    assert "not in the dictionary, read by their letters: zyx" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("utterance", "message"),
    [
        (Utterance(()), "expected token ids from 0 to 147"),
        (Utterance((1, 148)), "expected token ids from 0 to 147"),
        (Utterance((-1,)), "expected token ids from 0 to 147"),
        (Utterance((1, 2), forced=(1.0,)), "1 forced durations for 2 tokens"),
        (Utterance((1,), forced=(float("nan"),)), "must be finite"),
        (Utterance((1,), alpha=float("inf")), "must be finite"),
        (Utterance((1,), forced=(300.0,)), "its 1 tokens do not fit fastspeech"),
        (Utterance((1,) * 33), "its 33 tokens do not fit fastspeech"),
    ],
)
def test_what_cannot_be_spoken(synthesizer: Synthesizer, utterance: Utterance, message: str) -> None:
    with pytest.raises(TextError, match=f"utterance 1: .*{message}"):
        synthesizer.frames([Utterance((5, 6)), utterance])


def test_sources_that_are_none(files: list[Path], tmp_path: Path, small_fastspeech: FastSpeech) -> None:
    with pytest.raises(ArtifactError, match=r"it holds no engines and no \.onnx files"):
        Synthesizer(tmp_path)
    with pytest.raises(ArtifactError, match="no graph for synthesis was named"):
        Synthesizer([])
    with pytest.raises(ArtifactError, match="an artifact has its own weights"):
        Synthesizer(files, "x.pt")
    with pytest.raises(ArtifactError, match="two files are of one size"):
        Synthesizer([files[0], files[0]])
    with pytest.raises(ArtifactError, match="it is for enhancement, not for synthesis"):
        Synthesizer(packaged_artifact(get_spec("gtcrn")))
    with pytest.raises(ArtifactError, match=r"fastspeech\.i16\.o128\.onnx: it is for synthesis"):
        zoo.Enhancer(files[0])
    with pytest.raises(UnknownModelError, match="gtcrn is a model for enhancement"):
        Synthesizer("gtcrn")
    with pytest.raises(
        CheckpointError,
        match=r"fastspeech needs .* that has some \(fastspeech_small\)",
    ):
        Synthesizer("fastspeech")
    with pytest.raises(CheckpointError, match="weights go with a model's name"):
        Synthesizer(small_fastspeech, "x.pt")
    with pytest.raises(
        UnknownModelError, match="a network or a session for synthesis is expected, got Linear"
    ):
        Synthesizer(torch.nn.Linear(1, 1))


def test_graphs_of_other_weights(files: list[Path], tmp_path: Path) -> None:
    def change(proto: onnx.ModelProto) -> None:
        record = json.loads(proto.metadata_props[0].value)
        record["weights"]["sha256"] = "0" * 64
        onnx.helper.set_model_props(proto, {METADATA_KEY: json.dumps(record)})

    with pytest.raises(
        ArtifactError, match=r"it does not go with .*another weights; export all sizes together"
    ):
        Synthesizer([files[0], changed(files[1], tmp_path, change)])


# configuration files of the public implementation


def write_configuration(folder: Path, engines: list[Path]) -> Path:
    """Files as the public implementation has them: a base, one engine, several engines."""
    (folder / "infer.yaml").write_text("batch_size: 4\nuse_fp16: False\nuse_trt: False\nd_model: 384\n")
    (folder / "trt.yaml").write_text(
        "parent_yaml: 'infer.yaml'\n# Inference\nbatch_size: 1\nuse_trt: True\nuse_fp16: True\n"
        f'trt_file_path: "{engines[0]}"\ntrt_max_input_seq_len: 16\ntrt_max_output_seq_len: 128\n'
        "trt_max_ws_size: 8\ntrt_multi_engine: False\ntrt_force_build: False\n"
        'waveglow_engine_path: "/workspace/waveglow.trt"\n'
    )
    paths = ", ".join(f'"{path}"' for path in engines)
    (folder / "multi.yaml").write_text(
        f"parent_yaml: 'trt.yaml'\ntrt_multi_engine: True\ntrt_file_path_list: [{paths}]\n"
        "trt_max_input_seq_len_list: [16, 32]\ntrt_max_output_seq_len_list: [128, 256]\n"
        'trt_file_path: ""\ntrt_max_input_seq_len: None\ntrt_max_output_seq_len: None\n'
    )
    return folder / "multi.yaml"


def test_a_public_configuration(
    files: list[Path], tmp_path: Path, fastspeech_checkpoint: Path, capsys: Capture
) -> None:
    """It is read with its parents; graphs that are there are kept, and the synthesizer finds them."""
    engines = [tmp_path / "a.trt", tmp_path / "b.trt"]
    config = write_configuration(tmp_path, engines)
    one, several = read_engine_config(tmp_path / "trt.yaml"), read_engine_config(config)
    assert (one.buckets, one.paths, one.batch, one.half) == (((16, 128),), (engines[0],), 1, True)
    assert (several.buckets, several.paths) == (SIZES, tuple(engines))
    assert several.vocoder == "/workspace/waveglow.trt" and not several.force_build
    for path, graph in zip(files, several.graphs, strict=True):
        shutil.copy(path, graph)
    times = [graph.stat().st_mtime_ns for graph in several.graphs]
    words = ["--weights", str(fastspeech_checkpoint), "--config", str(config)]
    assert script.main(words) == 0
    assert capsys.readouterr().out.count("there already, the same") == 2
    assert [graph.stat().st_mtime_ns for graph in several.graphs] == times
    assert Synthesizer(config, vocoder="griffin-lim").session.buckets == SIZES
    shutil.copy(files[1], several.graphs[0])
    assert script.main(words) == 1
    assert "a.onnx: it is there, of other weights or another size; --force" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trt_max_input_seq_len: 8", "do not set trt_max_output_seq_len, trt_file_path"),
        ("parent_yaml: own.yaml", "parent_yaml leads back to it: .*own.yaml <- .*own.yaml"),
        ("parent_yaml: other.yaml", "other.yaml: there is no such file"),
        ("- a", "expected a mapping of settings, got list"),
        ("a: [", "not a YAML file"),
        (
            "trt_max_input_seq_len: x\ntrt_max_output_seq_len: 8\ntrt_file_path: a",
            "'x' where a whole number from 1 is expected",
        ),
        (
            "trt_max_input_seq_len: 8\ntrt_max_output_seq_len: 8\ntrt_file_path: a\nuse_fp16: maybe",
            "'maybe' where True or False is expected",
        ),
        (
            "trt_multi_engine: True\ntrt_max_input_seq_len_list: [8, 8]\n"
            "trt_max_output_seq_len_list: [9, 9]\ntrt_file_path_list: [a.trt, b.trt]",
            "two engines have one size or one name",
        ),
        (
            "trt_multi_engine: True\ntrt_max_input_seq_len_list: [8]\ntrt_max_output_seq_len_list: [8, 9]\n"
            "trt_file_path_list: [a]",
            "have 1, 2 and 1 entries",
        ),
    ],
)
def test_wrong_configurations(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(CheckpointError, match=message):
        read_engine_config(tmp_path / "own.yaml")


# engines, which take a GPU: all but what they compute, with ONNX Runtime in the place of TensorRT


class InPlaceOfEngine:
    """What ``zoo.runtime.tensorrt.Engine`` gives, by the graph of its name: the first output as an array,
    the others as tensors."""

    calls: tuple[int, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path, self.record = path, read_engine_record(path)
        self._graph = OnnxGraph(path.with_suffix(".onnx"))
        self.backend: str = self.record.flavour
        self.inputs, self.outputs = self._graph.inputs, self._graph.outputs
        manifest = self.record.model_manifest(str(path))
        self.manifest = dataclasses.replace(manifest, tolerance=self.record.tolerance)

    def __call__(self, *values: np.ndarray) -> list[object]:
        InPlaceOfEngine.calls += (len(values[0]),)
        first, *others = self._graph(*values)
        return [first, *map(torch.from_numpy, others)]


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> type[InPlaceOfEngine]:
    monkeypatch.setattr("zoo.runtime.tensorrt.Engine", InPlaceOfEngine)
    monkeypatch.setattr(InPlaceOfEngine, "calls", ())
    return InPlaceOfEngine


def engine_of(graph: Path, engine: Path, **changes: object) -> Path:
    """A file with the record of an engine of a graph, which lies beside it."""
    engine.write_bytes(b"a plan")
    if not engine.with_suffix(".onnx").exists():
        engine.with_suffix(".onnx").symlink_to(graph)
    found = OnnxGraph(graph).manifest
    assert found is not None
    known = {"precision": "fp32", "profiles": {}, "manifest": json.loads(found.to_json())}
    record = dataclasses.replace(RECORD, **{**known, **changes}, engine_sha256=sha256_of(engine))
    record_path(engine).write_text(record.to_json())
    return engine


def test_engines_speak(
    files: list[Path], synthesizer: Synthesizer, tmp_path: Path, card: type[InPlaceOfEngine], capsys: Capture
) -> None:
    """By the same session as graphs; a folder's engines run, not the graphs beside them."""
    engines = [engine_of(path, tmp_path / f"{index}.engine") for index, path in enumerate(files)]
    for source in (tmp_path, engines, engines[::-1]):
        own = Synthesizer(source, vocoder=synthesizer.vocoder)
        assert own.backend == "tensorrt" and own.session.buckets == SIZES
        spoken, expected = own(TEXT), synthesizer(TEXT)
        np.testing.assert_array_equal(spoken.waveform, expected.waveform)
        assert all(type(durations) is np.ndarray for durations in spoken.durations)
    assert Synthesizer(engines[1]).session.buckets == SIZES[1:]
    assert zoo.verify(engines[0]).passed
    words = ["speak", TEXT, "-o", str(tmp_path / "x.wav"), "--json", "--artifact"]
    assert main([*words, str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["backend"] == "tensorrt"
    report = check_reduced(
        OnnxGraph(files[0]), card(engines[0]), own_feeds(OnnxGraph(files[0])), RECORD.tolerance
    )
    assert report.snr_db == float("inf")  # as build_engine holds an engine against its graph


def test_an_engine_of_a_free_batch(graphs: Path, tmp_path: Path, card: type[InPlaceOfEngine]) -> None:
    """No more texts at once than it was built for, and no fewer."""
    (graph,) = (graphs / "many").glob("*.onnx")
    declared = complete_profiles(OnnxGraph(graph).inputs, {}, manifest_of(graph).ranges)
    assert declared["ids"] == ((1, 16), (4, 16), (16, 16)) and declared["alpha"] == ((1,), (4,), (16,))
    shapes = ((2, 16), (2, 16), (3, 16))
    engine = engine_of(graph, tmp_path / "x.engine", profiles={"ids": shapes})
    texts = [Utterance(tuple(range(1, 5 + i))) for i in range(4)]
    expected = Synthesizer(graph).frames(texts)
    for found, alone in zip(Synthesizer(engine).frames(texts), expected, strict=True):
        np.testing.assert_allclose(found.mel, alone.mel, atol=1e-4)
    assert card.calls == (3, 2)


def test_engines_that_do_not_go_together(files: list[Path], tmp_path: Path) -> None:
    """Told before a GPU is asked for."""
    one, two = tmp_path / "one.engine", tmp_path / "two.engine"
    engine_of(files[0], one)
    manifest = manifest_of(files[1])
    other = dataclasses.replace(manifest, weights={"sha256": "0" * 64})
    enhancer = OnnxGraph(packaged_artifact(get_spec("gtcrn"))).manifest
    assert enhancer is not None
    for changes, message in (
        ({"precision": "fp16"}, r"two\.engine: it does not go with .*one\.engine: precision fp16, not fp32"),
        ({"flavour": "tensorrt_rtx"}, "flavour tensorrt_rtx, not tensorrt; build all sizes together"),
        ({"manifest": json.loads(other.to_json())}, "another weights; export all sizes together"),
        (
            {"manifest": json.loads(enhancer.to_json())},
            "two.engine: it is for enhancement, not for synthesis",
        ),
        ({"manifest": None}, "built from a graph without a speechzoo manifest"),
    ):
        engine_of(files[1], two, **changes)
        with pytest.raises(ArtifactError, match=message):
            Synthesizer([one, two])
    engine_of(files[0], two)
    with pytest.raises(ArtifactError, match="two files are of one size"):
        Synthesizer(tmp_path)
    with pytest.raises(ArtifactError, match=r"i32\.o256\.onnx: it does not go with .*one is an engine"):
        Synthesizer([files[1], one])
    with pytest.raises(ArtifactError, match="an artifact has its own weights"):
        Synthesizer(one, "x.pt")
    record_path(two).unlink()
    with pytest.raises(ArtifactError, match=r"there is no two\.engine\.json beside it"):
        Synthesizer(tmp_path)


@pytest.mark.skipif(find_gpu() is not None, reason="needs a machine without a GPU")
def test_an_engine_where_there_is_no_gpu(files: list[Path], tmp_path: Path, capsys: Capture) -> None:
    engine = engine_of(files[0], tmp_path / "x.engine")
    with pytest.raises(MissingExtraError, match=r"is not installed |needs an NVIDIA GPU and PyTorch"):
        Synthesizer(engine)
    words = ["speak", TEXT, "-o", str(tmp_path / "x.wav"), "--artifact", str(engine)]
    assert main(words) == 1 and capsys.readouterr().err.startswith("speechzoo: ")
    assert not (tmp_path / "x.wav").exists()
    engine.write_bytes(b"a plam")
    with pytest.raises(ArtifactError, match="it is damaged, or not the engine"):
        Synthesizer(engine)


def test_a_configuration_runs_its_engines(
    files: list[Path], tmp_path: Path, card: type[InPlaceOfEngine], capsys: Capture
) -> None:
    """They run if they are there and as the file says; without them, or if it says so, the graphs do."""
    paths = [tmp_path / "a.trt", tmp_path / "b.trt"]
    config = write_configuration(tmp_path, paths)
    with pytest.raises(ArtifactError, match=r"multi\.yaml: .*a\.onnx is not there, and no engines are"):
        Synthesizer(config)
    engine_of(files[0], paths[0], precision="fp16")
    with pytest.raises(ArtifactError, match=r"multi\.yaml: .*b\.trt is not there, and .*a\.trt is"):
        Synthesizer(config)
    for graph, changes, found in (
        (files[1], {"precision": "fp32"}, "32 tokens to 256 frames, batch 1, fp32"),
        (files[0], {"precision": "fp16"}, "16 tokens to 128 frames, batch 1, fp16"),
    ):
        engine_of(graph, paths[1], **changes)
        with pytest.raises(ArtifactError) as error:
            Synthesizer(config)
        assert f"b.trt: it is an engine of {found}, and {config} asks for 32 tokens" in str(error.value)
        paths[1].with_suffix(".onnx").unlink()
    engine_of(files[1], paths[1], precision="fp16")
    with pytest.warns(UserWarning, match=r"multi\.yaml: the vocoder /workspace/waveglow\.trt is not used"):
        assert Synthesizer(config).backend == "tensorrt"
    assert Synthesizer(config, vocoder="griffin-lim").session.buckets == SIZES  # no warning
    words = ["speak", "Hello.", "-o", str(tmp_path / "x.wav"), "--artifact", str(config)]
    assert main(words) == 0
    assert capsys.readouterr().err.count("the vocoder /workspace/waveglow.trt is not used") == 1
    own = tmp_path / "own.yaml"
    own.write_text("parent_yaml: multi.yaml\nuse_trt: False\nwaveglow_engine_path: ''\n")
    assert Synthesizer(own).backend == "onnxruntime"
    own.write_text(own.read_text().replace("''", str(files[0])))
    with pytest.raises(ArtifactError, match="a vocoder with one input"):  # an ONNX file is taken
        Synthesizer(own)
    own.write_text(
        f"trt_file_path: {paths[0]}\ntrt_max_input_seq_len: 9\ntrt_max_output_seq_len: 9\nuse_trt: False\n"
    )
    with pytest.raises(
        ArtifactError, match=r"asks for the sizes \(\(9, 9\),\), and its graphs are of \(\(16"
    ):
        Synthesizer(own)


# speechzoo speak, and the export script


def test_speak(files: list[Path], tmp_path: Path, capsys: Capture, synthesizer: Synthesizer) -> None:
    out, picture = tmp_path / "out.flac", tmp_path / "out.png"
    words = ["speak", TEXT, "-o", str(out), "--artifact", *map(str, files), "--alpha", "1.5"]
    assert main([*words, "--plot", str(picture), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    speech = Synthesizer(files)(TEXT, alpha=1.5)
    assert told["frames"] == len(speech.mel) and told["backend"] == "onnxruntime"
    assert [piece["text"] for piece in told["pieces"]] == [piece.text for piece in speech.pieces]
    wave, rate = soundfile.read(out, dtype="float32")
    assert rate == 22050 and len(wave) == len(speech.waveform)
    np.testing.assert_allclose(wave, np.clip(speech.waveform, -1, 1), atol=1.1 / 32768)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(words) == 1 and "out.flac exists" in capsys.readouterr().err


def test_speak_from_a_checkpoint(
    fastspeech_checkpoint: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io
    import sys

    monkeypatch.setattr(sys, "stdin", io.StringIO("one ~ two"))
    out = tmp_path / "out.wav"
    assert main(["speak", "-", "-o", str(out), "--weights", str(fastspeech_checkpoint)]) == 0
    told = capsys.readouterr()
    assert "s of speech in" in told.out and "no symbol stands for it: ~" in told.err
    assert soundfile.info(out).frames > 5000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["hi", "--model", "fastspeech"], "fastspeech needs weights: none come with the package"),
        (["hi", "--model", "gtcrn"], "gtcrn is a model for enhancement"),
        (["hi", "--weights", "no.pt"], "fastspeech has no weights 'no.pt'"),
        (["{XX}", "--artifact", "GRAPH"], "'XX' in {XX} is not ARPAbet"),
        (
            ["hi", "--artifact", "GRAPH", "--model", "fastspeech"],
            "--artifact has its model and weights inside",
        ),
        (["hi", "--artifact", "GRAPH", "--vocoder", "GRAPH"], "a vocoder with one input"),
        (["hi", "--artifact", "GRAPH", "-o", "x.xyz"], "unknown output format 'xyz'"),
        (["🙂", "--artifact", "GRAPH"], "nothing in it can be spoken"),
    ],
)
def test_speak_what_cannot_be(
    files: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    words: list,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [str(files[0]) if word == "GRAPH" else word for word in words]
    words += [] if "-o" in words else ["-o", "x.wav"]
    assert main(["speak", *words]) == 1
    told = capsys.readouterr()
    assert told.err.startswith("speechzoo: ") and message in told.err and told.err.count("\n") == 1
    assert os.listdir() == []


@pytest.mark.parametrize(
    "words", [[], ["--output", "a", "--config", "b"], ["--config", "b", "--batch", "2"], ["--buckets", "8"]]
)
def test_wrong_words(words: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as left:
        script.main(words)
    assert left.value.code == 2 and "usage: speechzoo export" in capsys.readouterr().err


def test_export_says_what_is_wrong(tmp_path: Path, fastspeech_checkpoint: Path, capsys: Capture) -> None:
    words = ["--weights", str(fastspeech_checkpoint), "--output", str(tmp_path)]
    assert script.main([*words, "--buckets", "300/9"]) == 1
    assert "speechzoo: 300 tokens and 9 frames: each must be from 1 to 256" in capsys.readouterr().err
    assert script.main(["--weights", "no.pt", "--output", str(tmp_path)]) == 1
    assert "speechzoo: fastspeech has no weights 'no.pt'" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


def test_the_readmes_example(graphs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "graphs").symlink_to(graphs)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"zoo": zoo}
    exec(snippet("zoo.Synthesizer("), names)
    assert len(names["speech"].pieces) >= 2 and names["speech"].unknown == ()


# reduced precision, and engines without a GPU


def test_sixteen_bits_keep_the_durations(files: list[Path], tmp_path: Path) -> None:
    """The path of the durations stays in 32 bits, so that every token has as many frames as before."""
    half = tmp_path / "half.onnx"
    kept, report = reduce_precision(files[0], half, "fp16")
    assert any("rounded" in group for group in kept) and 50 < report.snr_db < 80
    types = {t.name: t.data_type for t in onnx.load(half).graph.initializer}
    for part in (
        "word_emb.weight",
        "phoneme_side.layer_stack.1.pos_ffn.w_2.weight",
        "conv1d_1.weight",
        "triu",
    ):
        assert [kind for name, kind in types.items() if name.endswith(part)] == [onnx.TensorProto.FLOAT]
    assert types["model.mel_side.layer_stack.0.pos_ffn.w_1.weight"] == onnx.TensorProto.FLOAT16
    random, full, reduced = np.random.default_rng(1), OnnxGraph(files[0]), OnnxGraph(half)
    for _ in range(20):
        values = inputs([Utterance(tuple(random.integers(0, 148, 16).tolist()))], 16)
        (_, lengths, durations), (_, other_lengths, others) = full(*values), reduced(*values)
        np.testing.assert_array_equal(lengths, other_lengths)
        np.testing.assert_array_equal(durations, others)
    assert len(Synthesizer(half)("hello").mel) == len(Synthesizer(files[0])("hello").mel)


def test_an_engine_for_rtx_cards_compiles(files: list[Path], tmp_path: Path) -> None:
    """By the real compiler, which needs a GPU only to run: this shows that it can, not what it gives."""
    pytest.importorskip("tensorrt_rtx_bindings")
    from converters.tensorrt.engine import build_engine

    engine = tmp_path / "x.engine"
    report = build_engine(files[0], engine, flavour="tensorrt_rtx", precision="fp16")
    assert report.layers > 50 and engine.stat().st_size > 1e6
    assert json.loads((tmp_path / "x.engine.json").read_text())["manifest"]["task"] == "synthesis"


def test_a_configurations_engines_are_built(files: list[Path], tmp_path: Path, capsys: Capture) -> None:
    """By the real compiler; kept while they are the same in all that decides, and otherwise refused."""
    pytest.importorskip("tensorrt_rtx_bindings")
    from scripts import build_engine as builder

    engine = tmp_path / "a.trt"
    config = write_configuration(tmp_path, [engine, tmp_path / "b.trt"]).with_name("trt.yaml")
    words = ["--config", str(config), "--target", "8.6"]
    assert builder.main(words) == 1
    assert "a.onnx: there is no such graph; name the weights (--weights)" in capsys.readouterr().err
    shutil.copy(files[1], tmp_path / "a.onnx")
    assert builder.main(words) == 1
    told = capsys.readouterr().err
    assert "a graph of 32 tokens to 256 frames, batch 1, and 16 tokens to 128 frames, batch 1 are" in told
    shutil.copy(files[0], tmp_path / "a.onnx")
    engine.write_bytes(b"a public engine")
    assert builder.main(words) == 1
    told = capsys.readouterr().err
    assert "there is no a.trt.json beside it" in told and "--force replaces it" in told
    assert builder.main([*words, "--force"]) == 0
    record = read_engine_record(engine)
    assert (record.precision, record.workspace, record.targets) == ("fp16", 8 << 30, ("8.6",))
    assert record.onnx_sha256 == sha256_of(files[0]) and "a.trt: " in capsys.readouterr().out
    assert builder.main(words) == 0 and "a.trt: there already, the same" in capsys.readouterr().out
    assert read_engine_record(engine) == record
    config.write_text(config.read_text().replace("use_fp16: True", "use_fp16: False"))
    assert builder.main(words) == 1
    assert "it is there and is another engine: precision fp16, not fp32; --force" in capsys.readouterr().err
    config.write_text(config.read_text().replace("use_trt: True", "use_trt: False"))
    assert builder.main(words) == 1
    assert "it asks for no engines, since use_trt is False" in capsys.readouterr().err


def test_graphs_beside_engines_are_exported(
    small_fastspeech: FastSpeech, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a model; nothing is built while a file is there that is something else."""
    import converters.deployment as deployment

    built: list[tuple[Path, Path]] = []
    monkeypatch.setattr(deployment, "build_engine", lambda graph, path, **_: built.append((graph, path)))
    monkeypatch.setattr(deployment, "describe", lambda graph, **_: dataclasses.replace(RECORD, manifest=None))
    engines = [tmp_path / "a.trt", tmp_path / "b.trt"]
    wanted = read_engine_config(write_configuration(tmp_path, engines))
    for path, graph in zip(files, wanted.graphs, strict=True):
        shutil.copy(path, graph)
    deployment.build_deployment(wanted, model=small_fastspeech)
    assert built == list(zip(wanted.graphs, engines, strict=True))
    shutil.copy(files[0], wanted.graphs[1])
    with pytest.raises(ArtifactError, match=r"b\.onnx: it is there, of other weights or another size"):
        deployment.build_deployment(wanted, model=small_fastspeech)
    exported: list[Path] = []
    monkeypatch.setattr(
        "converters.subjects.synthesis.export_synthesis", lambda model, path, **_: exported.append(path)
    )
    deployment.build_deployment(wanted, model=small_fastspeech, force=True)
    assert exported == [wanted.graphs[1]]  # the other one is the same
    shutil.copy(files[1], wanted.graphs[1])
    engine_of(files[1], engines[1], onnx_sha256="c" * 64)
    del built[:]
    with pytest.raises(ArtifactError, match=r"b\.trt: .*another engine: another graph; precision fp32, not"):
        deployment.build_deployment(wanted, model=small_fastspeech)
    assert not built
    forced = dataclasses.replace(wanted, force_build=True)
    deployment.build_deployment(forced)
    assert len(built) == 2
    with pytest.raises(ValueError, match=r"a\.x: the name of an engine ends in \.engine"):
        deployment.build_deployment(dataclasses.replace(wanted, paths=(tmp_path / "a.x", engines[1])))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--config", "x", "--onnx", "y"], "--onnx: the file of --config says that"),
        (["--config", "x", "--fp16"], "--fp16: the file of --config says that"),
        (["--onnx", "x", "--engine", "y", "--force"], "--force: it goes with --config"),
        (["--onnx", "x"], "either --onnx GRAPH and --engine FILE or --config YAML"),
    ],
)
def test_build_engines_wrong_words(words: list[str], message: str, capsys: Capture) -> None:
    from scripts import build_engine as builder

    with pytest.raises(SystemExit) as left:
        builder.main(words)
    assert left.value.code == 2 and message in capsys.readouterr().err
