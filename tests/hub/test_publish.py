"""A repository is built, proved, uploaded in one commit, and pulled again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

import zoo
from converters.publish.card import header
from converters.publish.folder import build_repository, check_repository
from tests.hub.repository import MODEL, REPO, kept
from tests.hub.server import Hub
from zoo.builtin import TAG, packaged_artifact
from zoo.cli import main
from zoo.errors import ArtifactError, CheckpointError, HubError, ParityError, SpeechZooError
from zoo.hub.index import CARD, GOLDEN, INDEX, Index
from zoo.registry import find_weights, get_spec

GRAPHS = [f"onnx/{MODEL}.{form}{kind}.onnx" for form in ("wav2wav", "spec2spec") for kind in ("", ".offline")]

SCRIPTS = [f"torchscript/{MODEL}.{form}.ts" for form in ("wav2wav", "spec2spec")]


@pytest.fixture(scope="session")
def built(cache_folder: Path) -> Path:
    """The default model's repository, made once a run: copy it to change it."""
    from filelock import FileLock

    folder = cache_folder / "repository"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            build_repository(MODEL, folder, also=["torchscript"], repo=REPO)
    return folder


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "copy"))


def test_what_is_in_it(built: Path) -> None:
    files = sorted(p.relative_to(built).as_posix() for p in built.rglob("*") if p.is_file())
    assert files == sorted([INDEX, CARD, GOLDEN, "model.safetensors", *GRAPHS, *SCRIPTS])
    index = check_repository(built)
    assert index.model == MODEL and index.weights["licence"] == "MIT"
    ready = packaged_artifact(get_spec(MODEL), TAG)
    assert ready is not None and (built / GRAPHS[0]).read_bytes() == ready.read_bytes()
    for graph in (*GRAPHS, *SCRIPTS):
        assert zoo.verify(built / graph).passed
    assert Index.from_json((built / INDEX).read_bytes(), INDEX).to_json() == (built / INDEX).read_text()
    assert not [p for p in built.parent.iterdir() if p.name.startswith(".repository.")]


def test_the_card(built: Path) -> None:
    text = (built / CARD).read_text()
    head = yaml.safe_load(text.split("---\n")[1])
    assert (head["license"], head["library_name"], head["pipeline_tag"]) == (
        "mit",
        "speechzoo",
        "audio-to-audio",
    )
    assert {"onnx", "streaming", "fastenhancer"} <= set(head["tags"])
    assert head["datasets"] and {"pesq", "stoi", "si-sdr"} <= set(head["metrics"])
    results = {
        (result["dataset"]["name"], metric["name"]): metric["value"]
        for result in head["model-index"][0]["results"]
        for metric in result["metrics"]
    }
    weights = find_weights(get_spec(MODEL), TAG)
    assert results["mixtures at -5 to 15 dB", "PESQ"] == weights.metrics["PESQ, mixtures at -5 to 15 dB"]
    index = check_repository(built)
    for file in index.files:
        assert file.path == CARD or (f"`{file.path}`" in text and file.sha256 in text)
    assert f"speechzoo pull {MODEL} --repo {REPO}" in text and "Picovoice" in text


def test_headers_of_other_weights() -> None:
    spec = get_spec("gtcrn")
    head = yaml.safe_load(header(spec, "MIT", find_weights(spec, "vctk")).strip("-\n"))
    assert head["datasets"] == ["voicebank-demand"] and head["metrics"] == ["si-sdr", "pesq", "stoi"]
    odd = yaml.safe_load(header(spec, "Mine-1.0", None).strip("-\n"))
    assert (odd["license"], odd["license_name"]) == ("other", "mine-1.0") and "datasets" not in odd


