"""What can be wrong with a repository, a server or a network: each its own error, and no file."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx
import pytest

import zoo
from tests.hub.repository import GRAPH, MODEL, PARAMETERS, REPO, indexed, kept, publish
from tests.hub.server import Files, Handler, Hub, blob_hash
from zoo.artifact.golden import pack, unpack
from zoo.artifact.manifest import METADATA_KEY, Golden, Manifest
from zoo.builtin import TAG, packaged_artifact
from zoo.errors import ArtifactError, CheckpointError, HubError, ParityError, SpeechZooError
from zoo.hub import client
from zoo.hub.index import GOLDEN, INDEX, Index
from zoo.hub.weights import locate
from zoo.registry import get_spec

Change = Callable[[Files], Files]
Answer = Callable[[Handler, bytes, int], bool]


@dataclass(frozen=True)
class Fault:
    """Something that is wrong.

    Attributes:
        name: of the case.
        error: what it must raise.
        says: regular expression that the message must hold.
        change: what is wrong with the files.
        answers: by file, what is wrong with the server.
        options: of ``zoo.pull``.
    """

    name: str
    error: type[SpeechZooError]
    says: str
    change: Change = dict
    answers: dict[str, Answer] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)


# What a server may do in place of sending a file


def other_bytes(handler: Handler, content: bytes, before: int) -> bool:
    handler.file(content[::-1], blob_hash(content), X_Repo_Commit=commit_in(handler))
    return True


def git_link(handler: Handler, content: bytes, before: int) -> bool:
    handler.file(b"../../../../etc/passwd", blob_hash(content), X_Repo_Commit=commit_in(handler))
    return True


def truncated(handler: Handler, content: bytes, before: int) -> bool:
    handler.break_off(content[: len(content) // 2], len(content))
    return True


def longer(handler: Handler, content: bytes, before: int) -> bool:
    handler.file(content + b"more", X_Repo_Commit=commit_in(handler))
    return True


def missing(handler: Handler, content: bytes, before: int) -> bool:
    handler.send(404, b"Entry not found", X_Error_Code="EntryNotFound")
    return True


def mute(handler: Handler, content: bytes, before: int) -> bool:
    handler.server.release.wait(20)
    return True


def stalls(handler: Handler, content: bytes, before: int) -> bool:
    handler.send(200, content[:5000], Content_Length=str(len(content)))
    handler.wfile.flush()
    handler.server.release.wait(20)
    return True


def broken(handler: Handler, content: bytes, before: int) -> bool:
    handler.send(500, b"oh no")
    return True


def other_part(handler: Handler, content: bytes, before: int) -> bool:
    if not handler.headers.get("Range"):
        return truncated(handler, content, before)
    handler.send(206, content[10:], Content_Range=f"bytes 10-{len(content) - 1}/{len(content)}")
    return True


def no_commit(handler: Handler, content: bytes, before: int) -> bool:
    handler.file(content)
    return True


def other_commit(handler: Handler, content: bytes, before: int) -> bool:
    handler.file(content, X_Repo_Commit="f" * 40)
    return True


def commit_in(handler: Handler) -> str:
    return handler.server.repositories[REPO].refs["main"]


# What may be wrong with the files


def content_of(path: str, content: bytes) -> Change:
    """The file is another, and the index agrees with it."""
    return lambda files: indexed({**files, path: content})


def lying(**fields: object) -> Change:
    """The manifest in the graph says something else; the index has the graph's new hash."""

    def change(files: Files) -> Files:
        proto = onnx.load_from_string(files[GRAPH])
        manifest = json.loads(next(p.value for p in proto.metadata_props if p.key == METADATA_KEY))
        onnx.helper.set_model_props(proto, {METADATA_KEY: json.dumps({**manifest, **fields})})
        return indexed({**files, GRAPH: proto.SerializeToString()})

    return change


def manifest_of(files: Files) -> Manifest:
    proto = onnx.load_from_string(files[GRAPH])
    return Manifest.from_json(next(p.value for p in proto.metadata_props if p.key == METADATA_KEY), GRAPH)


def another_shape(files: Files) -> Files:
    states = [asdict(state) for state in manifest_of(files).states]
    states[0]["shape"] = [1, 99, *states[0]["shape"][2:]]
    return lying(states=states)(files)


def other_golden(golden: Golden) -> Golden:
    """The expected output is half as loud."""
    noisy, enhanced = unpack(golden, "")
    return replace(pack(noisy, enhanced, 16000), peak=float(np.abs(enhanced).max()) / 2)


