"""Public graphs as they are, without torch: whose they are, how they are framed, and what they compute."""

from __future__ import annotations

import copy
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import zoo
from tests.data import Speech
from tests.graphs import with_nan
from tests.published import TAG, changed, pin
from zoo.arrays import Array
from zoo.artifact.parity import compare
from zoo.errors import ArtifactError, AudioError, CheckpointError, SpeechZooError
from zoo.spec import Pinned, Tolerance
from zoo.tasks.enhancement.two_stages import open_two_stages

Exported = Callable[..., Path]
Record = Callable[[str, object], None]

# Public graph, model, and what its file does not tell: with weights that ``exported`` has too.
TRAINED = {
    "public/fastenhancer_48k_t.onnx": ("fastenhancer_48k_t", {"sample_rate": 48000}),
    "public/ulunas_stream_simple.onnx": ("ulunas", {"sample_rate": 16000, "window": "hann"}),
    "onnx/gtcrn_stream_upstream.onnx": ("gtcrn", {"sample_rate": 16000, "window": "hann-sqrt"}),
}
GTCRN = "onnx/gtcrn_stream_upstream.onnx"
SHERPA = {"model_type": "gtcrn", "sample_rate": 16000, "n_fft": 512, "hop_length": 256}
SHERPA |= {"window_length": 512, "window_type": "hann_sqrt"}


@pytest.fixture
def gtcrn(shared: Path) -> Path:
    return shared / "data" / GTCRN


@pytest.mark.parametrize("file", TRAINED)
def test_it_is_our_own_graph(
    shared: Path, exported: Exported, speech: Speech, file: str, record_testsuite_property: Record
) -> None:
    """To the sample, and to rounding; the latency account is the same too."""
    name, told = TRAINED[file]
    theirs, ours = zoo.Enhancer(shared / "data" / file, **told), zoo.Enhancer(exported(name))
    assert theirs.backend == "onnxruntime" and theirs.streaming and theirs.public and not ours.public
    assert theirs.sample_rate == ours.sample_rate
    for rate in (theirs.sample_rate, 44100):
        assert theirs.latency(rate) == ours.latency(rate)
    noisy = speech(theirs.sample_rate, 1.0, 2.0)
    report = compare(ours(noisy), theirs(noisy), tensor="enhanced", tolerance=Tolerance(110, 1e-4))
    record_testsuite_property(f"public {file} against our {name}, dB", round(report.snr_db, 1))
    assert np.abs(ours(noisy) - np.roll(theirs(noisy), 1)).max() > 1e-3


@pytest.mark.parametrize("file", TRAINED)
def test_streams(shared: Path, speech: Speech, file: str) -> None:
    """However the input is cut, at the model's rate and at another; reset begins anew."""
    theirs = zoo.Enhancer(shared / "data" / file, **TRAINED[file][1])
    for rate in (theirs.sample_rate, 44100):
        noisy = speech(rate, 1.0, 0.5)
        stream, whole = theirs.stream(rate), theirs(noisy, rate)
        for _ in range(2):
            parts = [stream.push(part) for part in np.array_split(noisy, [1, 700, 701, 5000])]
            np.testing.assert_array_equal(np.concatenate([*parts, stream.flush()]), whole)
            stream.reset()
        other, again = theirs.stream(rate), theirs.stream(rate)
        mixed = [(other.push(part), again.push(part)) for part in np.array_split(noisy, 3)]
        np.testing.assert_array_equal(
            np.concatenate([a for a, _ in mixed]), whole[: sum(len(a) for a, _ in mixed)]
        )


