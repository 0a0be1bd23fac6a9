"""Speaker models and text to speech are published, pulled and proved as enhancers are."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import yaml

import zoo
from converters.publish import folder as repository
from converters.publish import releases
from converters.publish.card import card
from converters.publish.folder import build_repository, check_repository
from tests.conftest import ROOT
from tests.hub.conftest import PARAMETERS, REPO, kept, publish
from tests.hub.server import Files, Hub
from zoo.artifact.manifest import METADATA_KEY
from zoo.builtin import TAG, packaged_artifact
from zoo.checkpoint import digest, write_parameters
from zoo.cli import main
from zoo.create import build, create_model
from zoo.errors import ArtifactError, CheckpointError, ParityError, SpeechZooError
from zoo.hub.index import CARD, GOLDEN, INDEX, File, Index
from zoo.registry import find_weights, get_spec
from zoo.runtime.onnx import OnnxGraph
from zoo.tasks.synthesis.golden import parity_ids
from zoo.tasks.synthesis.session import Utterance

Change = Callable[[Files], Files]
Capture = pytest.CaptureFixture[str]

SPEAKER, VOICE = "resnet18", "fastspeech"
FORMS = {SPEAKER: ("wav", "feats"), VOICE: ("32/256", "64/512")}
GRAPHS = {
    SPEAKER: ("onnx/resnet18.wav.onnx", "onnx/resnet18.feats.onnx"),
    VOICE: ("onnx/fastspeech.i32.o256.onnx", "onnx/fastspeech.i64.o512.onnx"),
}
USUAL = {SPEAKER: GRAPHS[SPEAKER][0], VOICE: GRAPHS[VOICE][1]}  # where no form is named
OPTIONS = {  # of a voice that exports in seconds; its positions end with the second of the sizes
    SPEAKER: {},
    VOICE: {
        "channels": 32, "phoneme_layers": 1, "mel_layers": 1, "head_channels": 16, "filters": 48,
        "duration_filters": 32, "longest": 512,
    },
}  # fmt: skip
TERMS = ["--licence", "MIT", "--training-data", "nothing"]


@pytest.fixture(scope="session")
def parameters(cache_folder: Path) -> Callable[[str], Path]:
    """``parameters(name)``: a safetensors file with random parameters of a model."""
    from filelock import FileLock

    def write(name: str) -> Path:
        path = cache_folder / f"{name}.random.safetensors"
        with FileLock(f"{path}.lock"):
            if not path.is_file():
                torch.manual_seed(1)
                spec = get_spec(name)
                spec = replace(spec, options={**spec.options, **OPTIONS[name]})
                write_parameters(build(spec).eval(), spec, {"source": "random"}, path)
        return path

    return write


@pytest.fixture(scope="session")
def built(cache_folder: Path, parameters: Callable[[str], Path]) -> Callable[[str], Path]:
    """``built(name)``: a model's repository as the command line builds it, made once a run."""
    from filelock import FileLock

    def make(name: str) -> Path:
        folder = cache_folder / f"repository-{name}"
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                words = ["publish", name, "--weights", str(parameters(name)), *TERMS]
                assert main([*words, "--folder", str(folder)]) == 0
        return folder

    return make


@pytest.fixture
def files_of(built: Callable[[str], Path]) -> Callable[[str], Files]:
    def read(name: str) -> Files:
        folder = built(name)
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    return read


def agreeing(files: Files, **fields: object) -> Files:
    """Files with an index that has their sizes and hashes, as somebody would write who hides a change."""
    index = {**json.loads(files[INDEX]), **fields}
    for path, entry in index["files"].items():
        entry.update(size=len(files[path]), sha256=hashlib.sha256(files[path]).hexdigest())
    return {**files, INDEX: json.dumps(index).encode()}


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
    assert capsys.readouterr().err.count(": verified") == 3
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
    """The largest size alone, both from a folder, and the network in PyTorch."""
    voices = [zoo.Synthesizer(graph), zoo.Synthesizer(here), zoo.Synthesizer(VOICE, parameters)]
    assert [len(voice.session.buckets) for voice in voices] == [1, 2, 1]
    said = voices[0]("Hello there, this is a test.")
    assert len(said.mel) and np.isfinite(said.waveform).all() and said.waveform.std() > 0
    text = Utterance(parity_ids(voices[0].session.symbols)[:30], forced=(4.0,) * 30)
    first, *others = [voice.frames([text])[0].mel for voice in voices]
    assert len(first) == 120
    for other in others:  # whose last frames see another padding, or none
        np.testing.assert_allclose(other[:-4], first[:-4], atol=0.03)


