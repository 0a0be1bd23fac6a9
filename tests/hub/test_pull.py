"""What a pull gives, how little it asks for, and that it goes on where it was interrupted."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import converters
import zoo
from tests.data import ROOT
from tests.hub.repository import GRAPH, MODEL, PARAMETERS, REPO, environment, indexed, kept, publish
from tests.hub.server import Files, Handler, Hub
from zoo import download
from zoo.artifact.target import Machine
from zoo.cli import main
from zoo.download import pull
from zoo.errors import ArtifactError, HubError, MissingExtraError, SpeechZooError, UnknownModelError
from zoo.hub import client
from zoo.hub.index import INDEX

PULL = [sys.executable, "-m", "zoo.cli", "pull", MODEL, "--repo", REPO]


def start(words: list[str], server: Hub, cache: Path, **changed: str) -> subprocess.Popen[str]:
    """The command line in a process of its own."""
    clean = {n: v for n, v in os.environ.items() if not n.lower().endswith("_proxy")}
    return subprocess.Popen(
        words,
        cwd=ROOT,
        env={**clean, **environment(server, cache), "PYTHONDONTWRITEBYTECODE": "1", **changed},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err, err
    return process.returncode, out.strip(), err


def asked(server: Hub, method: str = "GET") -> list[str]:
    """Which files were asked for, by name."""
    found = [r.path.partition("/resolve/")[2] for r in server.requests if r.method == method]
    return [path.partition("/")[2] for path in found if path]


def test_the_right_file(server: Hub, cache: Path, files: Files, tmp_path: Path) -> None:
    """Fetched once, verified, kept under its commit; and it enhances."""
    commit = publish(server, files)
    lines: list[str] = []
    path = pull(MODEL, repo=REPO, progress=lines.append)
    assert path == cache / "repositories/someone--small" / commit / GRAPH
    assert path.read_bytes() == files[GRAPH]
    assert asked(server) == [INDEX, GRAPH] and asked(server, "HEAD") == [INDEX]
    assert any(f"--revision {commit} pins it" in line for line in lines)
    assert any(line.endswith(f"{GRAPH} is verified") for line in lines)
    noisy, rate = soundfile.read(ROOT / "examples/noisy.wav", dtype="float32")
    np.testing.assert_allclose(zoo.Enhancer(path)(noisy, rate), zoo.Enhancer(MODEL)(noisy, rate), atol=1e-5)

    copy = pull(MODEL, repo=REPO, out=tmp_path / "here")
    assert copy == tmp_path / "here" / path.name and copy.read_bytes() == files[GRAPH]
    copy.write_bytes(b"mine")
    with pytest.raises(ArtifactError, match=r"there is another file of that name; pass --force"):
        pull(MODEL, repo=REPO, out=tmp_path / "here")
    assert copy.read_bytes() == b"mine"
    assert pull(MODEL, repo=REPO, out=tmp_path / "here", force=True).read_bytes() == files[GRAPH]
    assert [p.name for p in (tmp_path / "here").iterdir()] == [path.name]


def test_a_pinned_revision_in_the_cache_needs_no_request(server: Hub, cache: Path, files: Files) -> None:
    commit = publish(server, files)
    pull(MODEL, repo=REPO, revision=commit)
    server.requests.clear()
    started = time.perf_counter()
    path = pull(MODEL, repo=REPO, revision=commit)
    assert time.perf_counter() - started < 1 and server.requests == []
    assert path.read_bytes() == files[GRAPH]
    code, out, err = finish(start([*PULL, "--revision", commit], server, cache))
    assert (code, out, err) == (0, str(path), "") and server.requests == []


def test_a_cached_pull_imports_neither_client_nor_runtime(server: Hub, cache: Path, files: Files) -> None:
    commit = publish(server, files)
    pull(MODEL, repo=REPO, revision=commit)
    code = (
        "import sys, zoo\n"
        f"zoo.pull({MODEL!r}, repo={REPO!r}, revision={commit!r})\n"
        "print(sorted({'huggingface_hub', 'onnxruntime', 'torch', 'httpx2'} & set(sys.modules)))"
    )
    assert finish(start([sys.executable, "-c", code], server, cache)) == (0, "[]", "")


def test_a_branch_is_asked_for_and_followed(server: Hub, cache: Path, files: Files) -> None:
    first = publish(server, files)
    assert pull(MODEL, repo=REPO).parts[-3] == first
    server.requests.clear()
    assert pull(MODEL, repo=REPO).parts[-3] == first
    assert asked(server, "HEAD") == [INDEX] and asked(server) == []
    second = publish(server, indexed({**files, "README.md": b"# Another\n"}))
    assert pull(MODEL, repo=REPO).parts[-3] == second
    assert pull(MODEL, repo=REPO, revision=first).parts[-3] == first


def test_a_damaged_file_in_the_cache_is_replaced(server: Hub, cache: Path, files: Files) -> None:
    commit = publish(server, files)
    path = pull(MODEL, repo=REPO, revision=commit)
    path.write_bytes(files[GRAPH][:-1] + b"?")
    assert pull(MODEL, repo=REPO, revision=commit).read_bytes() == files[GRAPH]


@pytest.mark.parametrize("damage", ["cut", "another hash", "empty", "bytes"])
@pytest.mark.parametrize("pinned", [True, False])
def test_a_damaged_index_in_the_cache_is_replaced(
    server: Hub, cache: Path, files: Files, damage: str, pinned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the damage; without a network that is told."""
    commit = publish(server, files)
    path = zoo.pull(MODEL, repo=REPO, revision=commit)
    index = next(cache.rglob(INDEX))
    whole = index.read_bytes()
    hashes = re.sub(rb'"sha256": "(.)', lambda found: found[0][:-1] + bytes([found[1][0] ^ 1]), whole)
    index.write_bytes(
        {"cut": whole[:-9], "another hash": hashes, "empty": b"", "bytes": b"\xff" * 99}[damage]
    )
    lines: list[str] = []
    assert zoo.pull(MODEL, repo=REPO, revision=commit if pinned else None, progress=lines.append) == path
    assert index.read_bytes() == whole
    assert any("what is in the cache was changed or cut short; fetching it again" in line for line in lines)
    index.write_bytes(whole[:-9])
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(HubError, match="HF_HUB_OFFLINE forbids to fetch it"):
        zoo.pull(MODEL, repo=REPO, revision=commit)