def test_uploaded_and_pulled_again(
    server: Hub, cache: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One commit, of which every file comes back as it was."""
    assert main(["publish", MODEL, "--folder", str(copy), "--repo", REPO]) == 0
    told = capsys.readouterr()
    assert told.err.count(": verified") == 7
    repository = server.repositories[REPO]
    commit = repository.refs["main"]
    assert f"speechzoo pull {MODEL} --repo {REPO} --revision {commit}" in told.out
    assert len(repository.commits) == 2, "the empty beginning, and one commit"
    there = {p.relative_to(copy).as_posix(): p.read_bytes() for p in copy.rglob("*") if p.is_file()}
    assert repository.commits[commit] == there
    for words in ([], ["--form", "spec2spec"], ["--offline"], ["--form", "spec2spec", "--offline"]):
        assert main(["pull", MODEL, "--repo", REPO, "--revision", commit, *words]) == 0
    found = capsys.readouterr().out.split()
    folder = cache / "repositories/someone--small" / commit
    assert found == [str(folder / GRAPHS[n]) for n in (0, 2, 1, 3)]
    assert main(["pull", MODEL, "--repo", REPO, "--revision", commit, "--format", "safetensors"]) == 0
    assert main(["pull", MODEL, "--repo", REPO, "--revision", commit, "--format", "torchscript"]) == 0
    assert capsys.readouterr().out.split()[-1] == str(folder / SCRIPTS[0])

    # again, with another card: what is no longer there goes, what is the same stays
    repository.commits[commit]["old.bin"] = b"old"
    (copy / CARD).write_text((copy / CARD).read_text() + "\nMore.\n")
    with pytest.raises(ArtifactError, match=r"README\.md: it has .* build the folder again"):
        check_repository(copy)
    reindex(copy)
    assert main(["publish", MODEL, "--folder", str(copy), "--repo", REPO]) == 0
    files = repository.commits[repository.refs["main"]]
    assert "old.bin" not in files and files[CARD].endswith(b"More.\n") and len(repository.commits) == 3


def reindex(folder: Path) -> None:
    """Make the index agree with the files, as somebody would who wants to hide what he did."""
    from zoo.files import sha256_of

    index = json.loads((folder / INDEX).read_text())
    for path, fields in index["files"].items():
        fields.update(size=(folder / path).stat().st_size, sha256=sha256_of(folder / path))
    (folder / INDEX).write_text(json.dumps(index))


def spoil_weight(folder: Path) -> None:
    import onnx

    path = folder / GRAPHS[3]
    proto = onnx.load(path)
    tensor = max(
        proto.graph.initializer, key=lambda t: len(t.raw_data) * (t.data_type == onnx.TensorProto.FLOAT)
    )
    values = onnx.numpy_helper.to_array(tensor) * np.float32(1.01)
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    onnx.save(proto, path)


def spoil_golden(folder: Path) -> None:
    golden = json.loads((folder / GOLDEN).read_text())
    (folder / GOLDEN).write_text(json.dumps({**golden, "peak": golden["peak"] * 1.01}))


def spoil_link(folder: Path) -> None:
    (folder / GRAPHS[0]).rename(folder.parent / "elsewhere.onnx")
    (folder / GRAPHS[0]).symlink_to(folder.parent / "elsewhere.onnx")


@pytest.mark.parametrize(
    ("spoil", "error", "says"),
    [
        (spoil_weight, ParityError, r"spec2spec\.offline\.onnx: spec_out: SNR"),
        (spoil_golden, ParityError, r"model\.safetensors: wav_out: SNR"),
        (spoil_link, ArtifactError, "it is a link; a repository holds files"),
        (lambda f: (f / GRAPHS[1]).unlink(), ArtifactError, "wav2wav.offline.onnx missing or surplus"),
        (
            lambda f: (f / "more").write_text("x"),
            ArtifactError,
            "its files are not those of its config.json: more",
        ),
        (lambda f: (f / INDEX).write_text("{}"), ArtifactError, "config.json: it is no index of speechzoo"),
    ],
)
def test_what_does_not_pass_is_not_uploaded(
    server: Hub,
    cache: Path,
    copy: Path,
    spoil: Callable[[Path], None],
    error: type[SpeechZooError],
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(copy)
    if error is ParityError:
        reindex(copy)
    with pytest.raises(error, match=says):
        check_repository(copy)
    assert main(["publish", MODEL, "--folder", str(copy), "--repo", REPO]) == 1
    assert "speechzoo: " in capsys.readouterr().err
    assert server.requests == [] and kept(cache) == []


def test_what_publish_needs(
    server: Hub, cache: Path, copy: Path, tmp_path: Path, weights_for: Callable[[str], Path]
) -> None:
    def fails(*words: object) -> str:
        from zoo.cli import _parser

        args = _parser()[0].parse_args(["publish", *map(str, words)])
        with pytest.raises(SpeechZooError) as caught:
            args.run(args)
        return str(caught.value)

    assert "--repo is missing: pass --repo ORG/NAME or set SPEECHZOO_REPO" in fails(MODEL)
    assert "expected ORG/NAME" in fails(MODEL, "--repo", "x")
    assert "--weights is missing: none of dpcrn come" in fails("dpcrn", "--folder", tmp_path / "new")
    weights = weights_for("dpcrn")
    told = fails("dpcrn", "--folder", tmp_path / "new", "--weights", weights)
    assert "under which licence" in told and "--licence SPDX" in told
    assert "a repository of fastenhancer_t, not of gtcrn" in fails("gtcrn", "--folder", copy)
    assert "built already, with weights speechzoo" in fails(MODEL, "--folder", copy, "--weights", TAG)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    assert "exists and is not empty" in fails(MODEL, "--folder", tmp_path / "full")
    assert not (tmp_path / "new").exists() and server.requests == []


def test_no_right_to_write(server: Hub, cache: Path, copy: Path) -> None:
    from zoo.hub import client

    server.token = "another"
    with pytest.raises(HubError, match=r"someone/small: .*no right to it \(401\)"):
        client.upload(copy, [INDEX], REPO, "message")
    assert REPO not in server.repositories


def test_weights_that_do_not_load_leave_no_folder(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"x")
    with pytest.raises(CheckpointError):
        build_repository(MODEL, tmp_path / "new", weights=tmp_path / "x.safetensors")
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]