def golden_in_graph(files: Files) -> Files:
    return lying(golden=asdict(other_golden(manifest_of(files).golden)))(files)


def golden_in_file(files: Files) -> Files:
    golden = other_golden(Golden(**json.loads(files[GOLDEN])))
    return indexed({**files, GOLDEN: json.dumps(asdict(golden)).encode()})


def one_weight(files: Files) -> Files:
    """A trained value of the graph is changed by a hundredth; all else is as it was."""
    proto = onnx.load_from_string(files[GRAPH])
    tensor = max(
        proto.graph.initializer, key=lambda t: len(t.raw_data) * (t.data_type == onnx.TensorProto.FLOAT)
    )
    values = onnx.numpy_helper.to_array(tensor) * np.float32(1.01)
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    return indexed({**files, GRAPH: proto.SerializeToString()})


def without_manifest(files: Files) -> Files:
    proto = onnx.load_from_string(files[GRAPH])
    del proto.metadata_props[:]
    return indexed({**files, GRAPH: proto.SerializeToString()})


def index_fields(**fields: object) -> Change:
    def change(files: Files) -> Files:
        return {**files, INDEX: json.dumps({**json.loads(files[INDEX]), **fields}).encode()}

    return change


def entry(path: str, as_path: str = "", **fields: object) -> Change:
    """An entry of the index is changed, or moved to another path."""

    def change(files: Files) -> Files:
        index = json.loads(files[INDEX])
        index["files"][as_path or path] = {**index["files"].pop(path), **fields}
        return {**files, INDEX: json.dumps(index).encode()}

    return change


def raw_index(content: bytes) -> Change:
    return lambda files: {**files, INDEX: content}


def without(path: str) -> Change:
    return lambda files: {name: content for name, content in files.items() if name != path}


GTCRN = get_spec("gtcrn")
SAFETENSORS = {"format": "safetensors"}
AT = r"someone/small@[0-9a-f]{12}: "
GRAPH_RE, PARAMETERS_RE, INDEX_RE = (AT + re.escape(path) for path in (GRAPH, PARAMETERS, INDEX))

