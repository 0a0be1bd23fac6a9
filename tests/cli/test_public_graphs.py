"""Public graphs from the command line: by tag on a plain installation, and by path."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import zoo
from tests.data import ROOT
from tests.hub.repository import environment
from tests.hub.server import Hub, Repository, serving
from tests.interpreter import EXTRAS, python
from tests.published import TAG, changed, pin
from zoo.cli import main
from zoo.spec import Pinned, Weights

Exported = Callable[..., Path]
Capture = pytest.CaptureFixture[str]

NOISY = ROOT / "examples/noisy.wav"
COMMAND = "import sys\nfrom zoo.cli import main\nsys.exit(main(sys.argv[1:]))"
# Pins one tag of one model and runs the command line.
PINNED = """
import json, sys
from dataclasses import replace
from zoo import registry
from zoo.cli import main
from zoo.spec import Pinned, Weights
model, fields = sys.argv.pop(1), json.loads(sys.argv.pop(1))
fields["graph"] = fields["graph"] and Pinned(**fields["graph"])
registry._specs()[model] = replace(registry.get_spec(model), weights=(Weights(**fields),))
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def server() -> Iterator[Hub]:
    with serving() as server:
        yield server


@pytest.fixture
def cache(tmp_path: Path, server: Hub, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    for name, value in environment(server, folder).items():
        monkeypatch.setenv(name, value)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def offered(server: Hub, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Weights]:
    """``offered(model, file, graph=None)``: a tag of a file on the server, and perhaps a graph beside it."""

    def offer(model: str, path: Path, graph: Path | None = None) -> Weights:
        files = {p.name: p.read_bytes() for p in (path, graph) if p is not None}
        server.repositories["them/models"] = Repository()
        commit = server.repositories["them/models"].commit(files)
        address = f"{server.url}/them/models/resolve/{commit}"
        known: dict[str, object] = {"url": f"{address}/{path.name}"}
        if graph is not None:
            beside = pin(monkeypatch, model, graph)
            known["kind"] = "checkpoint"
            known["graph"] = Pinned(f"{address}/{graph.name}", beside.sha256, beside.size)
        return pin(monkeypatch, model, path, **known)

    return offer


def asked(server: Hub) -> list[str]:
    return [request.path.rpartition("/")[2] for request in server.requests]


def test_by_tag_without_torch(
    shared: Path, server: Hub, cache: Path, offered: Callable[..., Weights], tmp_path: Path
) -> None:
    """One download, checked, cached, run; then no network is needed. Which graph runs is told in a line."""
    path = shared / "data/public/ulunas_stream_simple.onnx"
    weights = offered("ulunas", path)
    pinned = ["ulunas", json.dumps(asdict(weights))]
    for number, words in enumerate((["--weights", TAG], [], ["--weights", "default"])):
        out, offline = tmp_path / f"{number}.wav", {"HF_HUB_OFFLINE": "1"} if number else {}
        words = [*pinned, "enhance", NOISY, "-o", out, "--model", "ulunas", *words]
        done = python(PINNED, *words, **offline)
        assert done.returncode == 0, done.stderr
        expected = f"speechzoo: ulunas:{TAG} runs as its authors published it (known by its hash; 16000 Hz,"
        assert done.stderr.count(expected) == 1
    assert asked(server) == [path.name]
    noisy, rate = soundfile.read(NOISY, dtype="float32")
    ours, _ = soundfile.read(tmp_path / "0.wav", dtype="float32")
    reference = zoo.Enhancer(path)(noisy, rate)
    np.testing.assert_allclose(ours, reference, atol=1.1 / 32768)
    assert (tmp_path / "0.wav").read_bytes() == (tmp_path / "2.wav").read_bytes()


def test_the_graph_beside_a_checkpoint(
    shared: Path, server: Hub, cache: Path, offered: Callable[..., Weights], tmp_path: Path, capsys: Capture
) -> None:
    """Without torch the graph runs, and the checkpoint is not fetched; with it, a graph of ours is made."""
    graph = shared / "data/public/fastenhancer_48k_t.onnx"
    checkpoint = shared / "data/checkpoints/fastenhancer_48k_t.safetensors"
    weights = offered("fastenhancer_48k_t", checkpoint, graph)
    words = ["enhance", str(NOISY), "--model", "fastenhancer_48k_t", "--weights", TAG, "-o"]
    out = [tmp_path / "theirs.wav", tmp_path / "ours.wav"]
    done = python(PINNED, "fastenhancer_48k_t", json.dumps(asdict(weights)), *words, out[0])
    assert done.returncode == 0, done.stderr
    assert "runs as its authors published it" in done.stderr and asked(server) == [graph.name]
    assert main([*words, str(out[1])]) == 0
    told = capsys.readouterr().err
    assert f"fastenhancer_48k_t, weights {TAG}, runs as a graph of ours, {cache}" in told
    assert "as its authors" not in told and asked(server) == [graph.name, checkpoint.name]
    theirs, ours = (soundfile.read(path, dtype="int16")[0].astype(int) for path in out)
    assert np.abs(theirs - ours).max() <= 1


def test_a_checkpoint_without_a_graph_is_not_fetched_in_vain(
    shared: Path, server: Hub, cache: Path, offered: Callable[..., Weights], tmp_path: Path
) -> None:
    weights = offered("gtcrn", shared / "data/checkpoints/gtcrn_vctk.tar")
    pinned = json.dumps(asdict(replace(weights, kind="checkpoint")))
    words = ["enhance", NOISY, "-o", tmp_path / "x.wav", "--model", "gtcrn", "--weights", TAG]
    done = python(PINNED, "gtcrn", pinned, *words)
    assert done.returncode == 1 and asked(server) == [], done.stderr
    assert "weights of gtcrn must be exported once, which needs onnx: pip install" in done.stderr


def test_one_sentence_offline(
    shared: Path, server: Hub, cache: Path, offered: Callable[..., Weights], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: Capture,
) -> None:  # fmt: skip
    offered("ulunas", shared / "data/public/ulunas_stream_simple.onnx")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["enhance", str(NOISY), "--model", "ulunas", "-o", str(tmp_path / "out.wav")]) == 1
    told = capsys.readouterr().err.splitlines()
    assert "HF_HUB_OFFLINE forbids to fetch it" in told[-1] and "Traceback" not in "".join(told)
    assert asked(server) == [] and not (tmp_path / "out.wav").exists()


