"""Downloads against a real server on this machine, and the cache of exports."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

import zoo
from converters.cache import cached_export
from tests.data import ROOT
from zoo import checkpoint, registry
from zoo.errors import CheckpointError, UnknownModelError
from zoo.hub import client
from zoo.hub.weights import locate
from zoo.registry import find_weights
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
        if self.path.endswith("/missing.bin"):
            self.send_error(404)
            return
        if self.path == "/mute.bin":
            self.server.release.wait(30)
            return
        if self.path == "/drips-head.bin":
            self.drip(b"HTTP/1.1 200 OK\r\n" + b"X-Slow: x\r\n" * 1000)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        if self.path.endswith("/good.bin"):
            self.wfile.write(CONTENT)
        elif self.path == "/wrong.bin":
            self.wfile.write(CONTENT[::-1])
        elif self.path == "/short.bin":
            self.wfile.write(CONTENT[:5000])
        elif self.path == "/stalls.bin":
            self.wfile.write(CONTENT[:5000])
            self.wfile.flush()
            self.server.release.wait(30)

        elif self.path == "/drips.bin":
            self.drip(CONTENT)

    def drip(self, content: bytes) -> None:
        """A byte every twentieth of a second, for as long as anybody listens."""
        with suppress(OSError):
            for byte in content:
                self.wfile.write(bytes([byte]))
                if self.server.release.wait(0.05):
                    return

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
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


def files(folder: Path) -> list[Path]:
    """What is there, but for the locks."""
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_the_right_file_comes_once(server: Server, cache: Path) -> None:
    path = client.download(server.weights("good.bin"))
    assert path.read_bytes() == CONTENT and files(cache) == [path]
    assert client.download(server.weights("good.bin")) == path
    assert server.asked == ["/good.bin"]


def test_a_cached_file_needs_no_server(server: Server, cache: Path) -> None:
    weights = server.weights("good.bin")
    path = client.download(weights)
    server.shutdown()
    server.server_close()
    assert client.download(weights) == path


def test_a_cached_file_that_was_damaged_is_replaced(server: Server, cache: Path) -> None:
    path = client.download(server.weights("good.bin"))
    path.write_bytes(CONTENT[:-1])
    assert client.download(server.weights("good.bin")).read_bytes() == CONTENT
    assert len(server.asked) == 2 and files(cache) == [path]


@pytest.mark.parametrize(
    ("path", "message", "beginning"),
    [
        ("wrong.bin", r"wrong\.bin: it should have the sha256 [0-9a-f]{64}, but .* it is not used", 0),
        ("missing.bin", r"missing\.bin: the server answered 404 Not Found; or fetch the file yourself", 0),
        ("short.bin", r"short\.bin: the connection broke off .*; or fetch the file yourself", 5000),
        ("mute.bin", r"mute\.bin: the server does not answer: nothing came for 0.3 seconds; or fetch", 0),
        ("stalls.bin", r"stalls\.bin: the server does not answer: .*; or fetch the file yourself", 5000),
        ("drips.bin", r"drips\.bin: the server is too slow, it sent \d+ bytes in 2 seconds; try again", None),
        ("drips-head.bin", r"the server is too slow, there is no whole answer after 1.8 seconds; try", 0),
    ],
)
def test_failures_say_so(
    server: Server,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    message: str,
    beginning: int | None,
) -> None:
    """And leave nothing, or the beginning of the right file for the next attempt."""
    monkeypatch.setattr(client, "TIMEOUT", 0.3)
    with pytest.raises(CheckpointError, match=f"^weights {path.partition('.')[0]}: http://127.*{message}"):
        client.download(server.weights(path))
    assert set(server.asked) == {f"/{path}"}
    left = [p.read_bytes() for p in files(cache)]
    if beginning is None:  # as much as came until then
        assert len(left) == 1 and 10 < len(left[0]) < 100 and CONTENT.startswith(left[0])
    else:
        assert left == ([CONTENT[:beginning]] if beginning else [])


def test_a_partial_file_that_is_a_link_is_not_written_through(
    server: Server, cache: Path, tmp_path: Path
) -> None:
    """The file behind it is the user's; it keeps its bytes."""
    mine, weights = tmp_path / "mine", server.weights("good.bin")
    mine.write_bytes(CONTENT[:1000])
    incoming = cache / f"incoming/{weights.sha256}.part.bin"
    incoming.parent.mkdir(parents=True)
    incoming.symlink_to(mine)
    assert client.download(weights).read_bytes() == CONTENT
    assert mine.read_bytes() == CONTENT[:1000] and not incoming.is_symlink()