FAULTS = [
    Fault(
        "wrong bytes, right ETag",
        HubError,
        f"{GRAPH_RE}: it should have the sha256",
        answers={GRAPH: other_bytes},
    ),
    Fault(
        "link",
        HubError,
        f"{GRAPH_RE}: the connection broke off .it ended after 22 of",
        answers={GRAPH: git_link},
    ),
    Fault("truncated", HubError, f"{GRAPH_RE}: the connection broke off", answers={GRAPH: truncated}),
    Fault(
        "longer", HubError, f"{GRAPH_RE}: it should have [0-9,]+ bytes, but .* more", answers={GRAPH: longer}
    ),
    Fault(
        "another part", HubError, f"{GRAPH_RE}: the server sends another part", answers={GRAPH: other_part}
    ),
    Fault(
        "no such file",
        HubError,
        f"{GRAPH_RE}: the repository has no such file .404",
        answers={GRAPH: missing},
    ),
    Fault("file not there", HubError, f"{GRAPH_RE}: the repository has no such file", without(GRAPH)),
    Fault(
        "mute", HubError, f"{GRAPH_RE}: the server does not answer: nothing .* 0.4 s", answers={GRAPH: mute}
    ),
    Fault("stalls", HubError, f"{GRAPH_RE}: the server does not answer", answers={GRAPH: stalls}),
    Fault("mute at once", HubError, r"someone/small@main: config.json: .*not answer", answers={INDEX: mute}),
    Fault("500", HubError, f"{GRAPH_RE}: the server answered 500 Internal", answers={GRAPH: broken}),
    Fault("no Hub", HubError, r"config\.json: .* without the commit and ETag", answers={INDEX: no_commit}),
    Fault("no index", HubError, r"someone/small@main: config.json: .* no such file .404", without(INDEX)),
    Fault(
        "index tampered with",
        HubError,
        f"{INDEX_RE}: its bytes do not have the hash",
        answers={INDEX: other_bytes},
    ),
    Fault("index too large", HubError, f"{INDEX_RE}: it is larger than", raw_index(b" " * 2_000_000)),
    Fault(
        "index not JSON", ArtifactError, f"{INDEX_RE}: it cannot be read .JSONDecodeError", raw_index(b"{")
    ),
    Fault("index not text", ArtifactError, f"{INDEX_RE}: it cannot be read .Unicode", raw_index(b"\xff\xfe")),
    Fault(
        "index not ours", ArtifactError, f"{INDEX_RE}: it is no index of speechzoo", raw_index(b'{"a": 1}')
    ),
    Fault("newer", ArtifactError, f"{INDEX_RE}: it has version 2.* install a newer", index_fields(version=2)),
    Fault(
        "another model", ArtifactError, f"{INDEX_RE}: .* is one of gtcrn, not of", index_fields(model="gtcrn")
    ),
    Fault("no such task", ArtifactError, f"{INDEX_RE}: .*there is no task 'x'", index_fields(task="x")),
    Fault("no hash", ArtifactError, f"{INDEX_RE}: it cannot be read .* no sha256", entry(GRAPH, sha256="")),
    Fault("no size", ArtifactError, f"{INDEX_RE}: it cannot be read .* no size", entry(GRAPH, size=-1)),
    Fault(
        "way out", ArtifactError, rf"{INDEX_RE}: .*'\.\./x\.onnx' is not the path", entry(GRAPH, "../x.onnx")
    ),
    Fault("absolute", ArtifactError, f"{INDEX_RE}: .*'/tmp/x' is not the path", entry(GRAPH, "/tmp/x")),
    Fault(
        "another ending",
        ArtifactError,
        f"{INDEX_RE}: .*'x.pt2' is no name of a file of the format onnx",
        entry(GRAPH, "x.pt2"),
    ),
    Fault("over the index", ArtifactError, f"{INDEX_RE}: .*is not the path of a file", entry(GRAPH, INDEX)),
    Fault("size too large", HubError, f"{GRAPH_RE}: .* broke off .it ended after", entry(GRAPH, size=10**6)),
    Fault("size too small", HubError, f"{GRAPH_RE}: it should have 99 bytes, but", entry(GRAPH, size=99)),
    Fault(
        "another hash", HubError, f"{GRAPH_RE}: it should have the sha256 0+,", entry(GRAPH, sha256="0" * 64)
    ),
    Fault(
        "no such format",
        ArtifactError,
        r"no torchscript file; it has .*onnx .streaming wav2wav",
        options={"format": "torchscript"},
    ),
    Fault("no such form", ArtifactError, "no spec2spec onnx file; it has", options={"form": "spec2spec"}),
    Fault(
        "unknown kind",
        ArtifactError,
        f"{GRAPH_RE}: this version .* cannot verify files of the format magic",
        entry(GRAPH, format="magic"),
        options={"format": "magic"},
    ),
    Fault(
        "not ONNX",
        ArtifactError,
        f"{GRAPH_RE}: ONNX Runtime .* cannot load it",
        content_of(GRAPH, b"x" * 9999),
    ),
    Fault("no manifest", ArtifactError, f"{GRAPH_RE}: it has no speechzoo manifest", without_manifest),
    Fault(
        "another shape", ArtifactError, f"{GRAPH_RE}: its inputs are not those of its manifest", another_shape
    ),
    Fault(
        "another form",
        ArtifactError,
        f"{GRAPH_RE}: .* form 'wav2wav', the index 'spec2spec'",
        entry(GRAPH, form="spec2spec"),
        options={"form": "spec2spec"},
    ),
    Fault(
        "graph of another model",
        ArtifactError,
        f"{GRAPH_RE}: its manifest has model 'gtcrn', the index",
        content_of(GRAPH, packaged_artifact(GTCRN, TAG).read_bytes()),
    ),
    Fault(
        "other weights",
        ArtifactError,
        f"{GRAPH_RE}: its manifest has weights '0+', the index",
        lying(weights={"sha256": "0" * 64}),
    ),
    Fault("golden of the graph", ParityError, f"{GRAPH_RE}: wav_out: SNR", golden_in_graph),
    Fault("no golden in the graph", ArtifactError, f"{GRAPH_RE}: it carries no golden", lying(golden=None)),
    Fault("one weight", ParityError, f"{GRAPH_RE}: wav_out: SNR", one_weight),
    Fault("golden file", ParityError, f"{PARAMETERS_RE}: wav_out: SNR", golden_in_file, options=SAFETENSORS),
    Fault(
        "no golden file",
        ArtifactError,
        "it has no golden.json, so its safetensors file cannot be verified",
        lambda files: indexed(without(GOLDEN)(files)),
        options=SAFETENSORS,
    ),
    Fault(
        "golden damaged",
        ArtifactError,
        f"{AT}golden.json: it is no golden recording",
        content_of(GOLDEN, b"[]"),
        options=SAFETENSORS,
    ),
    Fault(
        "parameters of another model",
        CheckpointError,
        f"{PARAMETERS_RE}: it holds weights of gtcrn",
        content_of(PARAMETERS, locate(GTCRN, TAG).path.read_bytes()),
        options=SAFETENSORS,
    ),
    Fault(
        "parameters of another training",
        ArtifactError,
        f"{PARAMETERS_RE}: its parameters have the sha256",
        index_fields(weights={"sha256": "0" * 64}),
        options=SAFETENSORS,
    ),
    Fault(
        "not safetensors",
        CheckpointError,
        f"{PARAMETERS_RE}: not a safetensors file",
        content_of(PARAMETERS, b"y" * 9999),
        options=SAFETENSORS,
    ),
    Fault(
        "no such revision",
        HubError,
        "someone/small@v9: config.json: .* no such revision .404",
        options={"revision": "v9"},
    ),
    Fault(
        "no such commit",
        HubError,
        "someone/small@e{40}: config.json: .* no such revision",
        options={"revision": "e" * 40},
    ),
    Fault(
        "another commit",
        HubError,
        "config.json: the server answered with another commit, f{40}",
        answers={INDEX: other_commit},
        options={"revision": "COMMIT"},
    ),
    Fault(
        "no such repository",
        HubError,
        "someone/other@main: config.json: there is no such repository",
        options={"repo": "someone/other"},
    ),
]
UNBROKEN = ("truncated", "link", "stalls", "size too large")  # a beginning may wait for the next attempt