@pytest.mark.parametrize("file", TRAINED)
def test_a_hash_decides(
    shared: Path, speech: Speech, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str
) -> None:
    """A file that a tag pins needs no options, wherever it is and whatever it is called."""
    name, told = TRAINED[file]
    path = tmp_path / "renamed.onnx"
    shutil.copy(shared / "data" / file, path)
    pin(monkeypatch, name, path)
    known = zoo.Enhancer(path)
    assert known.name == f"{name}:{TAG}" and "known by its hash" in known.public
    assert known.session.front_end == zoo.get_spec(name).front_end
    noisy = speech(known.sample_rate, 1.0, 0.5)
    np.testing.assert_array_equal(known(noisy), zoo.Enhancer(shared / "data" / file, **told)(noisy))
    assert zoo.Enhancer(path, **told).name == known.name  # what is told is right
    rate = {16000: 48000, 48000: 16000}[known.sample_rate]
    with pytest.raises(ArtifactError, match=rf"its sample_rate is {known.sample_rate}, not {rate}; leave it"):
        zoo.Enhancer(path, sample_rate=rate)


def test_metadata_decide(gtcrn: Path, tmp_path: Path, speech_16k: Array) -> None:
    """What sherpa-onnx writes into its graphs; what the caller says must agree."""
    path = changed(gtcrn, tmp_path / "x.onnx", SHERPA)
    theirs = zoo.Enhancer(path)
    assert "as its metadata say" in theirs.public and theirs.session.front_end.window == "sqrt_hann"
    expected = zoo.Enhancer(gtcrn, sample_rate=16000, window="sqrt_hann")(speech_16k[:8000])
    np.testing.assert_array_equal(theirs(speech_16k[:8000]), expected)
    with pytest.raises(ArtifactError, match="its window is sqrt_hann, not sine; leave it out"):
        zoo.Enhancer(path, window="sine")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"window_type": "vorbis"}, "its metadata name the window 'vorbis'; known are hann, hann-sqrt"),
        ({"sample_rate": "16k"}, "its metadata say sample_rate '16k'; a number is expected"),
        ({"sample_rate": "9" * 30}, "its metadata say sample_rate '999"),
        ({"sample_rate": 7}, "sample rate 7 is not a whole number"),
        ({"erb_norm_init": "1,2"}, r"its states begin with \(erb_norm_init\)"),
        ({"hop_length": 512}, "a hop of 512 samples does not fit a window of 512"),
    ],
)
def test_metadata_that_do_not_fit(
    gtcrn: Path, tmp_path: Path, metadata: dict[str, object], message: str
) -> None:
    path = changed(gtcrn, tmp_path / "x.onnx", {**SHERPA, **metadata})
    with pytest.raises(SpeechZooError, match=message):
        zoo.Enhancer(path)


def test_what_nothing_tells_is_not_guessed(shared: Path, gtcrn: Path, tmp_path: Path) -> None:
    wave = changed(shared / "data/public/fastenhancer_48k_t.onnx", tmp_path / "wave.onnx")
    with pytest.raises(
        ArtifactError, match=r"wave\.onnx: .* do not tell its sample_rate: pass --sample-rate,"
    ):
        zoo.Enhancer(wave)
    spectrum = changed(gtcrn, tmp_path / "spectrum.onnx")
    with pytest.raises(
        ArtifactError, match="sample_rate and window: pass --sample-rate, --window, in Python"
    ):
        zoo.Enhancer(spectrum)
    with pytest.raises(ArtifactError, match="do not tell its window: pass --window"):
        zoo.Enhancer(spectrum, sample_rate=16000)
    assert "a hop of half the window, since none was" in (
        zoo.Enhancer(spectrum, sample_rate=16000, window="hann").public
    )
    told = zoo.Enhancer(spectrum, sample_rate=16000, window="sine", hop_length=128)
    assert told.session.front_end.hop_length == 128 and "since" not in told.public
    with pytest.raises(ArtifactError, match="its output holds 512 samples a call, not 256"):
        zoo.Enhancer(wave, sample_rate=48000, hop_length=256)
    with pytest.raises(AudioError, match="sample rate 7 is not a whole number"):
        zoo.Enhancer(wave, sample_rate=7)
    with pytest.raises(ArtifactError, match="window 'hamming' is none of hann, sqrt_hann, sine"):
        zoo.Enhancer(spectrum, sample_rate=16000, window="hamming")


