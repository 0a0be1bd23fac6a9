"""Weights by tag: every address against a server with the real client, and what can be wrong on the way."""

from __future__ import annotations

import hashlib
import io
import os
import re
import resource
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import zoo
from tests.checkpoints import CONFIG
from tests.data import ROOT
from tests.hub.repository import kept
from tests.hub.server import Handler, Hub, Repository
from zoo import registry
from zoo.cli import main
from zoo.errors import CheckpointError
from zoo.hub import archive, client
from zoo.hub.weights import default_tag, fetch_graphs, locate
from zoo.registry import find_weights, get_spec, list_models
from zoo.spec import HUB_SCHEME, PACKAGE_SCHEME, Filterbank, Pinned, Weights
from zoo.tasks.speaker.features import filterbank

Capture = pytest.CaptureFixture[str]
EVERY = [
    (name, weights, file)
    for name in list_models()
    for weights in get_spec(name).weights
    for file in weights.files
    if not file.url.startswith(PACKAGE_SCHEME)
]
HAD = {  # files of the shared data, by what pins them
    "gtcrn:dns3": ("checkpoints/gtcrn_dns3.tar",),
    "gtcrn:vctk": ("checkpoints/gtcrn_vctk.tar",),
    "gtcrn:dns3-stream": ("checkpoints/gtcrn_dns3_stream.tar", "onnx/gtcrn_stream_upstream.onnx"),
    "ulunas:dns3": ("public/ulunas_dns3.tar", "public/ulunas_stream_simple.onnx"),
    "dtln:dns1": ("public/dtln_model_1.onnx", "public/dtln_model_2.onnx"),
    "fastenhancer_s:vd": ("public/fastenhancer_s_vd.onnx",),
    "fastenhancer_48k_t:48k": ("public/fastenhancer_48k_t.onnx",),
    "fastenhancer_48k_s:48k": ("public/fastenhancer_48k_s.onnx",),
    "fastenhancer_48k_t:web": ("public/fe_tiny_48k.bin",),
    "fastenhancer_48k_b:web": ("public/fe_base_48k.bin",),
    "fastenhancer_48k_s:web": ("public/fe_small_48k.bin",),
}