def test_the_users_own_cache_is_private(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is named belongs to those to whom its folder does: a group can read and write it."""
    for name in ("SPEECHZOO_CACHE", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    before = os.umask(0o002)
    try:
        path = client.download(server.weights("good.bin"))
        assert path.is_relative_to(tmp_path / "home/speechzoo")
        assert (tmp_path / "home/speechzoo").stat().st_mode & 0o777 == 0o700
        monkeypatch.setenv("SPEECHZOO_CACHE", str(tmp_path / "shared"))
        client.download(server.weights("good.bin"))
    finally:
        os.umask(before)
    modes = {path: path.stat().st_mode & 0o777 for path in (tmp_path / "shared").rglob("*")}
    assert modes and all(mode == (0o775 if path.is_dir() else 0o664) for path, mode in modes.items()), modes


def test_nobody_answers(server: Server, cache: Path) -> None:
    weights = server.weights("good.bin")
    server.shutdown()
    server.server_close()
    with pytest.raises(
        CheckpointError, match=r"good\.bin: the server cannot be reached .*; or fetch the file"
    ):
        client.download(weights)
    assert files(cache) == []


def test_a_cache_that_cannot_be_written(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SPEECHZOO_CACHE", str(tmp_path / "file"))
    with pytest.raises(
        CheckpointError, match=r"weights good: .* cannot be written .*fetch the file yourself"
    ):
        client.download(server.weights("good.bin"))


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


def test_a_tag_on_the_hub(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address of the Hub goes to its endpoint, at the commit that it names."""
    commit = "0123456789" * 4
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    known = replace(server.weights("good.bin"), url=f"hf://someone/voices@{commit}/folder/good.bin")
    assert known.location() == ("someone/voices", commit, "folder/good.bin")
    assert client.download(known).read_bytes() == CONTENT
    assert server.asked[-1] == f"/someone/voices/resolve/{commit}/folder/good.bin"
    server.shutdown()
    assert client.download(known).read_bytes() == CONTENT


@pytest.mark.parametrize("size", "tbs")
def test_a_checkpoint_that_was_made_of_a_tags_file(size: str, shared: Path) -> None:
    """It is known by its hash and has the tag's terms, though the tag itself is a file of another kind."""
    name = f"fastenhancer_48k_{size}"
    path = shared / f"data/checkpoints/{name}.safetensors"
    located = locate(zoo.get_spec(name), path)
    assert (located.path, located.reader, located.provenance["source"]) == (path, "", "web")
    assert zoo.create_model(name, path).provenance["licence"] == "MIT"


def test_gtcrns_descriptors_are_those_of_its_files(shared: Path, tmp_path: Path) -> None:
    """The released files, under any name, have hash and size of their tags."""
    for tag in ("dns3", "vctk"):
        copy = tmp_path / f"{tag}.copy.tar"
        copy.write_bytes((shared / f"data/checkpoints/gtcrn_{tag}.tar").read_bytes())
        assert locate(zoo.get_spec("gtcrn"), copy).provenance["source"] == tag
        assert "3862c44808dca492ea5a8a145d2dc2a1028d08c8" in find_weights(zoo.get_spec("gtcrn"), tag).url


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sha256": ""}, "no sha256; without one there is no descriptor"),
        ({"sha256": "0" * 63 + "G"}, "no sha256"),
        ({"size": 0}, "no size"),
        ({"size": 1.5}, "no size"),
        ({"licence": ""}, "licence"),
        ({"training_data": ""}, "training data"),
        ({"url": ""}, "no address"),
        ({"url": "http://example.org/x"}, "no address"),
        ({"url": "https://example.org"}, "no address"),
        ({"url": "hf://someone/x@main/y"}, "all 40 digits of the commit"),
        ({"url": "local:x"}, "no address"),
        ({"same": ("x",)}, "no sha256"),
        ({"kind": "picture"}, "no kind of file"),
        ({"artifact": "package:x"}, "no sha256"),
    ],
)
def test_a_descriptor_that_pins_nothing_cannot_be_made(server: Server, wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"weights 'good': .*{message}"):
        replace(server.weights("good.bin"), **wrong)


def test_names_of_parameters_are_changed_as_the_descriptor_says(
    server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    source = zoo.create_model("fastenhancer_t")
    renamed = {f"net.{name.replace('enc_', 'encoder_')}": v for name, v in source.state_dict().items()}
    torch.save(renamed, tmp_path / "w.pt")
    content = (tmp_path / "w.pt").read_bytes()
    renames = {r"^net\.": "", "encoder_": "enc_"}
    weights = replace(server.weights("good.pt", content), renames=renames)
    spec = replace(zoo.get_spec("fastenhancer_t"), weights=(weights,))
    monkeypatch.setitem(registry._specs(), "fastenhancer_t", spec)
    model = zoo.create_model("fastenhancer_t", tmp_path / "w.pt")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), source.parameters(), strict=True))
    with pytest.raises(CheckpointError, match="two parameters become x"):
        checkpoint.rename({"a": torch.ones(1), "b": torch.ones(1)}, {"[ab]": "x"})


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


@pytest.mark.parametrize("damage", ["changed", "cut", "empty"])
def test_an_export_that_is_not_as_it_was_made(
    cache: Path, weights_for: Callable[[str], Path], damage: str
) -> None:
    """It is made again, and told."""
    checkpoint = str(weights_for("fastenhancer_t"))
    path = cached_export("fastenhancer_t", checkpoint)
    content = bytearray(path.read_bytes())
    content[5000:7000] = bytes(2000)
    path.write_bytes({"changed": bytes(content), "cut": content[:-1], "empty": b""}[damage])
    lines: list[str] = []
    again = cached_export("fastenhancer_t", checkpoint, progress=lines.append)
    assert lines[0] == f"{path}: it was changed or cut short after it was made; exporting it again"
    assert zoo.verify(again).passed and files(cache) == [again]
    lines.clear()
    assert cached_export("fastenhancer_t", checkpoint, progress=lines.append) == again and not lines


def test_a_failing_export_is_not_kept(cache: Path, weights_for: Callable[[str], Path]) -> None:
    with pytest.raises(CheckpointError, match="not a checkpoint of gtcrn"):
        cached_export("gtcrn", str(weights_for("fastenhancer_t")))
    assert files(cache) == []