def test_named_as_a_models_weights(
    gtcrn: Path, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model then tells what the file does not; and it must be one of that model, as far as is seen."""
    theirs = zoo.Enhancer("gtcrn", changed(gtcrn, tmp_path / "gtcrn.onnx"))
    assert theirs.session.front_end == zoo.get_spec("gtcrn").front_end
    assert "one of gtcrn" in theirs.public
    another = changed(shared / "data/public/fastenhancer_48k_t.onnx", tmp_path / "x.onnx")
    message = r"its window and hop are 1024 and 512 samples, and those of fastenhancer_t are 512 and 256"
    with pytest.raises(ArtifactError, match=message):
        zoo.Enhancer("fastenhancer_t", another)
    pin(monkeypatch, "fastenhancer_48k_t", another)
    with pytest.raises(
        ArtifactError, match=r"the public graph of fastenhancer_48k_t:published, not one of g"
    ):
        zoo.Enhancer("gtcrn", another)
    with pytest.raises(ArtifactError, match=r"none\.onnx: there is no such file"):
        zoo.Enhancer("gtcrn", "none.onnx")
    with pytest.raises(ArtifactError, match="gtcrn: only a public graph takes sample_rate, window; leave"):
        zoo.Enhancer("gtcrn", gtcrn, sample_rate=16000, window="hann")


def test_our_own_know_for_themselves(exported: Exported) -> None:
    path = exported("gtcrn")
    assert zoo.Enhancer(path, sample_rate=16000, window="sqrt_hann").public == ""
    assert zoo.Enhancer("gtcrn", path).name == path.name
    with pytest.raises(ArtifactError, match="its sample_rate is 16000, not 48000; leave it out"):
        zoo.Enhancer(path, sample_rate=48000)
    with pytest.raises(ArtifactError, match="it is an artifact of gtcrn, not of ulunas"):
        zoo.Enhancer("ulunas", path)
    with pytest.raises(ArtifactError, match="gtcrn: only a public graph takes window; leave that out"):
        zoo.Enhancer("gtcrn", window="hann")
    with pytest.raises(ArtifactError, match="a network or session: only a public graph takes sample_rate"):
        zoo.Enhancer(zoo.Enhancer(path).session, sample_rate=16000)


def test_a_tag_of_a_public_graph(
    shared: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, speech_16k: Array
) -> None:
    """It runs as it is, though torch is there; so does one beside a checkpoint, where providers are named."""
    path = shared / "data/public/ulunas_stream_simple.onnx"
    monkeypatch.setenv("SPEECHZOO_CACHE", str(tmp_path))
    weights = pin(monkeypatch, "ulunas", path)
    cached = tmp_path / "weights" / f"{weights.sha256[:16]}-{path.name}"
    cached.parent.mkdir()
    shutil.copy(path, cached)
    expected = zoo.Enhancer(path)(speech_16k[:8000])
    for tag in (TAG, None, "default"):
        enhancer = zoo.Enhancer("ulunas", tag)
        assert (enhancer.name, enhancer.backend) == (f"ulunas:{TAG}", "onnxruntime")
        np.testing.assert_array_equal(enhancer(speech_16k[:8000]), expected)
    checkpoint = shared / "data/public/ulunas_dns3.tar"
    graph = Pinned(weights.url, weights.sha256, weights.size)
    both = pin(monkeypatch, "ulunas", checkpoint, kind="checkpoint", graph=graph)
    shutil.copy(checkpoint, cached.with_name(f"{both.sha256[:16]}-{checkpoint.name}"))
    assert zoo.Enhancer("ulunas", TAG).backend == "torch"
    with_providers = zoo.Enhancer("ulunas", TAG, providers=["cpu"])
    assert with_providers.backend == "onnxruntime" and with_providers.public


def test_many_streams(gtcrn: Path, speech_16k: Array) -> None:
    """Each alone, since the graph takes one; its states' axes may mean anything."""
    enhancer = zoo.Enhancer("gtcrn", gtcrn)
    batcher = zoo.StreamBatcher(enhancer.session)
    recordings = [speech_16k[start : start + 9000] for start in (16000, 40000, 64000)]
    streams = [batcher.join() for _ in recordings]
    outputs: list[list[Array]] = [[] for _ in streams]
    for start in range(0, 9000, 1000):
        blocks = {s: r[start : start + 1000] for s, r in zip(streams, recordings, strict=True)}
        for parts, output in zip(outputs, batcher.push(blocks).values(), strict=True):
            parts.append(output)
    batcher.push({streams[1]: np.zeros(0)})
    for parts, output in zip(outputs, batcher.flush(streams).values(), strict=True):
        parts.append(output)
    for parts, recording in zip(outputs, recordings, strict=True):
        np.testing.assert_array_equal(np.concatenate(parts), enhancer(recording))
    batcher.leave(streams[0])
    batcher.reset(streams[1])
    again = batcher.push({streams[1]: recordings[0]})[streams[1]]
    np.testing.assert_array_equal(again, enhancer(recordings[0])[: len(again)])


def test_a_path_is_enough_for_many_streams(gtcrn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin(monkeypatch, "gtcrn", gtcrn)
    batcher = zoo.StreamBatcher(gtcrn, threads=2)
    assert batcher.session.name == f"gtcrn:{TAG}" and len(pickle.loads(pickle.dumps(batcher))) == 0


def test_copies(gtcrn: Path, speech_16k: Array) -> None:
    """They are opened again as they were, with what was told."""
    told = {"sample_rate": 16000, "hop_length": 256, "window": "hann-sqrt", "threads": 2}
    enhancer = zoo.Enhancer(gtcrn, **told)
    for clone in (pickle.loads(pickle.dumps(enhancer)), copy.deepcopy(enhancer)):
        assert clone.session.front_end == enhancer.session.front_end and clone.public == enhancer.public
        np.testing.assert_array_equal(clone(speech_16k[:4000]), enhancer(speech_16k[:4000]))
    with pytest.raises(ArtifactError, match="provider 'abacus': this ONNX Runtime"):
        zoo.Enhancer(gtcrn, **{**told, "providers": ["abacus"]})
    with pytest.raises(ValueError, match="threads must be from 1"):
        zoo.Enhancer(gtcrn, **{**told, "threads": 0})


def test_verify_says_what_can_be_said(gtcrn: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pin(monkeypatch, "gtcrn", gtcrn)
    with pytest.raises(
        ArtifactError, match=f"no speechzoo manifest, though its bytes are those of gtcrn:{TAG}"
    ):
        zoo.verify(gtcrn)
    with pytest.raises(ArtifactError, match="it has no speechzoo manifest; export it"):
        zoo.verify(changed(gtcrn, tmp_path / "x.onnx"))


def test_two_stages(shared: Path, speech_16k: Array, tmp_path: Path) -> None:
    """The second is found beside the first by its hash, whatever it is called; or both are given."""
    first, second = (shared / f"data/public/dtln_model_{part}.onnx" for part in (1, 2))
    noisy = speech_16k[:8000]
    enhancer = zoo.Enhancer([first, second])
    assert enhancer.name == "dtln:dns1" and enhancer.latency().window == 384
    expected = open_two_stages([first, second], zoo.get_spec("dtln").front_end).whole(noisy[None])[0]
    shutil.copy(first, tmp_path / "a.onnx")
    shutil.copy(second, tmp_path / "b.onnx")
    for theirs in (enhancer, zoo.Enhancer(first), zoo.Enhancer(tmp_path / "a.onnx")):
        np.testing.assert_array_equal(theirs(noisy), expected)
    batcher = zoo.StreamBatcher(enhancer.session)
    stream, other = batcher.join(), batcher.join()
    output = batcher.push({stream: noisy, other: noisy[::-1]})[stream]
    np.testing.assert_array_equal(output, expected[: len(output)])
    with pytest.raises(ArtifactError, match=r"it is file 2 of dtln:dns1, .* pass that, with this one beside"):
        zoo.Enhancer(second)
    with pytest.raises(ArtifactError, match="nothing tells how they are framed"):
        zoo.Enhancer([changed(first, tmp_path / "c.onnx"), second])
    with pytest.raises(ArtifactError, match="its sample_rate is 16000, not 8000; leave it out"):
        zoo.Enhancer(first, sample_rate=8000)


# Damaged ones


def halves(path: Path, target: Path) -> None:
    """Its first state is of 16 bits."""
    model = onnx.load(path)
    model.graph.input[1].type.tensor_type.elem_type = TensorProto.FLOAT16
    cast = helper.make_node("Cast", ["half"], [model.graph.input[1].name], to=TensorProto.FLOAT)
    model.graph.input[1].name = "half"
    model.graph.node.insert(0, cast)
    onnx.save(model, target)


def without_a_state(path: Path, target: Path) -> None:
    model = onnx.load(path)
    del model.graph.output[2]
    onnx.save(model, target)


def of_another_shape(path: Path, target: Path) -> None:
    """Its spectrum comes out with its parts in front."""
    model = onnx.load(path)
    model.graph.node.append(helper.make_node("Transpose", ["enh"], ["turned"], perm=[0, 3, 2, 1]))
    turned = helper.make_tensor_value_info("turned", TensorProto.FLOAT, [1, 2, 1, 257])
    outputs = [turned, *model.graph.output[1:]]
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    onnx.save(model, target)


def data_outside(path: Path, target: Path) -> None:
    onnx.save(onnx.load(path), target, save_as_external_data=True, location="weights.bin", size_threshold=100)


def truncated(path: Path, target: Path) -> None:
    target.write_bytes(path.read_bytes()[:-1000])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (halves, r"float32 inputs are expected; others are half \(float16\)"),
        (without_a_state, r"no output continues the state tra_cache"),
        (of_another_shape, r"its output turned has shape \(1, 2, 1, 257\); expected that of mix"),
        (data_outside, "the data of a tensor is outside the file, which is not read"),
        (truncated, "ONNX Runtime .* cannot load it .*; it is damaged, truncated or not ONNX"),
    ],
)
def test_damaged(gtcrn: Path, tmp_path: Path, damage: Callable[[Path, Path], None], message: str) -> None:
    damage(gtcrn, tmp_path / "x.onnx")
    with pytest.raises(ArtifactError, match=rf"x\.onnx: {message}") as refused:
        zoo.Enhancer(tmp_path / "x.onnx", sample_rate=16000, window="hann-sqrt")
    assert "\n" not in str(refused.value)


def test_weights_that_are_not_finite(shared: Path, tmp_path: Path, speech_48k: Array) -> None:
    path = with_nan(shared / "data/public/fastenhancer_48k_t.onnx", tmp_path / "x.onnx")
    with pytest.raises(AudioError, match=r"x\.onnx: its output is not finite from sample 0 on; its weights"):
        zoo.Enhancer(path, sample_rate=48000)(speech_48k[:4800])


def test_graphs_of_other_kinds(
    speaker_graph: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load(speaker_graph("resnet18"))
    del model.metadata_props[:]
    path = tmp_path / "speaker.onnx"
    onnx.save(model, path)
    with pytest.raises(ArtifactError, match=r"its first input feats has shape .*; expected a spectrum"):
        zoo.Enhancer(path, sample_rate=16000)
    pin(monkeypatch, "resnet18", path)
    with pytest.raises(ArtifactError, match=r"a graph of resnet18, for speaker, which zoo\.Embedder runs"):
        zoo.Enhancer(path)


def test_no_weights_at_all() -> None:
    with pytest.raises(CheckpointError, match="dpcrn needs weights: none come with the package"):
        zoo.Enhancer("dpcrn", "default")