@pytest.fixture
def mirror(server: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The server in place of GitHub and the Hub."""
    monkeypatch.setenv("SPEECHZOO_MIRROR", server.url)
    return server


def address(file: Pinned) -> str:
    """Host and path of a file, as those who ask for it see them."""
    if not file.url.startswith(HUB_SCHEME):
        return file.url.partition("://")[2]
    repo, commit, name = file.location()
    return f"huggingface.co/{repo}/resolve/{commit}/{name}"


def pinned(content: bytes, name: str = "fastenhancer_t.zip", **others: object) -> Weights:
    """A descriptor of bytes that GitHub would release under that name."""
    return Weights(
        tag="made",
        url=f"https://github.com/someone/some/releases/download/v1/{name}",
        sha256=hashlib.sha256(content).hexdigest(),
        size=None,
        licence="MIT",
        training_data="nothing",
        **{"kind": "folder", **others},
    )


def offer(server: Hub, content: bytes, monkeypatch: pytest.MonkeyPatch, **others: object) -> Weights:
    """Put bytes on the server, and make them the only tag of a small model."""
    weights = pinned(content, **others)
    server.mirrored[address(weights.file)] = content
    spec = replace(get_spec("fastenhancer_t"), weights=(weights,))
    monkeypatch.setitem(registry._specs(), "fastenhancer_t", spec)
    return weights


def zipped(*files: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return packed.getvalue()


# Addresses


@pytest.mark.parametrize(("name", "weights", "file"), EVERY, ids=lambda v: getattr(v, "tag", None))
def test_every_address(name: str, weights: Weights, file: Pinned, mirror: Hub, cache: Path) -> None:
    """It is asked for at the mirror, where it is redirected if it is so at home, and its bytes are kept."""
    content = f"{name} {weights.tag} {file.url}".encode()
    mirror.mirrored[address(file)] = content
    made = Pinned(file.url, hashlib.sha256(content).hexdigest(), len(content))
    path = client.download(made, weights.tag)
    assert path.read_bytes() == content and kept(cache) == [path.relative_to(cache).as_posix()]
    first, *then = [request.path for request in mirror.requests]
    assert first == f"/{address(file)}"
    assert bool(then) == ("raw.githubusercontent" not in file.url)
    assert client.download(made, weights.tag) == path and len(mirror.requests) == 1 + len(then)


@pytest.mark.parametrize("file", [f for *_, f in EVERY if f.url.startswith(HUB_SCHEME)], ids=lambda f: f.name)
def test_every_address_of_the_hub(file: Pinned, server: Hub, cache: Path) -> None:
    """Without a mirror, at the Hub's own endpoint."""
    repo, commit, name = file.location()
    content = file.url.encode()

    def redirect(handler: Handler, content: bytes, before: int) -> bool:
        handler.send(302, Location=f"/cdn/{hashlib.sha256(content).hexdigest()}")
        return True

    server.repositories[repo] = Repository({commit: {name: content}})
    server.faults[name] = redirect
    made = Pinned(file.url, hashlib.sha256(content).hexdigest(), len(content))
    assert client.download(made).read_bytes() == content
    assert [r.path for r in server.requests] == [
        f"/{repo}/resolve/{commit}/{name}",
        f"/cdn/{made.sha256}",
    ]


def test_addresses_name_their_files() -> None:
    """No two tags of a model are one file, and no address is another's with other bytes."""
    hashes: dict[str, str] = {}
    for name, weights, file in EVERY:
        assert hashes.setdefault(file.url, file.sha256) == file.sha256, (name, weights.tag)
        assert (
            Path(file.name).suffix
            in {
                "checkpoint": (".tar", ".pt", ".onnx"),  # with a public graph beside it
                "folder": (".zip",),
                "graph": (".onnx",),
                "binary": (".bin",),
            }[weights.kind]
        )


@pytest.mark.parametrize("word", HAD)
def test_files_that_were_had(word: str, mirror: Hub, cache: Path, shared: Path, capsys: Capture) -> None:
    """The real bytes come under every descriptor that says it was tried, with its terms said once."""
    name, _, tag = word.partition(":")
    spec, weights = get_spec(name), find_weights(get_spec(name), tag)
    assert weights.seen and len(HAD[word]) == len(weights.files)
    for file, path in zip(weights.files, HAD[word], strict=True):
        mirror.mirrored[address(file)] = (shared / "data" / path).read_bytes()
        assert file.size == (shared / "data" / path).stat().st_size
    assert main(["download", word]) == 0
    told = capsys.readouterr()
    paths = [Path(line) for line in told.out.splitlines()]
    assert [path.read_bytes() for path in paths] == [(shared / "data" / p).read_bytes() for p in HAD[word]]
    assert told.err.count("downloading") == 1 and f"licence {weights.licence}; trained on" in told.err
    assert weights.restriction in told.err
    mirror.mirrored.clear()
    assert main(["download", word, "--offline"]) == 0
    assert capsys.readouterr() == (told.out, "")
    graphs = [path for path in paths if path.suffix == ".onnx"]
    assert fetch_graphs(spec, weights) == graphs
    assert locate(spec, tag).path == paths[0]


def test_one_that_fails_does_not_stop_the_others(
    mirror: Hub, cache: Path, shared: Path, capsys: Capture
) -> None:
    mirror.mirrored[address(find_weights(get_spec("gtcrn"), "vctk").file)] = (
        shared / "data/checkpoints/gtcrn_vctk.tar"
    ).read_bytes()
    assert main(["download", "gtcrn:dns3", "gtcrn:vctk"]) == 1
    told = capsys.readouterr()
    assert Path(told.out.strip()).is_file() and "gtcrn: weights dns3: http" in told.err


def test_all_that_was_tried_is_tried_here() -> None:
    tried = {f"{n}:{w.tag}" for n in list_models() for w in get_spec(n).weights if w.seen}
    assert tried - set(HAD) == {
        f"{n}:speechzoo" for n in ("fastenhancer_t", "gtcrn", "ulunas", "fastspeech_small", "vocos_small")
    }


def test_a_mirror_gets_no_token_and_must_be_an_address(
    mirror: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.delenv("HF_HUB_DISABLE_IMPLICIT_TOKEN")
    file = Pinned(f"{HUB_SCHEME}a/b@{'0' * 40}/c+d.onnx", hashlib.sha256(b"x").hexdigest(), 1)
    mirror.mirrored[address(file)] = b"x"
    assert client.download(file).read_bytes() == b"x"
    assert mirror.requests[0].path == f"/huggingface.co/a/b/resolve/{'0' * 40}/c+d.onnx"
    assert {request.authorization for request in mirror.requests} == {None}
    monkeypatch.setenv("SPEECHZOO_MIRROR", f"{mirror.url}/below/")
    other = Pinned("https://github.com/a/b/raw/c/d.pt", hashlib.sha256(b"y").hexdigest())
    mirror.mirrored["below/github.com/a/b/raw/c/d.pt"] = b"y"
    assert client.download(other).read_bytes() == b"y"
    monkeypatch.setenv("SPEECHZOO_MIRROR", "ftp://somewhere")
    with pytest.raises(CheckpointError, match=r"SPEECHZOO_MIRROR is 'ftp://somewhere'; expected a base addr"):
        client.download(replace(other, sha256="0" * 64))


@pytest.mark.parametrize("name", ["dtln", "fastenhancer_s"])
def test_what_a_model_recommends_is_taken(
    name: str, mirror: Hub, cache: Path, shared: Path, capsys: Capture
) -> None:
    """Where nothing is named and nothing is in the package, after saying so in a line; the same by name."""
    tag = default_tag(get_spec(name))
    for file, path in zip(find_weights(get_spec(name), tag).files, HAD[f"{name}:{tag}"], strict=True):
        mirror.mirrored[address(file)] = (shared / "data" / path).read_bytes()
    noise = np.random.default_rng(0).standard_normal(4000).astype(np.float32) / 10
    enhanced = zoo.Enhancer(name)(noise)
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(f"speechzoo: downloading {name}, weights {tag}; ") and len(told) == 1
    for words in ({"weights": "default"}, {"weights": tag}):
        np.testing.assert_array_equal(zoo.Enhancer(name, **words)(noise), enhanced)
    assert capsys.readouterr().err == ""


def test_weights_that_read_other_features(
    speaker_folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The network has the front end of its weights, wherever it goes from there."""
    path, povey = speaker_folder("ResNet18") / "avg_model.pt", Filterbank(window="povey", full_scale=1.0)
    weights = pinned(path.read_bytes(), "a.pt", kind="checkpoint", front_end=povey)
    plain = zoo.create_model("resnet18", path)
    monkeypatch.setitem(registry._specs(), "resnet18", replace(get_spec("resnet18"), weights=(weights,)))
    model = zoo.create_model("resnet18", path)
    assert (plain.spec.front_end, model.spec.front_end) == (Filterbank(), povey)
    wave = np.random.default_rng(0).standard_normal(16000).astype(np.float32) / 10
    feats = torch.from_numpy(filterbank(wave, povey))[None]
    expected = plain(feats)[0].detach().numpy()
    np.testing.assert_allclose(zoo.Embedder(model)(wave), expected, atol=1e-4 * np.abs(expected).max())
    assert np.abs(zoo.Embedder(plain)(wave) - expected).max() > 1e-2 * np.abs(expected).max()
    assert main(["convert", str(path), "--model", "resnet18", "-o", str(tmp_path / "a.safetensors")]) == 0
    assert zoo.create_model("resnet18", tmp_path / "a.safetensors").spec.front_end == povey


# What can be wrong


def page(handler: Handler, content: bytes, before: int) -> bool:
    handler.send(200, b"<html>Log in to the hotel's network</html>", Content_Type="text/html; charset=utf-8")
    return True


def missing(handler: Handler, content: bytes, before: int) -> bool:
    handler.send(404)
    return True


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (page, "a web page came in place of the file; does the network ask for a login"),
        (missing, "the server answered 404 Not Found"),
        (lambda h, c, b: h.send(200, b"other") or True, "it should have the sha256 .*; it is not used"),
        (lambda h, c, b: h.break_off(c[:50], len(c)) or True, "the connection broke off"),
    ],
)
def test_a_server_that_sends_something_else(
    mirror: Hub,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    fault: Callable[[Handler, bytes, int], bool],
    message: str,
) -> None:
    content = bytes(range(200))
    weights = offer(mirror, content, monkeypatch, kind="checkpoint", name="x.pt")
    mirror.faults[address(weights.file)] = fault
    assert main(["download", "fastenhancer_t"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert "downloading fastenhancer_t, weights made; x.pt; licence MIT; trained on nothing" in told[0]
    assert re.search(
        f"^speechzoo: fastenhancer_t: weights made: http.*{message}.*; or fetch the file yourself", told[-1]
    )
    beginning = [] if "broke off" not in message else [content[:50]]
    assert [(cache / name).read_bytes() for name in kept(cache)] == beginning


def test_no_network_and_none_allowed(cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("SPEECHZOO_MIRROR", "http://127.0.0.1:9")
    assert main(["download", "gtcrn:dns3"]) == 1
    assert "the server cannot be reached" in capsys.readouterr().err
    ahead = "forbids to fetch it; `speechzoo download` fetches it ahead where there is a network; or fetch"
    noisy = str(ROOT / "examples/noisy.wav")
    for words in (
        ["download", "gtcrn:dns3"],
        ["enhance", noisy, "-o", "-", "--model", "gtcrn", "--weights", "dns3"],
    ):
        assert main([*words, "--offline"]) == 1
        assert f"and --offline {ahead}" in capsys.readouterr().err
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(CheckpointError, match=f"^weights dns3: .* and HF_HUB_OFFLINE {ahead}"):
        zoo.create_model("gtcrn", "dns3")
    assert kept(cache) == []


def test_a_disk_that_takes_no_more(mirror: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(mirror, b"content" * 100_000, monkeypatch, kind="checkpoint")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(CheckpointError, match=r"cannot be written .*File too large"):
            locate(get_spec("fastenhancer_t"), "made")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert kept(cache) == []


# Zips of training folders


@pytest.fixture
def training_folder(weights_for: Callable[[str], Path]) -> list[tuple[str, bytes]]:
    """The files of a public training folder."""
    checkpoint = weights_for("fastenhancer_t").read_bytes()
    return [("config.yaml", yaml.safe_dump(CONFIG).encode()), ("00500.pth", checkpoint), ("notes.txt", b"x")]


@pytest.mark.parametrize("inside", ["", "fastenhancer_t/", "logs/vd/"])
def test_a_zip_of_a_training_folder(
    inside: str,
    mirror: Hub,
    cache: Path,
    training_folder: list[tuple[str, bytes]],
    weights_for: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Whether its files are in a folder of the zip or not; and again when what was unpacked is damaged."""
    content = zipped(*((inside + name, data) for name, data in training_folder))
    offer(mirror, content, monkeypatch)
    expected = zoo.create_model("fastenhancer_t", weights_for("fastenhancer_t")).state_dict()

    def loaded(weights: str) -> None:
        model = zoo.create_model("fastenhancer_t", weights)
        assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())
        assert model.provenance["source"] == "made" and model.provenance["licence"] == "MIT"

    loaded("made")
    folder = locate(get_spec("fastenhancer_t"), "made").path
    assert sorted(path.name for path in folder.iterdir()) == ["00500.pth", "config.yaml", "notes.txt"]
    before = folder.stat().st_ino
    loaded("default")
    assert folder.stat().st_ino == before
    locked = [path for path in (cache / "incoming").iterdir() if path.suffix == ".lock"]
    for path in locked:  # as in a cache that cannot be written
        path.unlink()
        path.mkdir()
    loaded("made")
    for path in locked:
        path.rmdir()
    (folder / "00500.pth").write_bytes(b"damaged")
    loaded("made")
    assert len(kept(cache)) == 4
    mine = tmp_path / "mine/some.zip"  # known by its hash, and nothing is written beside it
    mine.parent.mkdir()
    mine.write_bytes(content)
    loaded(str(mine))
    assert list(mine.parent.iterdir()) == [mine] and len(kept(cache)) == 4


def link() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("passwords")
    entry.external_attr = 0o120777 << 16
    return entry


def locked() -> bytes:
    content = bytearray(zipped(("a", b"x")))
    content[content.index(b"PK\x01\x02") + 8] |= 1  # in the directory, that the file is encrypted
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped(("a", b"x"), ("../../escaped", b"x")), "its file '../../escaped' leads out of it"),
        (zipped(("/tmp/escaped", b"x")), "its file '/tmp/escaped' leads out of it"),
        (zipped(("..\\escaped", b"x")), "leads out of it"),
        (zipped(("C:/escaped", b"x")), "its file 'C:/escaped' leads out of it"),
        (zipped((link(), b"/etc/passwd")), "its file 'passwords' is a link"),
        (locked(), "its file 'a' takes a password"),
        (zipped(("a", bytes(3_000_000))), "it holds 1 files of 3,000,000 bytes"),
        (zipped(*((str(n), b"") for n in range(30))), "it holds 30 files of 0 bytes; from 1 to 20 files"),
        (zipped(), "it holds 0 files"),
        (zipped(("a", os.urandom(5000)))[:3000], "it is no whole zip"),
        (zipped(("a", b"x" * 5000)).replace(b"\xed", b"\xee", 1), "it is no whole zip"),
        (b"PK\x03\x04 and then nothing", "it is no whole zip"),
        (b"no zip at all", "it is no whole zip"),
        (zipped(("a", b"x"), ("a/b", b"x")), "cannot be written"),
    ],
)
def test_zips_that_are_not_unpacked(
    content: bytes, message: str, mirror: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "LARGEST", 1_000_000)
    monkeypatch.setattr(archive, "MOST", 20)
    offer(mirror, content, monkeypatch)
    with pytest.raises(
        CheckpointError, match=r"^weights made: .*fastenhancer_t\.zip: .*" + re.escape(message)
    ):
        zoo.create_model("fastenhancer_t", "made")
    assert kept(cache) == [] and not list(cache.rglob("escaped")) and not os.path.exists("/tmp/escaped")
    assert not list(cache.glob("weights/*"))