def test_parameters(server: Hub, cache: Path, files: Files) -> None:
    publish(server, files)
    path = pull(MODEL, repo=REPO, format="safetensors")
    assert path.read_bytes() == files[PARAMETERS]
    assert zoo.create_model(MODEL, path).provenance["source"] == "speechzoo"
    with pytest.raises(ArtifactError, match="safetensors files have no form"):
        pull(MODEL, repo=REPO, format="safetensors", form="wav2wav")


def test_the_command_line(
    server: Hub, cache: Path, files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(server, files)
    assert main(["pull", MODEL, "--repo", REPO, "-o", str(tmp_path / "out")]) == 0
    told = capsys.readouterr()
    assert told.out.strip() == str(tmp_path / "out" / Path(GRAPH).name) and "is verified" in told.err
    assert main(["pull", MODEL, "--repo", REPO, "--offline"]) == 1
    assert "has no offline onnx file; it has safetensors; onnx (streaming wav2wav)" in capsys.readouterr().err
    assert main(["pull", "gtcrm", "--repo", REPO]) == 1
    assert "did you mean gtcrn" in capsys.readouterr().err


def test_without_a_repository(
    server: Hub, cache: Path, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        HubError, match=r"pass --repo ORG/NAME or set SPEECHZOO_REPO.*publish fastenhancer_t.*gtcrn"
    ):
        pull(MODEL)
    for wrong in ("small", "a/b/c", "/x", "x/", "some one/x", "../x", "a/..", "a/-b"):
        with pytest.raises(HubError, match="expected ORG/NAME"):
            pull(MODEL, repo=wrong)
    with pytest.raises(UnknownModelError, match="no model 'nothing'"):
        pull("nothing", repo=REPO)
    assert server.requests == []
    publish(server, files)
    monkeypatch.setenv("SPEECHZOO_REPO", REPO)
    assert pull(MODEL).read_bytes() == files[GRAPH]


def test_what_is_in_the_package_needs_no_repository(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor a network; only what is there is given."""
    monkeypatch.delenv("SPEECHZOO_REPO", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name, ending in (("fastenhancer_t", "onnx"), ("fastspeech_small", "onnx"), ("gtcrn", "safetensors")):
        assert main(["pull", name, "-o", str(tmp_path), "--format", ending]) == 0
        path = tmp_path / f"{name}.{ending}"
        assert capsys.readouterr().out.strip() == str(path) and path.is_file()
    assert zoo.verify(tmp_path / "fastenhancer_t.onnx").passed
    for words in (["--form", "spec2spec"], ["--whole"], ["--format", "torchscript"], ["--revision", "main"]):
        assert main(["pull", "gtcrn", "-o", str(tmp_path), *words]) == 1
        assert "no repository of gtcrn is known" in capsys.readouterr().err


def test_the_older_name_of_an_option(
    server: Hub, cache: Path, files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(server, files)
    told = []
    for word in ("--whole", "--offline"):
        assert main(["pull", MODEL, "--repo", REPO, word]) == 1
        told.append(capsys.readouterr().err)
    assert "has no offline onnx file" in told[0] and "warning" not in told[0]
    assert told[1].endswith(told[0]) and "--offline is now --whole" in told[1]


# What passes by itself


def once(answer: Callable[[Handler, bytes], None]) -> Callable[[Handler, bytes, int], bool]:
    def first(handler: Handler, content: bytes, before: int) -> bool:
        if before:
            return False
        answer(handler, content)
        return True

    return first


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("file", [INDEX, GRAPH])
def test_a_fault_of_the_server_that_passes(
    server: Hub, cache: Path, files: Files, status: int, file: str
) -> None:
    publish(server, files)
    server.faults[file] = once(lambda handler, content: handler.send(status))
    lines: list[str] = []
    assert pull(MODEL, repo=REPO, progress=lines.append).read_bytes() == files[GRAPH]
    assert any(f"answered {status}" in line and "trying again (2 of 3)" in line for line in lines)


def test_a_connection_that_breaks_goes_on_where_it_was(server: Hub, cache: Path, files: Files) -> None:
    publish(server, files)
    half = len(files[GRAPH]) // 2
    server.faults[GRAPH] = once(lambda handler, content: handler.break_off(content[:half], len(content)))
    assert pull(MODEL, repo=REPO).read_bytes() == files[GRAPH]
    ranges = [r.range for r in server.requests if r.path.endswith(GRAPH)]
    assert ranges == [None, f"bytes={half}-"]


def test_a_server_that_knows_no_ranges(server: Hub, cache: Path, files: Files) -> None:
    publish(server, files)

    def whole(handler: Handler, content: bytes, before: int) -> bool:
        if before:
            handler.send(200, content)
        else:
            handler.break_off(content[:1000], len(content))
        return True

    server.faults[GRAPH] = whole
    assert pull(MODEL, repo=REPO).read_bytes() == files[GRAPH]


def test_large_files_are_somewhere_else(server: Hub, cache: Path, files: Files) -> None:
    """As the Hub does: the answer leads to another address, and its ETag is the file's sha256."""
    publish(server, files)

    def redirect(handler: Handler, content: bytes, before: int) -> bool:
        sha256 = hashlib.sha256(content).hexdigest()
        headers = {"X-Repo-Commit": server.repositories[REPO].refs["main"], "X-Linked-Etag": f'"{sha256}"'}
        handler.send(302, b"", Location=f"{server.url}/cdn/{sha256}", **headers)
        return True

    server.faults.update({GRAPH: redirect})
    assert pull(MODEL, repo=REPO).read_bytes() == files[GRAPH]
    assert any(r.path.startswith("/cdn/") for r in server.requests)


def test_an_interrupted_download_is_resumed(server: Hub, cache: Path, files: Files) -> None:
    """The process is killed in the middle; the next one asks for the rest only."""
    publish(server, files)

    def slowly(handler: Handler, content: bytes) -> None:
        handler.send(200, content[:200_000], Content_Length=str(len(content)))
        handler.wfile.flush()
        server.release.wait(20)

    server.faults[GRAPH] = once(slowly)
    process = start(PULL, server, cache)
    deadline = time.monotonic() + 30
    while sum(p.stat().st_size for p in cache.glob("incoming/*.part*")) < 100_000:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    begun = next(cache.glob("incoming/*.part*")).stat().st_size
    assert not list(cache.rglob("*.wav2wav.onnx"))
    assert pull(MODEL, repo=REPO).read_bytes() == files[GRAPH]
    assert [r.range for r in server.requests if r.path.endswith(GRAPH)] == [None, f"bytes={begun}-"]


def test_a_beginning_of_something_else_is_thrown_away(server: Hub, cache: Path, files: Files) -> None:
    publish(server, files)
    item = client.repository_file(
        REPO, "0" * 40, GRAPH, len(files[GRAPH]), hashlib.sha256(files[GRAPH]).hexdigest()
    )
    (cache / "incoming").mkdir(parents=True)
    for wrong in (b"z" * 5000, b"z" * len(files[GRAPH]), b"z" * 10**6):
        client._incoming(item).write_bytes(wrong)
        shutil.rmtree(cache / "repositories", ignore_errors=True)
        assert pull(MODEL, repo=REPO).read_bytes() == files[GRAPH]


def test_two_at_once(server: Hub, cache: Path, files: Files) -> None:
    """One fetches, the other waits and takes what came."""
    publish(server, files)

    def slow(handler: Handler, content: bytes, before: int) -> bool:
        time.sleep(1.5)
        return False

    server.faults[GRAPH] = slow
    both = [start(PULL, server, cache) for _ in range(2)]
    results = [finish(process) for process in both]
    assert [code for code, _, _ in results] == [0, 0] and results[0][1] == results[1][1]
    assert asked(server).count(GRAPH) == 1
    assert Path(results[0][1]).read_bytes() == files[GRAPH]
    assert not [name for name in kept(cache) if name.startswith("incoming/")]


# Without a network, without room


WITHOUT_LOCKS = """
import fcntl, sys
fcntl.flock = lambda file, operation: None  # as on some network file systems
from zoo.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_many_at_once_where_locks_do_nothing(server: Hub, cache: Path, files: Files) -> None:
    """Each fetches for itself; all get the file, and nothing else is left."""
    publish(server, files)
    words = [sys.executable, "-c", WITHOUT_LOCKS, "pull", MODEL, "--repo", REPO]
    for process in [start(words, server, cache) for _ in range(6)]:
        status, path, told = finish(process)
        assert (status, Path(path).read_bytes()) == (0, files[GRAPH]), told
    assert not [name for name in kept(cache) if name.startswith("incoming/")]


def test_offline(server: Hub, cache: Path, files: Files) -> None:
    """HF_HUB_OFFLINE: what is in the cache comes, the rest is an error that says so, and nobody is asked."""
    code, _, err = finish(start(PULL, server, cache, HF_HUB_OFFLINE="1"))
    assert code == 1 and "someone/small@main: it is not in the cache" in err and "HF_HUB_OFFLINE" in err
    assert server.requests == []
    commit = publish(server, files)
    path = pull(MODEL, repo=REPO)
    server.requests.clear()
    for words in ([], ["--revision", commit]):
        code, out, err = finish(start([*PULL, *words], server, cache, HF_HUB_OFFLINE="1"))
        assert (code, out) == (0, str(path)), err
    code, _, err = finish(start([*PULL, "--format", "safetensors"], server, cache, HF_HUB_OFFLINE="1"))
    assert code == 1 and "golden.json: it is not in the cache" in err and "HF_HUB_OFFLINE" in err
    assert server.requests == []


def without_override() -> None:
    """Permissions bind even the superuser: CAP_DAC_OVERRIDE and its like are not passed on."""
    if os.getuid() == 0:
        for capability in (1, 2, 3):
            assert ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) == 0


def test_a_cache_that_is_read_only(server: Hub, cache: Path, files: Files) -> None:
    """Somebody else's cache serves what it has, without a lock; what it has not is a clear error."""
    commit = publish(server, files)
    words = [*PULL, "--revision", commit]
    path = pull(MODEL, repo=REPO, revision=commit)
    folders = [cache, *(p for p in cache.rglob("*") if p.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        server.requests.clear()
        found = run(words, server, cache, preexec_fn=without_override)
        assert (found.returncode, found.stdout.strip()) == (0, str(path)), found.stderr
        assert server.requests == []
        failed = run([*words, "--format", "safetensors"], server, cache, preexec_fn=without_override)
        assert failed.returncode == 1 and failed.stdout == ""
        assert f"golden.json: the cache {cache} cannot be written (Permission denied)" in failed.stderr
    finally:
        for folder in folders:
            folder.chmod(0o755)


def run(words: list[str], server: Hub, cache: Path, **options: object) -> subprocess.CompletedProcess[str]:
    clean = {n: v for n, v in os.environ.items() if not n.lower().endswith("_proxy")}
    return subprocess.run(
        words,
        cwd=ROOT,
        env={**clean, **environment(server, cache), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def test_no_room(server: Hub, cache: Path, files: Files) -> None:
    """A file that may not grow, as on a full disk, leaves nothing."""
    publish(server, files)
    limit = 100_000

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    failed = run(PULL, server, cache, preexec_fn=small)
    assert failed.returncode == 1 and "Traceback" not in failed.stderr
    assert f"{GRAPH}: the cache {cache} cannot be written (File too large); make room" in failed.stderr
    assert not [name for name in kept(cache) if "onnx" in name]
    assert pull(MODEL, repo=REPO).read_bytes() == files[GRAPH]


def test_a_link_out_of_the_output_folder_is_not_followed(
    server: Hub, cache: Path, files: Files, tmp_path: Path
) -> None:
    publish(server, files)
    (tmp_path / "out").mkdir()
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / "out" / Path(GRAPH).name).symlink_to(tmp_path / "victim")
    with pytest.raises(ArtifactError, match="another file of that name"):
        pull(MODEL, repo=REPO, out=tmp_path / "out")
    path = pull(MODEL, repo=REPO, out=tmp_path / "out", force=True)
    assert not path.is_symlink() and path.read_bytes() == files[GRAPH]
    assert (tmp_path / "victim").read_bytes() == b"mine"


def test_a_private_repository(server: Hub, cache: Path, files: Files) -> None:
    """The user's token opens it; without one, or with another, the error says what to do."""
    publish(server, files)
    server.token = "right"
    for token in ("", "wrong"):
        code, _, err = finish(start(PULL, server, cache, HF_TOKEN=token, HF_HUB_DISABLE_IMPLICIT_TOKEN="0"))
        assert code == 1 and "no right to it (401); set HF_TOKEN or run `hf auth login`" in err
        assert kept(cache) == []
    code, out, err = finish(start(PULL, server, cache, HF_TOKEN="right", HF_HUB_DISABLE_IMPLICIT_TOKEN="0"))
    assert code == 0 and Path(out).read_bytes() == files[GRAPH], err


# Engines


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A GPU is not needed to choose an engine, but to be asked about."""
    machine = Machine("NVIDIA L4", "8.9", "10.15.1.29")
    monkeypatch.setattr(download, "this_machine", lambda flavour: machine)
    return machine


def with_engine(files: Files, **changed: object) -> Files:
    """The repository with an engine; nothing here can run it."""
    path = "tensorrt/sm89/x.engine"
    target = {
        "gpu": "NVIDIA L4",
        "compute_capabilities": ["8.9"],
        "library": "10.15.1.29",
        "precision": "fp32",
        "profiles": {},
        **changed,
    }
    content = b"an engine"
    index = json.loads(files[INDEX])
    index["files"][path] = {
        "format": "tensorrt",
        "form": "wav2wav",
        "streaming": True,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "engine": target,
    }
    return {**files, path: content, INDEX: json.dumps(index).encode()}


def test_an_engine_for_this_machine_is_fetched_and_proved(
    server: Hub, cache: Path, files: Files, here: Machine
) -> None:
    """That this one is no engine comes to light, and it is not kept."""
    publish(server, with_engine(files))
    lines: list[str] = []
    with pytest.raises(SpeechZooError, match=r"someone/small@\w+: tensorrt/sm89/x\.engine"):
        pull(MODEL, repo=REPO, format="tensorrt", progress=lines.append)
    assert any("sm89-10.15.1-fp32 is for this NVIDIA L4" in line for line in lines)
    assert asked(server)[-1] == "tensorrt/sm89/x.engine"
    assert not [name for name in kept(cache) if name.endswith(".engine")]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"library": "10.9.0.34"}, "was built by version 10.9.0.34, installed is 10.15.1.29"),
        ({"compute_capabilities": ["9.0"]}, "is for compute capability 9.0"),
        (None, "the repository has no engine for this graph"),
    ],
)
def test_without_one_the_graph_comes_and_is_built_here(
    server: Hub, cache: Path, files: Files, here: Machine, changed: dict | None, reason: str
) -> None:
    """The reason is told, and the graph is fetched; without TensorRT the building is what fails."""
    publish(server, files if changed is None else with_engine(files, **changed))
    with pytest.raises(ArtifactError, match=rf"{reason}.*; `speechzoo pull` builds one here"):
        pull(MODEL, repo=REPO, format="tensorrt")
    lines: list[str] = []
    build = converters.cached_engine
    with pytest.raises(MissingExtraError, match=r"(?i)tensorrt"):
        pull(MODEL, repo=REPO, format="tensorrt", build=build, progress=lines.append)
    assert any(reason in line for line in lines)
    assert any(f"building an engine here from {GRAPH}" in line for line in lines)
    assert asked(server)[-1] == GRAPH


def test_one_graph_is_for_one_stream(server: Hub, cache: Path, files: Files, here: Machine) -> None:
    publish(server, files)
    with pytest.raises(
        ArtifactError, match=r"no engine for this graph; and its graphs take one stream a call"
    ):
        pull(MODEL, repo=REPO, format="tensorrt", streams=8)
    assert asked(server) == [INDEX]


def test_without_tensorrt(server: Hub, cache: Path, files: Files) -> None:
    publish(server, files)
    with pytest.raises(
        MissingExtraError, match=r"tensorrt engines need tensorrt, which is not installed: docs/nvidia"
    ):
        pull(MODEL, repo=REPO, format="tensorrt")
