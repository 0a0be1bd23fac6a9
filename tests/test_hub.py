"""Downloads against a real server on this machine, and the cache of exports."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

import zoo
from converters.cache import cached_export
from tests.conftest import ROOT
from zoo import hub
from zoo.errors import CheckpointError, UnknownModelError
from zoo.locate import locate
from zoo.spec import Weights

CONTENT = bytes(range(256)) * 4000


class Server(ThreadingHTTPServer):
    """Answers by the path asked for, and remembers what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.release = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)

    def weights(self, path: str, content: bytes = CONTENT) -> Weights:
        return Weights(
            tag=path.partition(".")[0],
            url=f"http://127.0.0.1:{self.server_port}/{path}",
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
            licence="MIT",
            training_data="nothing",
        )


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path == "/missing.bin":
            self.send_error(404)
            return
        if self.path == "/mute.bin":
            self.server.release.wait(30)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        if self.path == "/good.bin":
            self.wfile.write(CONTENT)
        elif self.path == "/wrong.bin":
            self.wfile.write(CONTENT[::-1])
        elif self.path == "/short.bin":
            self.wfile.write(CONTENT[:5000])
        elif self.path == "/stalls.bin":
            self.wfile.write(CONTENT[:5000])
            self.wfile.flush()
            self.server.release.wait(30)

    def log_message(self, format: str, *values: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.release.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPEECHZOO_CACHE", str(tmp_path / "cache"))
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    return tmp_path / "cache"


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_right_file_comes_once(server: Server, cache: Path) -> None:
    path = hub.download(server.weights("good.bin"))
    assert path.read_bytes() == CONTENT and files(cache) == [path]
    assert hub.download(server.weights("good.bin")) == path
    assert server.asked == ["/good.bin"]


def test_a_cached_file_needs_no_server(server: Server, cache: Path) -> None:
    weights = server.weights("good.bin")
    path = hub.download(weights)
    server.shutdown()
    server.server_close()
    assert hub.download(weights) == path


def test_a_cached_file_that_was_damaged_is_replaced(server: Server, cache: Path) -> None:
    path = hub.download(server.weights("good.bin"))
    path.write_bytes(CONTENT[:-1])
    assert hub.download(server.weights("good.bin")).read_bytes() == CONTENT
    assert len(server.asked) == 2 and files(cache) == [path]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "wrong.bin",
            r"wrong\.bin does not have the sha256 that the package knows, [0-9a-f]{64}; it is not used",
        ),
        ("missing.bin", r"missing\.bin cannot be downloaded \(HTTPError\); fetch the file yourself"),
        ("short.bin", r"short\.bin (cannot be downloaded|does not have the sha256)"),
        ("mute.bin", r"mute\.bin cannot be downloaded \((ReadTimeout|ConnectionError)\); fetch the file"),
        ("stalls.bin", r"stalls\.bin cannot be downloaded \((ReadTimeout|ConnectionError)\); fetch the file"),
    ],
)
def test_failures_say_so_and_leave_nothing(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, path: str, message: str
) -> None:
    monkeypatch.setattr(hub, "TIMEOUT", 0.3)
    with pytest.raises(CheckpointError, match=f"^weights {path.partition('.')[0]}: http://127.*{message}"):
        hub.download(server.weights(path))
    assert server.asked == [f"/{path}"] and files(cache) == []


def test_nobody_answers(server: Server, cache: Path) -> None:
    weights = server.weights("good.bin")
    server.shutdown()
    server.server_close()
    with pytest.raises(CheckpointError, match=r"cannot be downloaded \(ConnectionError\); fetch the file"):
        hub.download(weights)
    assert files(cache) == []


def test_a_cache_that_cannot_be_written(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SPEECHZOO_CACHE", str(tmp_path / "file"))
    with pytest.raises(CheckpointError, match=r"weights good: .*fetch the file yourself"):
        hub.download(server.weights("good.bin"))


def test_a_tag_becomes_a_model(
    server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the tag over the wire to the network, its provenance told."""
    torch.manual_seed(0)
    source = zoo.create_model("fastenhancer_t")
    torch.save(source.state_dict(), tmp_path / "w.pt")
    content = (tmp_path / "w.pt").read_bytes()
    monkeypatch.setattr(sys.modules[__name__], "CONTENT", content)
    spec = replace(zoo.get_spec("fastenhancer_t"), weights=(server.weights("good.bin", content),))
    located = locate(spec, "good")
    assert located.provenance == {"source": "good", "licence": "MIT", "training_data": "nothing"}
    model = zoo.create_model("fastenhancer_t", located.path)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), source.parameters(), strict=True))
    with pytest.raises(UnknownModelError, match=r"fastenhancer_t has no weights 'bad' \(known tags: good\)"):
        locate(spec, "bad")


# Exports that are kept

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = sys.modules["onnx"] = None
from converters.cache import cached_export
print(cached_export(sys.argv[1], sys.argv[2]))
"""


def test_an_export_is_made_once(
    cache: Path, tmp_path: Path, weights_for: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what the checkpoint holds, not by its name; afterwards not even torch is needed."""
    checkpoint = tmp_path / "a.pt"
    checkpoint.write_bytes(weights_for("fastenhancer_t").read_bytes())
    lines: list[str] = []
    path = cached_export("fastenhancer_t", str(checkpoint), progress=lines.append)
    assert lines and path.parent == cache / "exports" and files(cache) == [path]
    assert zoo.verify(path).passed
    made = path.stat().st_mtime_ns

    renamed = tmp_path / "b.pt"
    checkpoint.rename(renamed)
    lines.clear()
    assert cached_export("fastenhancer_t", str(renamed), progress=lines.append) == path and not lines
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, "fastenhancer_t", str(renamed)],
        cwd=ROOT,
        env={**os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, str(path), "")
    assert path.stat().st_mtime_ns == made

    other = zoo.create_model("fastenhancer_t", renamed).state_dict()
    other[next(iter(other))] += 0.01
    torch.save(other, renamed)
    another = cached_export("fastenhancer_t", str(renamed), progress=lines.append)
    assert another != path and lines and sorted(files(cache)) == sorted([path, another])


def test_a_failing_export_is_not_kept(cache: Path, weights_for: Callable[[str], Path]) -> None:
    with pytest.raises(CheckpointError, match="not a checkpoint of gtcrn"):
        cached_export("gtcrn", str(weights_for("fastenhancer_t")))
    assert files(cache) == []