# What may be wrong


def content_of(path: str, content: bytes) -> Change:
    return lambda files: agreeing({**files, path: content})


def one_weight(path: str) -> Change:
    """The last matrix or kernel of a graph is changed by a thousandth; all else is as it was."""

    def change(files: Files) -> Files:
        proto = onnx.load_from_string(files[path])
        tensors = {tensor.name: tensor for tensor in proto.graph.initializer}
        used = [node.input[1] for node in proto.graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
        tensor = tensors[[name for name in used if name in tensors][-1]]
        values = onnx.numpy_helper.to_array(tensor) * np.float32(1.001)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        return agreeing({**files, path: proto.SerializeToString()})

    return change


def other_parameters(name: str, *, owned: bool) -> Change:
    """A matrix of the network is changed by a thousandth; ``owned``: and the index has the new hash."""

    def change(files: Files) -> Files:
        from safetensors.torch import load, save

        key = {SPEAKER: "seg_1.weight", VOICE: "mel_linear.weight"}[name]
        params = load(files[PARAMETERS])
        params[key] *= 1.001
        length = int.from_bytes(files[PARAMETERS][:8], "little")
        header = json.loads(files[PARAMETERS][8 : 8 + length])["__metadata__"]
        weights = json.loads(files[INDEX])["weights"]
        fields = {"weights": {**weights, "sha256": digest(params)}} if owned else {}
        return agreeing({**files, PARAMETERS: save(params, header)}, **fields)

    return change


def lying(path: str, **fields: object) -> Change:
    """The manifest in a graph says something else."""

    def change(files: Files) -> Files:
        proto = onnx.load_from_string(files[path])
        manifest = json.loads(next(p.value for p in proto.metadata_props if p.key == METADATA_KEY))
        onnx.helper.set_model_props(proto, {METADATA_KEY: json.dumps({**manifest, **fields})})
        return agreeing({**files, path: proto.SerializeToString()})

    return change


def golden(**fields: Any) -> Change:
    """The recording says something else; what is callable is called with what it says."""

    def change(files: Files) -> Files:
        found = json.loads(files[GOLDEN])
        new = {key: value(found[key]) if callable(value) else value for key, value in fields.items()}
        return agreeing({**files, GOLDEN: json.dumps({**found, **new}).encode()})

    return change


def louder(embedding: str) -> str:
    values = np.frombuffer(base64.b64decode(embedding), "<f4")
    return base64.b64encode((values * np.float32([1.01] + [1] * (len(values) - 1))).tobytes()).decode()


def of_another_task(files: Files) -> Files:
    """The whole index says so; a graph's form would give it away first."""
    index = {**json.loads(files[INDEX]), "task": "enhancement", "files": {}}
    return {**files, INDEX: json.dumps(index).encode()}


def entry(path: str, **fields: object) -> Change:
    """An entry of the index says something else."""

    def change(files: Files) -> Files:
        index = json.loads(files[INDEX])
        index["files"][path].update(fields)
        return {**files, INDEX: json.dumps(index).encode()}

    return change


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with the files, and how a pull with these options tells of it.

    Attributes:
        what: is wrong.
        name: of the model.
        change: of its files.
        error: what it must raise.
        where: the file that the message names.
        says: regular expression of what follows.
        options: of ``zoo.pull``.
    """

    what: str
    name: str
    change: Change
    error: type[SpeechZooError]
    where: str
    says: str
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name} {self.what}"


def faults_of_both(name: str, tensor: str) -> list[Fault]:
    """What may be wrong with either; ``tensor`` is what its recording holds."""
    usual, task = USUAL[name], get_spec(name).task
    changed = [
        Fault(f"weight of {form}", name, one_weight(graph), ParityError, graph, tensor, {"form": form})
        for form, graph in zip(FORMS[name], GRAPHS[name], strict=True)
    ]
    graphs = [
        ("graph of other weights", {"weights": {"sha256": "0" * 64}}, "its manifest has weights '0+', the"),
        ("graph of another model", {"model": "campplus"}, "its manifest has model 'campplus', the index"),
        ("graph without golden", {"golden": None}, "it carries no golden .* export it again"),
    ]
    changed += [
        Fault(what, name, lying(usual, **fields), ArtifactError, usual, says) for what, fields, says in graphs
    ]
    sha256 = "its parameters have the sha256 .*, not that of the index"
    owned, other = other_parameters(name, owned=True), other_parameters(name, owned=False)
    recordings = {"list": b"[]", "no JSON": b"\xff{", "other": b'{"noisy": "", "enhanced": "", "peak": 1}'}
    changed += [
        Fault("parameter", name, owned, ParityError, PARAMETERS, tensor, PULLED),
        Fault("other parameters", name, other, ArtifactError, PARAMETERS, sha256, PULLED),
        *(
            Fault(f"golden {what}", name, content_of(GOLDEN, content), ArtifactError, GOLDEN, NONE, PULLED)
            for what, content in recordings.items()
        ),
    ]
    unknown = rf"it cannot be read .*'spec2spec' is no form of a graph for {task}"
    task_says = f"it says that {name} is for enhancement; it is for {task}"
    return [
        *changed,
        Fault("form of a task", name, entry(usual, form="spec2spec"), ArtifactError, INDEX, unknown),
        Fault("another task", name, of_another_task, ArtifactError, INDEX, task_says),
    ]


PULLED = {"format": "safetensors"}
NONE, DAMAGED = "it is no golden recording", "its golden (recording|text) is damaged "
FEATS, SHORT = GRAPHS[SPEAKER][1], GRAPHS[VOICE][0]
FAULTS = [
    *faults_of_both(SPEAKER, "embs: SNR"),
    *faults_of_both(VOICE, "mel: SNR"),
    Fault(
        "another form", SPEAKER, entry(FEATS, form="wav"), ArtifactError, FEATS, ".*'feats', the index 'wav'",
        {"form": "wav"},
    ),
    Fault(
        "another size", VOICE, entry(SHORT, form="64/512"), ArtifactError, SHORT, ".*'32/256', the index",
    ),
    *(
        Fault(f"golden {what}", SPEAKER, golden(**fields), error, where, says, PULLED)
        for what, fields, error, where, says in (
            ("changed", {"embedding": louder}, ParityError, PARAMETERS, "embs: SNR"),
            ("of another signal", {"signal": lambda s: "A" * len(s)}, ArtifactError, GOLDEN, DAMAGED),
            ("not base64", {"embedding": "?"}, ArtifactError, GOLDEN, DAMAGED),
            ("no text", {"embedding": 7}, ArtifactError, GOLDEN, DAMAGED),
        )
    ),
    *(
        Fault(f"golden {what}", VOICE, golden(**fields), error, where, says, PULLED)
        for what, fields, error, where, says in (
            ("changed", {"peak": lambda n: 1.01 * n}, ParityError, PARAMETERS, "mel: SNR"),
            ("too slow", {"durations": lambda n: [2 * d for d in n]}, ParityError, PARAMETERS, "durations:"),
            ("of fewer frames", {"mel": lambda s: s[640:]}, ParityError, PARAMETERS, "mel_lengths: 80"),
            ("not whole", {"mel": lambda s: s[:-8]}, ArtifactError, GOLDEN, DAMAGED),
            ("of unknown ids", {"ids": lambda n: [9999] * len(n)}, ArtifactError, GOLDEN, DAMAGED),
            ("too short", {"ids": lambda n: n[1:]}, ArtifactError, GOLDEN, DAMAGED + ".its ids, durations"),
            ("no list", {"ids": 3}, ArtifactError, GOLDEN, DAMAGED),
            ("infinite", {"forced": lambda n: [np.inf] * len(n)}, ArtifactError, GOLDEN, DAMAGED),
        )
    ),
    Fault(
        "golden of no size", VOICE, entry(GOLDEN, form=""), ArtifactError, GOLDEN, ".* of which size", PULLED
    ),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_it_is_told_and_no_file_is_given(
    fault: Fault, server: Hub, cache: Path, files_of: Callable[[str], Files], tmp_path: Path
) -> None:
    publish(server, fault.change(files_of(fault.name)))
    says = rf"^someone/small@[0-9a-f]{{12}}: {re.escape(fault.where)}: {fault.says}"
    with pytest.raises(SpeechZooError, match=says) as caught:
        zoo.pull(fault.name, repo=REPO, out=tmp_path / "out", **fault.options)
    assert type(caught.value) is fault.error
    assert str(cache) not in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
    assert {Path(name).name for name in kept(cache)} <= {INDEX, "main", GOLDEN}


@pytest.mark.parametrize("name", [SPEAKER, VOICE])
def test_what_it_has_is_listed(
    name: str, server: Hub, cache: Path, files_of: Callable[[str], Files], capsys: Capture
) -> None:
    publish(server, files_of(name))
    capsys.readouterr()
    listed = f"it has safetensors; onnx ({', '.join(sorted(FORMS[name]))})"
    for words, kind in ((["--form", "16/99"], "16/99 onnx"), (["--format", "torchscript"], "torchscript")):
        assert main(["pull", name, "--repo", REPO, *words]) == 1
        assert f"has no {kind} file; {listed}" in capsys.readouterr().err


@pytest.mark.parametrize("name", [SPEAKER, VOICE])
def test_what_there_is_not_is_told_at_once(
    name: str, server: Hub, cache: Path, built: Callable[[str], Path], tmp_path: Path, capsys: Capture
) -> None:
    """Before the Hub is asked, parameters are read or graphs exported."""
    folder, pull = built(name), ["pull", name, "--repo", REPO]
    capsys.readouterr()
    for words, says in (
        ([*pull, "--streaming"], "are neither streaming nor offline; leave that out"),
        ([*pull, "--offline"], "are neither streaming nor offline; leave that out"),
        ([*pull, "--format", "safetensors", "--form", "wav"], "safetensors files have no form"),
        (
            [
                "publish",
                name,
                "--weights",
                "none",
                "--also",
                "torchscript",
                "--folder",
                str(tmp_path / "new"),
            ],
            f"{name} is a model for {get_spec(name).task}, and there is no torchscript export of those",
        ),
        (["publish", name, "--folder", str(tmp_path / "new")], f"--weights is missing: none of {name} come"),
        (["publish", "gtcrn", "--folder", str(folder)], f"a repository of {name}, not of gtcrn"),
    ):
        assert main(words) == 1
        told = capsys.readouterr()
        assert says in told.err and told.out == ""
    assert server.requests == [] and not (tmp_path / "new").exists()


def test_terms_and_parameters_of_another_model(parameters: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="under which licence"):
        build_repository(SPEAKER, tmp_path / "new", weights=parameters(SPEAKER))
    with pytest.raises(CheckpointError, match="holds weights of fastspeech, not of resnet18"):
        build_repository(SPEAKER, tmp_path / "new", weights=parameters(VOICE), licence="MIT")
    assert list(tmp_path.iterdir()) == []


def test_the_voice_of_the_package(
    server: Hub, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its graph and parameters are published as they are; here without the sizes that take an export."""
    name = zoo.tasks.synthesis.synthesizer.DEFAULT_MODEL
    spec, weights = get_spec(name), find_weights(get_spec(name), TAG)
    ready = packaged_artifact(spec, TAG)
    assert ready is not None
    monkeypatch.setattr(releases, "default_buckets", lambda model: [spec.buckets[-1]])
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
    assert index.find("onnx", "", "96/768").form == "96/768"
    for wrong in ("96", "0/1", "96/768/1", "1/-2", "wav", "a/b"):
        with pytest.raises(ValueError, match="is no form of a graph for synthesis"):
            Index(VOICE, "synthesis", {}, (graph(wrong),))


@pytest.mark.parametrize(("name", "form"), [(SPEAKER, "wav"), (VOICE, "64/512")])
def test_the_entry_of_an_engine(name: str, form: str, built: Callable[[str], Path], tmp_path: Path) -> None:
    """Its form comes from the manifest in its record; nothing here can build or run one."""
    engine = tmp_path / "x.engine"
    engine.write_bytes(b"an engine")
    manifest = OnnxGraph(built(name) / USUAL[name]).manifest
    assert manifest is not None
    record = {
        "flavour": "tensorrt",
        "library": "10.15.1.29",
        "precision": "fp32",
        "profiles": {},
        "targets": [],
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
