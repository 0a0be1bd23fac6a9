"""Speaker models and text to speech are published, pulled and proved as enhancers are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

import zoo
from converters.publish import folder as repository
from converters.publish.card import card
from converters.publish.folder import build_repository, check_repository
from converters.subjects import synthesis
from tests.data import ROOT
from tests.engines import RECORD
from tests.hub.repository import PARAMETERS, REPO, publish
from tests.hub.server import Files, Hub
from tests.hub.tasks import FORMS, GRAPHS, SPEAKER, USUAL, VOICE
from zoo.builtin import TAG, packaged_artifact
from zoo.checkpoint import digest
from zoo.cli import main
from zoo.create import create_model
from zoo.errors import ArtifactError
from zoo.files import sha256_of
from zoo.hub.index import CARD, GOLDEN, File, Index
from zoo.registry import find_weights, get_spec
from zoo.runtime.onnx import OnnxGraph
from zoo.tasks.synthesis.golden import parity_ids
from zoo.tasks.synthesis.session import Utterance
from zoo.tasks.synthesis.synthesizer import DEFAULT_MODEL

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("name", [SPEAKER, VOICE])
def test_what_is_in_it(name: str, built: Callable[[str], Path], parameters: Callable[[str], Path]) -> None:
    folder = built(name)
    index = check_repository(folder)
    graphs = {file.path: (file.format, file.form, file.streaming) for file in index.files}
    assert graphs == {
        CARD: ("card", "", None),
        PARAMETERS: ("safetensors", "", None),
        GOLDEN: ("golden", FORMS[name][0], None),
        **{path: ("onnx", form, None) for path, form in zip(GRAPHS[name], FORMS[name], strict=True)},
    }
    model = create_model(name, parameters(name))
    assert (index.model, index.task) == (name, get_spec(name).task)
    assert index.weights["sha256"] == digest(model.state_dict())
    assert (index.weights["licence"], index.weights["training_data"]) == ("MIT", "nothing")
    assert digest(create_model(name, folder / PARAMETERS).state_dict()) == index.weights["sha256"]
    assert all(zoo.verify(folder / graph).passed for graph in GRAPHS[name])
    text = (folder / CARD).read_text()
    assert f"{sum(value.numel() for value in model.parameters()):,} parameters" in text
    for file in index.files:
        assert file.path == CARD or (f"`{file.path}`" in text and file.sha256 in text)


@pytest.mark.parametrize(
    ("name", "pipeline", "tags", "used"),
    [
        (SPEAKER, "feature-extraction", {"speaker-verification", "resnet"}, ["embed", "compare", "Embedder"]),
        (VOICE, "text-to-speech", {"speech-synthesis", "fastspeech"}, ["speak", "Synthesizer"]),
    ],
)
def test_the_card(
    name: str, pipeline: str, tags: set[str], used: list[str], built: Callable[[str], Path]
) -> None:
    text = (built(name) / CARD).read_text()
    head = yaml.safe_load(text.split("---\n")[1])
    assert (head["license"], head["pipeline_tag"]) == ("mit", pipeline)
    assert {"onnx", *tags} <= set(head["tags"]) and "streaming" not in head["tags"]
    assert f"speechzoo pull {name} --repo ORG/NAME" in text
    for word in used:
        assert f"zoo.{word}(zoo.pull(" in text or f"speechzoo {word} " in text
    assert f"--artifact {Path(USUAL[name]).name}" in text


@pytest.mark.parametrize("name", [SPEAKER, VOICE])
def test_published_and_pulled(
    name: str,
    server: Hub,
    cache: Path,
    built: Callable[[str], Path],
    files_of: Callable[[str], Files],
    tmp_path: Path,
    capsys: Capture,
) -> None:
    """One commit, of which every file comes back as it was; and what comes first does its work."""
    files = files_of(name)
    capsys.readouterr()  # what building them said, if that was done here
    assert main(["publish", name, "--folder", str(built(name)), "--repo", REPO]) == 0
    assert capsys.readouterr().err.count(": verified") == 1 + len(GRAPHS[name])
    commit = server.repositories[REPO].refs["main"]
    assert server.repositories[REPO].commits[commit] == files
    words = ["pull", name, "--repo", REPO, "-o", str(tmp_path / "here")]
    wanted = dict(zip(FORMS[name], GRAPHS[name], strict=True))
    for form, graph in {"": USUAL[name], **wanted}.items():
        assert main([*words, *(["--form", form] if form else [])]) == 0
        path = Path(capsys.readouterr().out.strip())
        assert path == tmp_path / "here" / Path(graph).name and path.read_bytes() == files[graph]
    assert main([*words, "--format", "safetensors"]) == 0
    assert Path(capsys.readouterr().out.strip()).read_bytes() == files[PARAMETERS]
    assert zoo.pull(name, repo=REPO) == cache / "repositories/someone--small" / commit / USUAL[name]
    here = tmp_path / "here"
    (here / PARAMETERS).rename(tmp_path / PARAMETERS)
    {SPEAKER: embeds, VOICE: speaks}[name](zoo.pull(name, repo=REPO), here, tmp_path / PARAMETERS)


def embeds(graph: Path, here: Path, parameters: Path) -> None:
    """Both forms and the network in PyTorch give one embedding."""
    noisy = ROOT / "examples/noisy.wav"
    sources = [(graph, None), (here / "resnet18.feats.onnx", None), (SPEAKER, parameters)]
    found = [next(zoo.Embedder(*source).files([noisy])).embedding for source in sources]
    assert found[0] is not None and found[0].shape == (256,) and np.ptp(found[0]) > 0
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-4 * np.abs(found[0]).max())


def speaks(graph: Path, here: Path, parameters: Path) -> None:
    """The graph of free size alone, all from a folder, of which that one runs, and the network in PyTorch."""
    voices = [zoo.Synthesizer(graph), zoo.Synthesizer(here), zoo.Synthesizer(VOICE, parameters)]
    assert [len(voice.session.buckets) for voice in voices] == [1, 1, 1]
    said = voices[0]("Hello there, this is a test.")
    assert len(said.mel) and np.isfinite(said.waveform).all() and said.waveform.std() > 0
    text = Utterance(parity_ids(voices[0].session.symbols)[:30], forced=(4.0,) * 30)
    first, *others = [voice.frames([text])[0].mel for voice in voices]
    assert len(first) == 120
    for other in others:  # whose last frames see another padding, or none
        np.testing.assert_allclose(other[:-4], first[:-4], atol=0.03)


@pytest.mark.parametrize("name", [SPEAKER, VOICE])
def test_what_it_has_is_listed(
    name: str, server: Hub, cache: Path, files_of: Callable[[str], Files], capsys: Capture
) -> None:
    publish(server, files_of(name))
    capsys.readouterr()
    forms = [form for _, form in sorted(zip(GRAPHS[name], FORMS[name], strict=True))]
    listed = f"it has safetensors; onnx ({', '.join(forms)})"
    for words, kind in ((["--form", "16/99"], "16/99 onnx"), (["--format", "torchscript"], "torchscript")):
        assert main(["pull", name, "--repo", REPO, *words]) == 1
        assert f"has no {kind} file; {listed}" in capsys.readouterr().err


@pytest.mark.parametrize("name", [SPEAKER, VOICE])
def test_other_formats(name: str, parameters: Callable[[str], Path], tmp_path: Path) -> None:
    """Every form in each, proved like the others."""
    terms = {"licence": "MIT", "training_data": "nothing"}
    also = ("torchscript", "exported")
    index = build_repository(name, tmp_path / "r", weights=parameters(name), also=also, **terms)
    for format, ending in zip(also, (".ts", ".pt2"), strict=True):
        graphs = {form: path for form, path in zip(FORMS[name], GRAPHS[name], strict=True) if form != "free"}
        paths = [str(Path(p.replace("onnx/", f"{format}/")).with_suffix(ending)) for p in graphs.values()]
        found = {file.path: file.form for file in index.files if file.format == format}
        assert found == dict(zip(paths, graphs, strict=True))
    assert set(check_repository(tmp_path / "r").files) == set(index.files)


def test_the_voice_of_the_package(
    server: Hub, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its graph and parameters are published as they are; here without the sizes that take an export."""
    name = DEFAULT_MODEL
    spec, weights = get_spec(name), find_weights(get_spec(name), TAG)
    ready = packaged_artifact(spec, TAG)
    assert ready is not None
    monkeypatch.setattr(synthesis, "default_buckets", lambda model: [spec.buckets[-1]])
    told: list[str] = []
    folder = tmp_path / "voice"
    index = build_repository(name, folder, repo=REPO, progress=told.append)
    graph = index.find("onnx", "").path
    assert f"{graph}: as it is in the package" in told
    assert (folder / graph).read_bytes() == ready.read_bytes()
    assert hashlib.sha256((folder / PARAMETERS).read_bytes()).hexdigest() == weights.sha256
    publish(server, {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")})
    speech, own = (zoo.Synthesizer(source)("Hello.") for source in (zoo.pull(name, repo=REPO), name))
    np.testing.assert_array_equal(speech.mel, own.mel)
    results = yaml.safe_load((folder / CARD).read_text().split("---\n")[1]).get("model-index", [])
    assert bool(results) == bool(weights.metrics)
    figures = {"log-mel L1, unseen sentences of the teacher": 0.4, "word errors (%), 40 plain sentences": 9.0}
    text = card(spec, index, replace(weights, metrics=figures), REPO)
    (result,) = yaml.safe_load(text.split("---\n")[1])["model-index"]
    found = {(r["dataset"]["name"], r["metrics"][0]["name"]) for r in result["results"]}
    assert found == {
        ("unseen sentences of the teacher", "log-mel L1"),
        ("40 plain sentences", "word errors (%)"),
    }


def test_the_largest_size_is_meant() -> None:
    """By its numbers, not by its name."""

    def graph(form: str) -> File:
        return File(f"onnx/{form.replace('/', '.')}.onnx", "onnx", 1, "0" * 64, form)

    files = tuple(map(graph, ("96/768", "128/1024", "128/512")))
    index = Index(VOICE, "synthesis", {"sha256": "0" * 64}, files)
    assert index.find("onnx", "").form == "128/1024"
    assert replace(index, files=(*files, graph("free"))).find("onnx", "").form == "free"
    assert index.find("onnx", "", "96/768").form == "96/768"
    for wrong in ("96", "0/1", "96/768/1", "1/-2", "wav", "a/b"):
        with pytest.raises(ValueError, match="is no form of a graph for synthesis"):
            Index(VOICE, "synthesis", {}, (graph(wrong),))


@pytest.mark.parametrize(("name", "form"), [(SPEAKER, "wav"), (VOICE, "64/512")])
def test_the_entry_of_an_engine(name: str, form: str, built: Callable[[str], Path], tmp_path: Path) -> None:
    """Its form comes from the manifest in its record; nothing here can build or run one."""
    engine = tmp_path / "x.engine"
    engine.write_bytes(b"an engine")
    manifest = OnnxGraph(built(name) / GRAPHS[name][FORMS[name].index(form)]).manifest
    assert manifest is not None
    record = {
        **json.loads(RECORD.to_json()),
        "engine_sha256": sha256_of(engine),
        "precision": "fp32",
        "profiles": {},
        "gpu": {"name": "NVIDIA L4", "capability": "8.9"},
        "manifest": json.loads(manifest.to_json()),
    }
    engine.with_name("x.engine.json").write_text(json.dumps(record))
    file, beside = repository._engine(tmp_path / "new", engine)
    assert (file.format, file.form, file.streaming) == ("tensorrt", form, None)
    assert beside.path == f"{file.path}.json" == "tensorrt/sm89-10.15.1-fp32/x.engine.json"
    engine.with_name("x.engine.json").write_text(json.dumps({**record, "manifest": None}))
    with pytest.raises(ArtifactError, match=r"x\.engine\.json: its manifest cannot be read"):
        repository._engine(tmp_path / "other", engine)
