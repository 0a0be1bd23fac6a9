"""``verify``: a finished artifact proves itself with nothing but itself, and a damaged one does not."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import soundfile

import zoo
from zoo.artifact.manifest import METADATA_KEY, EnhancementManifest, Manifest
from zoo.errors import ArtifactError, ParityError

Exported = Callable[..., Path]
Tamper = Callable[..., Path]


@pytest.fixture
def tamper(exported: Exported, tmp_path: Path) -> Tamper:
    """``tamper(name, form, manifest=..., graph=...)``: a copy of an export, after they had a hand in it."""

    def copy(
        name: str = "gtcrn",
        form: str = "wav2wav",
        *,
        manifest: Callable[[dict[str, Any]], object] | None = None,
        graph: Callable[[onnx.GraphProto], object] | None = None,
    ) -> Path:
        model = onnx.load(exported(name, form))
        (record,) = model.metadata_props
        if manifest is not None:
            data = json.loads(record.value)
            manifest(data)
            record.value = json.dumps(data)
        if graph is not None:
            graph(model.graph)
        onnx.save(model, tmp_path / "model.onnx")
        return tmp_path / "model.onnx"

    return copy


ALL_KINDS: list[tuple[str, dict[str, Any]]] = [
    ("wav2wav", {}),
    ("spec2spec", {}),
    ("wav2wav", {"streaming": False}),
    ("spec2spec", {"streaming": False}),
    ("wav2wav", {"hops": 150}),
    ("wav2wav", {"streams": 3}),
]


@pytest.mark.parametrize(("form", "options"), ALL_KINDS, ids=str)
def test_every_kind_of_artifact_verifies(exported: Exported, form: str, options: dict[str, Any]) -> None:
    report = zoo.verify(exported("fastenhancer_t", form, **options))
    assert report.passed and report.snr_db > 60 and report.elements == 16000
    assert report.max_error < 2e-5, "half a 16-bit step"


@pytest.mark.parametrize("name", ["gtcrn", "dpcrn", "lisennet"])
def test_every_family_verifies(exported: Exported, name: str) -> None:
    report = zoo.verify(exported(name, "wav2wav"))
    assert report.tensor == "wav_out" and report.elements == 16000 and report.max_error < 2e-5


def test_neither_torch_nor_onnx_nor_a_network_is_needed(exported: Exported, tmp_path: Path) -> None:
    code = (
        "import socket, sys\n"
        "for name in ('torch', 'onnx', 'onnxslim', 'safetensors', 'yaml', 'huggingface_hub', 'httpx2'):\n"
        "    sys.modules[name] = None\n"
        "socket.socket = None\n"
        "from zoo.cli import main\n"
        "sys.exit(main(['verify', '--json', *sys.argv[1:]]))\n"
    )
    paths = [str(exported("gtcrn", "wav2wav")), str(exported("fastenhancer_t", "spec2spec"))]
    (tmp_path / "bad.onnx").write_text("bad")
    command = [sys.executable, "-c", code]
    good = subprocess.run([*command, *paths], capture_output=True, text=True, check=False)
    assert (good.returncode, good.stderr) == (0, "")
    assert [(r["artifact"], r["passed"]) for r in json.loads(good.stdout)] == [(p, True) for p in paths]
    bad = subprocess.run(
        [*command, paths[0], str(tmp_path / "bad.onnx")], capture_output=True, text=True, check=False
    )
    assert bad.returncode == 1 and bad.stderr.count("\n") == 1 and "Traceback" not in bad.stderr
    assert [r["passed"] for r in json.loads(bad.stdout)] == [True, False]


# Damaged files


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated(exported: Exported, tmp_path: Path, part: float) -> None:
    whole = exported("gtcrn", "wav2wav").read_bytes()
    path = tmp_path / "model.onnx"
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(
        ArtifactError, match=r"model\.onnx: (ONNX Runtime .* cannot load|it has no speechzoo)"
    ):
        zoo.verify(path)


@pytest.mark.parametrize(
    "content", [b"garbage" * 100, bytes(1000), b"\x08\x09\x12", b"RIFF", bytes(range(256))]
)
def test_garbage(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"model\.onnx: .* damaged, truncated or not ONNX"):
        zoo.verify(tmp_path / "model.onnx")


def test_nothing_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.onnx", tmp_path):
        with pytest.raises(ArtifactError, match=f"{path}: there is no such file"):
            zoo.verify(path)


def test_without_our_manifest(exported: Exported, tmp_path: Path) -> None:
    model = onnx.load(exported("gtcrn", "wav2wav"))
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(ArtifactError, match=r"it has no speechzoo manifest.*--sample-rate, --hop-size"):
        zoo.verify(tmp_path / "model.onnx")


def test_a_public_graph(shared: Path) -> None:
    with pytest.raises(ArtifactError, match="it has no speechzoo manifest"):
        zoo.verify(shared / "data/onnx/gtcrn_stream_upstream.onnx")


# Manifests that lie


def wrong_state_shape(data: dict[str, Any]) -> None:
    data["states"][3]["shape"][-1] += 1


def wrong_state_name(data: dict[str, Any]) -> None:
    data["states"][0]["name"] += "x"


def one_state_less(data: dict[str, Any]) -> None:
    data["states"].pop()


def one_state_more(data: dict[str, Any]) -> None:
    data["states"].append({"name": "more", "shape": [1, 1], "dtype": "float32"})


def swapped_states(data: dict[str, Any]) -> None:
    data["states"][0], data["states"][1] = data["states"][1], data["states"][0]


def wrong_signal(data: dict[str, Any]) -> None:
    data["inputs"][0]["shape"] = [1, 257]


def wrong_hop(data: dict[str, Any]) -> None:
    data["front_end"]["hop_length"] = 128


def wrong_hops(data: dict[str, Any]) -> None:
    data["hops"] = 2


def wrong_streams(data: dict[str, Any]) -> None:
    data["streams"] = 2


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        (wrong_state_shape, "its inputs are not those of its manifest"),
        (wrong_state_name, "its inputs are not those of its manifest"),
        (one_state_less, r"its inputs are not those of its manifest \(nothing {2}became "),
        (one_state_more, r"its inputs are not those of its manifest \(more \(1, 1\) became nothing"),
        (swapped_states, "its inputs are not those of its manifest"),
        (wrong_signal, r"wav_in \(1, 257\) became wav_in \(1, 256\)"),
        (wrong_hop, r"its wav_in has shape \(1, 256\) where window, hop and streams .* make \(1, 128\)"),
        (wrong_hops, r"its wav_in has shape \(1, 256\) where window, hop and streams .* make \(1, 512\)"),
        (wrong_streams, r"its wav_in has shape \(1, 256\) where window, hop and streams .* make \(2, 256\)"),
    ],
)
def test_shapes_that_are_not_the_graphs(
    tamper: Tamper, lie: Callable[[dict[str, Any]], None], message: str
) -> None:
    with pytest.raises(ArtifactError, match=rf"model\.onnx: .*{message}"):
        zoo.verify(tamper(manifest=lie))


def test_bins_that_are_not_the_graphs(tamper: Tamper) -> None:
    with pytest.raises(
        ArtifactError, match=r"its spec_in has shape \(1, 257, 1, 2\) where .* \(1, 513, 1, 2\)"
    ):
        zoo.verify(tamper(form="spec2spec", manifest=lambda data: data["front_end"].update(n_fft=1024)))


@pytest.mark.parametrize(
    ("form", "lie"),
    [
        ("wav2wav", {"latency": 255}),
        ("wav2wav", {"latency": 0}),
        (
            "spec2spec",
            {"front_end": {"sample_rate": 16000, "n_fft": 512, "hop_length": 256, "window": "hann"}},
        ),
    ],
)
def test_other_lies_show_in_the_sound(tamper: Tamper, form: str, lie: dict[str, Any]) -> None:
    with pytest.raises(ParityError, match=r"_out: SNR .* at frame \d+; allowed are SNR >= 60 dB"):
        zoo.verify(tamper(form=form, manifest=lambda data: data.update(lie)))


def test_the_manifest_of_another_network(tamper: Tamper, exported: Exported) -> None:
    other = json.loads(manifest_of(exported("fastenhancer_t", "wav2wav")).to_json())
    with pytest.raises(ArtifactError, match=r"its inputs are not those of its manifest .*became"):
        zoo.verify(tamper("gtcrn", manifest=lambda data: data.update(other)))


def test_the_manifest_of_other_weights(exported: Exported, tamper: Tamper, tmp_path: Path) -> None:
    """Same network, same shapes; only the recording can tell."""
    import torch

    from converters import export_onnx
    from tests.contract import perturb

    torch.manual_seed(1)
    other = tmp_path / "other.onnx"
    export_onnx(perturb(zoo.create_model("fastenhancer_t")), other, "wav2wav")
    assert zoo.verify(other).passed
    pasted = json.loads(manifest_of(other).to_json())
    with pytest.raises(ParityError, match="wav_out: SNR"):
        zoo.verify(tamper("fastenhancer_t", manifest=lambda data: data.update(pasted)))


def test_a_version_of_the_future(tamper: Tamper) -> None:
    with pytest.raises(ArtifactError, match="version 99, this package reads version 1"):
        zoo.verify(tamper(manifest=lambda data: data.update(version=99)))


# Limits that are ours


def halved(graph: onnx.GraphProto) -> None:
    for initializer in weights(graph):
        values = onnx.numpy_helper.to_array(initializer) / np.float32(2)
        initializer.CopyFrom(onnx.numpy_helper.from_array(values, initializer.name))


@pytest.mark.parametrize("tolerance", [{"snr_db": -1e9, "max_error": 1e-5}, {"snr_db": 110, "max_error": 9}])
def test_a_file_does_not_set_its_own_limits(tamper: Tamper, tolerance: dict[str, float]) -> None:
    path = tamper(manifest=lambda data: data.update(tolerance=tolerance), graph=halved)
    with pytest.raises(
        ArtifactError, match=r"its manifest allows an SNR of .*gtcrn is held to 110 dB and 1e-05"
    ):
        zoo.verify(path)


def test_the_limits_of_a_model_that_is_not_registered(tamper: Tamper) -> None:
    """They are the usual ones."""
    assert zoo.verify(tamper(manifest=lambda data: data.update(model="mine"))).passed
    loose = {"model": "mine", "tolerance": {"snr_db": 20, "max_error": 0.1}}
    with pytest.raises(ArtifactError, match="what is made of mine is held to 110 dB"):
        zoo.verify(tamper(manifest=lambda data: data.update(loose)))


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        (8000, "its manifest says 8000 Hz, and gtcrn runs at 16000 Hz"),
        (48000, "its manifest says 48000 Hz, and gtcrn runs at 16000 Hz"),
        (0, "sample_rate 0: expected a whole number from 1 to"),
        (-16000, "sample_rate -16000: expected a whole number"),
        (16000.0, r"sample_rate 16000\.0: expected a whole number"),
        (True, "sample_rate True: expected a whole number"),
        ("16000", "sample_rate '16000': expected a whole number"),
        (None, "sample_rate None: expected a whole number"),
        (10**9, "sample_rate 1000000000: expected a whole number"),
    ],
)
@pytest.mark.parametrize("form", ["wav2wav", "spec2spec"])
def test_a_sample_rate_that_is_not_the_models(tamper: Tamper, form: str, rate: Any, message: str) -> None:
    path = tamper(form=form, manifest=lambda data: data["front_end"].update(sample_rate=rate))
    with pytest.raises(ArtifactError, match=rf"model\.onnx: .*{message}"):
        zoo.verify(path)


def test_a_sample_rate_that_is_not_the_recordings(tamper: Tamper) -> None:
    def lie(data: dict[str, Any]) -> None:
        data["model"] = "mine"
        data["front_end"]["sample_rate"] = 8000

    with pytest.raises(ArtifactError, match="it is at 16000 Hz, and the manifest says 8000 Hz"):
        zoo.verify(tamper(manifest=lie))


@pytest.mark.parametrize("fields", [{"hop_length": "256"}, {"n_fft": 512.0}, {"window": 3}])
def test_a_front_end_of_other_types(tamper: Tamper, fields: dict[str, Any]) -> None:
    with pytest.raises(ArtifactError, match=r"its manifest cannot be read .*: expected a "):
        zoo.verify(tamper(manifest=lambda data: data["front_end"].update(fields)))


@pytest.mark.parametrize("value", ["1", None, float("nan"), float("-inf"), True])
def test_a_tolerance_that_is_no_number(tamper: Tamper, value: Any) -> None:
    with pytest.raises(ArtifactError, match=r"tolerance snr_db .*: expected a number"):
        zoo.verify(tamper(manifest=lambda data: data["tolerance"].update(snr_db=value)))


# Recordings and weights


def recoded(change: Callable[[np.ndarray], np.ndarray], key: str) -> Callable[[dict[str, Any]], None]:
    def alter(data: dict[str, Any]) -> None:
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(data["golden"][key])), dtype="int16")
        buffer = io.BytesIO()
        soundfile.write(buffer, change(samples), rate, format="FLAC", subtype="PCM_16")
        data["golden"][key] = base64.b64encode(buffer.getvalue()).decode()

    return alter


def one_sample(samples: np.ndarray) -> np.ndarray:
    changed = samples.copy()
    changed[8000] += 30  # a thousandth of full scale
    return changed


@pytest.mark.parametrize(
    "alter",
    [
        recoded(lambda samples: np.roll(samples, 1), "noisy"),
        recoded(lambda samples: samples // 2, "noisy"),
        recoded(lambda samples: -samples, "enhanced"),
        recoded(one_sample, "enhanced"),
        lambda data: data["golden"].update(peak=1.001 * data["golden"]["peak"]),
    ],
    ids=["shifted", "halved", "inverted", "one sample", "peak"],
)
def test_an_altered_recording(tamper: Tamper, alter: Callable[[dict[str, Any]], None]) -> None:
    with pytest.raises(ParityError, match="wav_out: SNR"):
        zoo.verify(tamper(manifest=alter))


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (lambda data: data["golden"].update(noisy="not base64!"), "recording is damaged"),
        (lambda data: data["golden"].update(noisy=None), "golden noisy None: expected a text"),
        (lambda data: data["golden"].update(peak="loud"), "golden peak 'loud': expected a number"),
        (lambda data: data["golden"].update(enhanced=""), "recording is damaged"),
        (lambda data: data["golden"].update(enhanced="UklGRg=="), "recording is damaged"),
        (lambda data: data["golden"].update(noisy=data["golden"]["noisy"][:400]), "recording is damaged"),
        (recoded(lambda samples: samples[:8000], "enhanced"), r"holds \(16000,\) and \(8000,\) samples"),
        (lambda data: data.update(golden=None), "carries no golden recording"),
    ],
    ids=["letters", "none", "peak", "empty", "header only", "cut", "shorter", "missing"],
)  # fmt: skip
def test_a_damaged_recording(tamper: Tamper, alter: Callable[[dict[str, Any]], None], message: str) -> None:
    with pytest.raises(ArtifactError, match=rf"model\.onnx: .*{message}"):
        zoo.verify(tamper(manifest=alter))


def test_one_weight_changed_by_a_hundredth(tamper: Tamper, shared: Path) -> None:
    """Tensor after tensor, as a file damaged on its way or a slip of a later optimiser would do it."""
    missed, tried = [], range(0, len(weights(onnx.load(tamper()).graph)), 9)

    def scale(index: int) -> Callable[[onnx.GraphProto], None]:
        def change(graph: onnx.GraphProto) -> None:
            initializer = weights(graph)[index]
            values = onnx.numpy_helper.to_array(initializer) * np.float32(1.01)
            initializer.CopyFrom(onnx.numpy_helper.from_array(values, initializer.name))

        return change

    for index in tried:
        path = tamper(graph=scale(index))
        with contextlib.suppress(ParityError):
            zoo.verify(path)
            missed.append(weights(onnx.load(path).graph)[index].name)
    assert len(tried) > 8 and missed == []


def weights(graph: onnx.GraphProto) -> list[onnx.TensorProto]:
    """Initializers with more than one value, the largest first."""
    found = [i for i in graph.initializer if i.data_type == onnx.TensorProto.FLOAT and np.prod(i.dims) > 1]
    return sorted(found, key=lambda i: (-np.prod(i.dims), i.name))


def manifest_of(path: Path) -> EnhancementManifest:
    (record,) = onnx.load(path).metadata_props
    assert record.key == METADATA_KEY
    return Manifest.from_json(record.value, str(path))


def test_the_recording_is_small(exported: Exported) -> None:
    manifest = manifest_of(exported("gtcrn", "wav2wav"))
    assert manifest.golden is not None
    for text in (manifest.golden.noisy, manifest.golden.enhanced):
        info = soundfile.info(io.BytesIO(base64.b64decode(text)))
        assert (info.frames, info.samplerate, info.channels) == (16000, 16000, 1)
        assert info.subtype == "PCM_16" and len(text) < 60_000
    assert dataclasses.replace(manifest).to_json() == manifest.to_json()