# Looking at all of them


def test_checking_every_address(
    mirror: Hub, cache: Path, shared: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row a file, what was wrong with it, and nothing kept."""
    for word, paths in HAD.items():
        name, _, tag = word.partition(":")
        for file, path in zip(find_weights(get_spec(name), tag).files, paths, strict=True):
            mirror.mirrored[address(file)] = (shared / "data" / path).read_bytes()
    assert main(["download", "ulunas:dns3", "gtcrn:vctk", "--check"]) == 0
    *rows, _, last = capsys.readouterr().out.splitlines()
    assert last == "3 of 3 files are as they should be"
    assert rows[0].split() == ["model", "tag", "status", "bytes", "hash", "file", "reason"]
    assert rows[1].split() == ["ulunas", "dns3", "200", "2,284,926", "ok", "model_trained_on_dns3.tar"]

    vctk, dns3 = (address(find_weights(get_spec("gtcrn"), tag).file) for tag in ("vctk", "dns3"))
    mirror.mirrored[vctk] = mirror.mirrored[vctk][:-1] + b"?"
    mirror.faults[dns3] = page
    assert main(["download", "gtcrn", "--all", "--check"]) == 1
    *rows, _, last = capsys.readouterr().out.splitlines()
    told = {row.split()[1]: row for row in rows[1:]}
    assert list(told) == ["dns3", "vctk", "dns3-stream", "sherpa"]
    assert re.search(r" +0  WRONG .* a web page came in place of the file", told["dns3"])
    assert re.search(r" 200  737,323  WRONG .* its sha256 is [0-9a-f]{64}", told["vctk"])
    assert re.search(r" 404 +0  WRONG .* the server answered 404", told["sherpa"])
    assert last == "2 of 5 files are as they should be" and kept(cache) == []
    monkeypatch.setenv("SPEECHZOO_MIRROR", "http://127.0.0.1:9")
    assert main(["download", "ulunas:dns3", "--check"]) == 1
    assert re.search(r"ulunas +dns3 +- +0  WRONG .* cannot be reached", capsys.readouterr().out)


def test_the_table_of_all_weights(capsys: Capture) -> None:
    assert main(["list", "--weights"]) == 0
    head, *rows = capsys.readouterr().out.strip().splitlines()
    assert head.split()[:6] == ["model", "tag", "kind", "size", "licence", "tried"]
    every = [(name, weights) for name in list_models() for weights in get_spec(name).weights]
    assert [tuple(row.split()[:3]) for row in rows] == [(n, w.tag, w.kind) for n, w in every]
    forbidden = [row for row in rows if row.endswith("not for commercial use")]
    assert len(forbidden) == sum(name.startswith("fastenhancer_48k") for name, _ in every) > 0
    assert main(["list", "--weights", "--task", "speaker", "--json"]) == 0
    assert main(["list", "--weights", "--task", "cooking"]) == 0


def test_words_that_name_nothing(capsys: Capture) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["download"])
    assert "name MODEL[:TAG], or pass --all" in capsys.readouterr().err
    for word, message in {
        "gtcm": "there is no model 'gtcm'; did you mean gtcrn",
        "gtcrn:dns4": "gtcrn has no weights 'dns4' (known tags: speechzoo, dns3",
        "dpcrn": "dpcrn has no weights 'default' (known tags: none)",
    }.items():
        assert main(["download", word]) == 1
        assert message in capsys.readouterr().err
    assert default_tag(get_spec("dpcrn")) is None and default_tag(get_spec("dtln")) == "dns1"