def test_other_bytes_than_the_tag_pins(
    shared: Path, server: Hub, cache: Path, offered: Callable[..., Weights], tmp_path: Path, capsys: Capture
) -> None:
    path = shared / "data/public/ulunas_stream_simple.onnx"
    offered("ulunas", path)
    for commit in server.repositories["them/models"].commits.values():
        commit[path.name] = bytes(reversed(commit[path.name]))
    assert main(["enhance", str(NOISY), "--model", "ulunas", "-o", str(tmp_path / "out.wav")]) == 1
    told = capsys.readouterr().err
    assert "it should have the sha256" in told and not (tmp_path / "out.wav").exists()
    assert [p for p in cache.rglob("*.onnx*") if p.suffix != ".lock"] == []


def test_by_path(shared: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    path = changed(shared / "data/onnx/gtcrn_stream_upstream.onnx", tmp_path / "x.onnx")
    words = ["enhance", str(NOISY), "--artifact", str(path), "--force", "-o", str(tmp_path / "out.wav")]
    assert main(words) == 1
    refused = capsys.readouterr().err
    assert "do not tell its sample_rate and window: pass --sample-rate, --window" in refused
    assert refused.count("\n") == 1 and not (tmp_path / "out.wav").exists()
    options = ["--sample-rate", "16000", "--window", "hann-sqrt", "--hop-size", "256"]
    assert main([*words, *options, "--json"]) == 0
    told = capsys.readouterr()
    assert "16000 Hz, hop 256 of 512, window sqrt_hann)" in told.err
    report = json.loads(told.out)["files"][0]
    assert report["backend"] == "onnxruntime" and report["latency"]["samples"]["window"] == 256
    before = (tmp_path / "out.wav").read_bytes()
    pin(monkeypatch, "gtcrn", path)
    assert main(words) == 0 and (tmp_path / "out.wav").read_bytes() == before
    assert f"gtcrn:{TAG} runs as its authors published it (known by its hash" in capsys.readouterr().err
    assert main([*words, "--sample-rate", "48000"]) == 1
    assert "its sample_rate is 16000, not 48000; leave it out" in capsys.readouterr().err
    assert main(["enhance", str(NOISY), "--sample-rate", "16000"]) == 1
    assert "only a public graph takes sample_rate; leave that out" in capsys.readouterr().err


def test_as_weights_of_a_model(shared: Path, tmp_path: Path, capsys: Capture) -> None:
    """The model tells how it is framed. With PyTorch its parameters are read, and must be the model's."""
    path = changed(shared / "data/public/fastenhancer_s_vd.onnx", tmp_path / "x.onnx")
    words = ["enhance", str(NOISY), "-o", str(tmp_path / "out.wav"), "--weights", str(path), "--model"]
    done = python(COMMAND, *words, "fastenhancer_s")
    assert done.returncode == 0 and "x.onnx runs as its authors published it (taken for one" in done.stderr
    done = python(COMMAND, *words, "fastenhancer_m", "--force")
    assert "those of fastenhancer_m are 512 and 160; it is a graph of another model" in done.stderr
    assert main([*words, "fastenhancer_b", "--force"]) == 1
    told = capsys.readouterr().err
    assert "x.onnx" in told and told.count("\n") == 1 and told.startswith("speechzoo: ")
    (tmp_path / "out.wav").unlink()
    gtcrn = changed(shared / "data/onnx/gtcrn_stream_upstream.onnx", tmp_path / "gtcrn.onnx")
    assert main([*words[:-2], str(gtcrn), "--model", "gtcrn"]) == 0  # whose parameters are not read
    assert "gtcrn.onnx runs as its authors published it (taken for one of gtcrn" in capsys.readouterr().err


def test_verify(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    path = shared / "data/public/ulunas_stream_simple.onnx"
    other = changed(path, tmp_path / "x.onnx")
    pin(monkeypatch, "ulunas", path)
    assert main(["verify", str(path)]) == 0
    told = capsys.readouterr().out
    assert told == f"{path}: no speechzoo manifest; its bytes are those of ulunas:{TAG}, as pinned\n"
    assert main(["verify", str(path), str(other), "--json"]) == 1
    told = capsys.readouterr()
    known, unknown = json.loads(told.out)
    assert known == {"artifact": str(path), "passed": True, "public_graph": f"ulunas:{TAG}"}
    assert not unknown["passed"] and "it has no speechzoo manifest; export it" in unknown["error"]


def test_timed(shared: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """A known hash tells 48 kHz; without one the rate is what it was for such files, 16 kHz."""
    path = shared / "data/public/fastenhancer_48k_t.onnx"
    pin(monkeypatch, "fastenhancer_48k_t", path)
    assert main(["test", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["latency in ms"] == pytest.approx(1023 / 48)
    two_stages = str(shared / "data/public/dtln_model_1.onnx")
    assert main(["test", two_stages, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["latency in ms"] == pytest.approx(511 / 16)
    assert main(["test", str(path), "--sample-rate", "16000"]) == 1
    assert "its sample_rate is 48000, not 16000; leave it out" in capsys.readouterr().err


def test_embed(
    speaker_graph: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    import onnx

    model = onnx.load(speaker_graph("resnet18"))
    del model.metadata_props[:]
    path = tmp_path / "voxceleb_resnet18.onnx"
    onnx.save(model, path)
    words = ["embed", str(NOISY), "--artifact", str(path), "-o", str(tmp_path / "x.npz")]
    assert main(words) == 1
    assert "do not tell its sample_rate: pass --sample-rate" in capsys.readouterr().err
    assert main([*words, "--sample-rate", "16000"]) == 0
    told = capsys.readouterr().err
    assert told == (
        "speechzoo: voxceleb_resnet18.onnx runs as its authors published it (as was given; 16000 Hz, 80 "
        "features as of wespeaker)\n"
    )
    compared = ["compare", str(NOISY), str(NOISY), "--artifact", str(path), "--sample-rate", "16000"]
    assert main([*compared, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["similarity"] == pytest.approx(1)
    assert main(["test", str(path), "--runs", "1", "--sample-rate", "16000", "--json"]) == 0
    pin(monkeypatch, "resnet18", path)
    assert main([*words, "--force"]) == 0 and "known by its hash" in capsys.readouterr().err
    with np.load(tmp_path / "x.npz") as found:
        expected = zoo.Embedder(speaker_graph("resnet18"))(*soundfile.read(NOISY, dtype="float32"))
        vectors = [found[name] for name in found if found[name].shape[-1:] == (256,)]
        np.testing.assert_allclose(np.ravel(vectors[0]), expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    lacking = tuple(name for name in EXTRAS if name != "kaldi_native_fbank")
    done = python(COMMAND, *words, "--force", "--sample-rate", "16000", hidden=lacking)
    assert (done.returncode, done.stdout.count("1 recordings")) == (0, 1), done.stderr
