"""What may be wrong with a repository of a speaker model or of text to speech, and how it is told."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import zoo
from converters.publish.folder import build_repository
from tests.hub.repository import PARAMETERS, REPO, kept, publish
from tests.hub.server import Files, Hub
from tests.hub.tasks import FORMS, GRAPHS, SPEAKER, USUAL, VOICE
from zoo.artifact.manifest import METADATA_KEY
from zoo.checkpoint import digest
from zoo.cli import main
from zoo.errors import ArtifactError, CheckpointError, ParityError, SpeechZooError
from zoo.hub.index import GOLDEN, INDEX
from zoo.registry import get_spec

Change = Callable[[Files], Files]
Capture = pytest.CaptureFixture[str]


def agreeing(files: Files, **fields: object) -> Files:
    """Files with an index that has their sizes and hashes, as somebody would write who hides a change."""
    index = {**json.loads(files[INDEX]), **fields}
    for path, entry in index["files"].items():
        entry.update(size=len(files[path]), sha256=hashlib.sha256(files[path]).hexdigest())
    return {**files, INDEX: json.dumps(index).encode()}


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
    """A matrix of the network is changed by a thousandth, and the header has the new hash; ``owned``: and the
    index has it."""

    def change(files: Files) -> Files:
        from safetensors.torch import load, save

        key = {SPEAKER: "seg_1.weight", VOICE: "mel_linear.weight"}[name]
        params = load(files[PARAMETERS])
        params[key] *= 1.001
        length = int.from_bytes(files[PARAMETERS][:8], "little")
        header = json.loads(files[PARAMETERS][8 : 8 + length])["__metadata__"]
        weights = json.loads(files[INDEX])["weights"]
        record = json.loads(header[METADATA_KEY])
        record["weights"]["sha256"] = digest(params)
        header[METADATA_KEY] = json.dumps(record)
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
        (
            "graph of another model",
            {"model": "campplus"},
            "its manifest (has model 'campplus', the index|says)",
        ),
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
NONE, DAMAGED = (
    "it is no golden recording",
    "(its golden (recording|text) is damaged|it is no golden recording) ",
)
FEATS, SHORT = GRAPHS[SPEAKER][1], GRAPHS[VOICE][1]
FAULTS = [
    *faults_of_both(SPEAKER, "embs: SNR"),
    *faults_of_both(VOICE, "mel: SNR"),
    Fault(
        "another form", SPEAKER, entry(FEATS, form="wav"), ArtifactError, FEATS, ".*'feats', the index 'wav'",
        {"form": "wav"},
    ),
    Fault(
        "another size", VOICE, entry(SHORT, form="64/512"), ArtifactError, SHORT, ".*'32/256', the index",
        {"form": "64/512"},
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
    assert {Path(name).name for name in kept(cache)} <= {INDEX, f"{INDEX}.sha256", "main", GOLDEN}


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
        (["publish", name, "--folder", str(tmp_path / "new")], f"--weights is missing: none of {name} come"),
        (["publish", "gtcrn", "--folder", str(folder)], f"a repository of {name}, not of gtcrn"),
    ):
        assert main(words) == 1
        told = capsys.readouterr()
        assert says in told.err and told.out == ""
    task = get_spec(name).task
    with pytest.raises(
        ArtifactError, match=f"{name} is a model for {task}, and there is no engine export of"
    ):
        build_repository(name, tmp_path / "new", weights="none", also=["engine"])
    assert server.requests == [] and not (tmp_path / "new").exists()


def test_terms_and_parameters_of_another_model(parameters: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="under which licence"):
        build_repository(SPEAKER, tmp_path / "new", weights=parameters(SPEAKER))
    with pytest.raises(CheckpointError, match="holds weights of fastspeech, not of resnet18"):
        build_repository(SPEAKER, tmp_path / "new", weights=parameters(VOICE), licence="MIT")
    assert list(tmp_path.iterdir()) == []