def test_there_are_enough() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 20


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_it_is_told_and_no_file_is_given(
    fault: Fault, server: Hub, cache: Path, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if {mute, stalls} & set(fault.answers.values()):
        monkeypatch.setattr(client, "TIMEOUT", 0.4)
    commit = publish(server, fault.change(files))
    server.faults.update(fault.answers)
    options = {"repo": REPO, "out": str(tmp_path / "out"), **fault.options}
    options = {key: commit if value == "COMMIT" else value for key, value in options.items()}
    started = time.perf_counter()
    with pytest.raises(SpeechZooError, match=fault.says) as caught:
        zoo.pull(MODEL, **options)
    assert type(caught.value) is fault.error
    assert str(cache) not in str(caught.value) and "\n" not in str(caught.value)
    assert time.perf_counter() - started < 20
    assert not (tmp_path / "out").exists()
    left = {Path(name).name for name in kept(cache) if not name.startswith("incoming/")}
    assert left <= {INDEX, f"{INDEX}.sha256", "main", GOLDEN}, left
    parts = [name for name in kept(cache) if name.startswith("incoming/")]
    assert fault.name in UNBROKEN or not parts, parts


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.answers], ids=lambda fault: fault.name)
def test_afterwards_the_right_file_comes(
    fault: Fault, server: Hub, cache: Path, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a bad answer left does not spoil the next attempt."""
    if {mute, stalls} & set(fault.answers.values()):
        monkeypatch.setattr(client, "TIMEOUT", 0.4)
    publish(server, files)
    server.faults.update(fault.answers)
    with pytest.raises(HubError):
        zoo.pull(MODEL, repo=REPO)
    server.faults.clear()
    monkeypatch.setattr(client, "TIMEOUT", 10)
    assert zoo.pull(MODEL, repo=REPO).read_bytes() == files[GRAPH]
    assert not [name for name in kept(cache) if name.startswith("incoming/")]


def test_nobody_there(server: Hub, cache: Path, files: Files) -> None:
    """A host that refuses is an error at once, not after seconds of silence."""
    publish(server, files)
    server.shutdown()
    server.server_close()
    started = time.perf_counter()
    with pytest.raises(HubError, match=r"config\.json: the server cannot be reached .* check the network"):
        zoo.pull(MODEL, repo=REPO)
    assert time.perf_counter() - started < 10 and kept(cache) == []


def test_an_index_has_no_room_for_tricks(files: Files) -> None:
    good = json.loads(files[INDEX])
    for path in (
        "..",
        "a/../b",
        "/a",
        "a//b",
        "a/",
        "",
        "a\\b",
        ".hidden",
        "a/.git",
        "C:x",
        "a b",
        "a\nb",
        INDEX,
    ):
        bad = {**good, "files": {path: good["files"][GRAPH]}}
        with pytest.raises(ArtifactError, match="is not the path of a file inside"):
            Index.from_json(json.dumps(bad).encode(), INDEX)
    for wrong in ({"files": []}, {"files": None}, {"weights": {}}, {"weights": []}, {"surplus": 1}):
        with pytest.raises(ArtifactError, match="it cannot be read"):
            Index.from_json(json.dumps({**good, **wrong}).encode(), INDEX)
