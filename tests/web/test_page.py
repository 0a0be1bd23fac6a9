"""The page of speechzoo demo in a headless Chromium: its worklet, files, what is played, the microphone.

Chromium is not everywhere; where it is not, the tests that need it are skipped. Graphs of the user's own need
onnxruntime-web, whose folder the variable ONNXRUNTIME_WEB names.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import zoo
from tests.data import ROOT
from tests.webassembly import need_compiler, packaged
from zoo.artifact.golden import parity_speech
from zoo.artifact.parity import compare
from zoo.cli import main
from zoo.cli.demo import _ISOLATED, PAGE
from zoo.spec import Tolerance

MODELS = ("ulunas", "gtcrn")
OWN = "gtcrn"  # whose files a user brings
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
LONGEST = 180  # seconds
RUNTIME = os.environ.get("ONNXRUNTIME_WEB")
ROUNDED = 0.51 / 32768  # of 16 bits


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the command writes."""
    pytest.importorskip("onnx")
    need_compiler()
    folder = tmp_path_factory.mktemp("page") / "site"
    words = ["--onnxruntime-web", RUNTIME] if RUNTIME else []
    assert main(["demo", "--folder", str(folder), *words]) == 0
    return folder


class _Handler(SimpleHTTPRequestHandler):
    """Serves a folder, and keeps what is posted; isolated from others where the address says so."""

    def __init__(self, *args: Any, posted: dict[str, bytes], ended: threading.Event, **options: Any) -> None:
        self.posted, self.ended = posted, ended
        super().__init__(*args, **options)

    def do_POST(self) -> None:
        name = self.path.strip("/")
        self.posted[name] = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
        if name == "end":
            self.ended.set()

    def end_headers(self) -> None:
        if "isolated" in self.path or ".html" not in self.path:  # what a page loads has to say so too
            for name, value in _ISOLATED.items():
                self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def posted(site: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the browser found."""
    browser = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip("needs Chromium")
    for name in ("check.js", "tap.js"):
        shutil.copyfile(Path(__file__).parent / name, site / name)
    shutil.copyfile(packaged(OWN), site / "mine.onnx")
    shutil.copyfile(ROOT / "examples/web/microphone.html", site / "microphone.html")
    page = (site / "index.html").read_text()
    (site / "check.html").write_text(
        page.replace("</html>", '<script type="module" src="check.js"></script>')
    )
    soundfile.write(site / "noisy.wav", _noisy(), 16000, subtype="FLOAT")
    (site / "noisy.f32").write_bytes(_noisy().astype("<f4").tobytes())
    found: dict[str, bytes] = {}
    ended = threading.Event()
    handler = partial(_Handler, directory=os.fspath(site), posted=found, ended=ended)
    with ThreadingHTTPServer(("localhost", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        folder = tmp_path_factory.mktemp("browser")
        address = f"http://localhost:{server.server_port}/check.html"
        process = subprocess.Popen(
            [browser, *QUIET, f"--user-data-dir={folder}", "--remote-debugging-port=0", address],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            assert ended.wait(LONGEST), f"the page did not end; it had posted {sorted(found)}"
        finally:
            process.terminate()
            process.wait()
            server.shutdown()
    assert found["end"] == b"", found["end"].decode()
    return found


def _noisy() -> np.ndarray[Any, np.dtype[np.float32]]:
    return parity_speech(16000)[: 3 * 16000]


@pytest.mark.parametrize("model", MODELS)
def test_the_worklet_enhances_as_python_does(posted: dict[str, bytes], model: str) -> None:
    found = np.frombuffer(posted[f"{model}.f32"], "<f4")
    expected = zoo.Enhancer(model)(_noisy())
    assert len(found) == len(expected) - 256 - 128  # the window, and what waits for a hop to be whole
    compare(expected[: len(found)], found, tensor=model, tolerance=Tolerance(110.0, 1e-5))


def _wav(data: bytes) -> np.ndarray[Any, np.dtype[np.float32]]:
    samples, rate = soundfile.read(BytesIO(data), dtype="float32")
    assert rate == 16000
    return samples


def test_a_file_comes_back_enhanced(posted: dict[str, bytes]) -> None:
    found = _wav(posted["enhanced.wav"])
    np.testing.assert_allclose(found, zoo.Enhancer(MODELS[0])(_noisy()), rtol=0, atol=ROUNDED)


def test_an_attenuation_limit_leaves_a_share_of_the_noise(posted: dict[str, bytes]) -> None:
    enhanced = zoo.Enhancer(MODELS[0])(_noisy())
    expected = enhanced + (_noisy() - enhanced) * 10 ** (-12 / 20)
    np.testing.assert_allclose(_wav(posted["limited.wav"]), expected, rtol=0, atol=ROUNDED)


def test_a_module_of_the_users_own_is_taken(posted: dict[str, bytes]) -> None:
    expected = zoo.Enhancer(OWN)(_noisy())
    np.testing.assert_allclose(_wav(posted["module.wav"]), expected, rtol=0, atol=ROUNDED)


def test_what_is_played_changes_where_it_is_and_begins_again(posted: dict[str, bytes]) -> None:
    found, noisy = np.frombuffer(posted["played.f32"], "<f4"), _noisy()
    before, after = 0.5 * noisy, (0.25 - 0.75 / 2) * noisy  # by the gains and the share of check.js
    begin = int(np.argmax(np.correlate(found[:16000], before[:8000])))
    for expected, start, stop in ((before, 0, 15900), (after, 20000, 48000)):
        np.testing.assert_allclose(
            found[begin + start : begin + stop], expected[start:stop], rtol=0, atol=1e-4
        )
    np.testing.assert_allclose(found[begin + 48000 :][:12000], after[:12000], rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["shared", "isolated", "graph"])
def test_no_hop_of_the_microphone_is_lost(posted: dict[str, bytes], name: str) -> None:
    """None but those of a graph that came too late, which are counted; what else comes keeps its time."""
    if name == "graph" and not RUNTIME:
        pytest.skip("needs onnxruntime-web; ONNXRUNTIME_WEB names its folder")
    given, found = (np.frombuffer(posted[f"{name}-{end}.f32"], "<f4") for end in ("in", "out"))
    assert np.abs(given).max() > 0.01, "the browser's microphone was silent"
    latency = int(posted[f"{name}-latency.txt"])
    assert latency == 256 + 128 + (7 * 128 if name == "graph" else 0)  # 50 ms in whole blocks
    expected = zoo.Enhancer(OWN if name == "graph" else "fastenhancer_t")(given)
    count = len(given) - latency - 512  # what has its whole window
    expected, found = expected[:count], found[latency:][:count].copy()
    if lost := int(posted.get(f"{name}-lost.txt", b"0")):  # this machine was too busy, four times
        silent = found == 0
        assert np.count_nonzero(expected[silent]) <= 256 * lost
        found[silent] = expected[silent]
    # 109 dB; 88 where a busy machine's microphone clicks. A lost hop is 56 dB at its most quiet.
    compare(expected, found, tensor=name, tolerance=Tolerance(80.0, 1e-3))


def test_a_graph_of_the_users_own_is_run(posted: dict[str, bytes]) -> None:
    if not RUNTIME:
        pytest.skip("needs onnxruntime-web; ONNXRUNTIME_WEB names its folder")
    expected = zoo.Enhancer(OWN)(_noisy())
    np.testing.assert_allclose(_wav(posted["graph.wav"]), expected, rtol=0, atol=ROUNDED)
    told = r"gtcrn: 80 ms late, and \d+ ms of the browser's, \d s heard, \d+ of \d+ hops came too late"
    assert re.fullmatch(told, posted["graph.txt"].decode())


def test_a_runtime_that_is_absent_or_another_one_is_not_run(posted: dict[str, bytes]) -> None:
    told = json.loads(posted["no-runtime.json"])
    assert len(told) == 2
    assert all("cannot be had" in message and "--onnxruntime-web" in message for message in told)


def test_the_page_is_for_keys_and_narrow_screens(posted: dict[str, bytes]) -> None:
    *heard, loop, nameless, width = json.loads(posted["access.json"])
    assert heard == ["before", "after", "before", "after"]
    assert loop is True and nameless == 0 and width <= 320


def test_the_microphone_is_recorded_and_its_absence_told(posted: dict[str, bytes]) -> None:
    found = _wav(posted["recorded.wav"])
    assert len(found) > 16000 and np.abs(found).max() > 0.01
    assert posted["no-microphone.txt"].decode().startswith("The microphone needs a page from https")


def test_the_example_is_resampled_and_what_is_no_sound_is_told(posted: dict[str, bytes], site: Path) -> None:
    example, rate = soundfile.read(BytesIO(posted["example.wav"]))
    noisy = soundfile.info(site / "example.flac")
    assert rate == 16000 and abs(len(example) / rate - noisy.duration) < 1e-3
    assert posted["error.txt"].decode() == "This browser cannot read that as sound."
    assert "it is no graph that speechzoo export made" in posted["no-model.txt"].decode()


def test_the_microphone_runs_and_its_latency_is_told(posted: dict[str, bytes]) -> None:
    told = posted["told.txt"].decode()
    assert re.fullmatch(r"ulunas: 24 ms late, and \d+ ms of the browser's, 2 s heard; Listen", told)


def test_the_example_for_others_runs(posted: dict[str, bytes]) -> None:
    assert posted["copied.txt"].decode() == "gtcrn: 24 ms late"


def test_the_folder_holds_small_models_and_nothing_for_node(site: Path) -> None:
    names = {path.name for path in site.iterdir()}
    assert {"index.html", "models.json", "ulunas.wasm", "gtcrn.wasm", "example.flac"} <= names
    assert "node.js" not in names
    assert (site / "fastenhancer_t.wasm").stat().st_size < 300_000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "dpcrn"], "do not come with the package"),
        (["--model", "no-model"], "no-model"),
        (["--model", "no-graph.onnx"], "no-graph.onnx"),
        (["--model", "gtcrn", "other/gtcrn.onnx"], "two models have one name"),
        (["--onnxruntime-web", "no-folder"], "that npm install onnxruntime-web makes"),
        (["--model", "gtcrn", "--port", "99999999"], "choose another with --port"),
    ],
)
def test_what_cannot_be_shown_is_told(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    need_compiler()
    more = [] if "--port" in words else ["--folder", str(tmp_path / "site")]
    assert main(["demo", *words, *more]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_the_pinned_runtime_is_the_one_that_npm_has(site: Path) -> None:
    if not RUNTIME or json.loads((Path(RUNTIME) / "package.json").read_text())["version"] != "1.30.0":
        pytest.skip("needs onnxruntime-web 1.30.0; ONNXRUNTIME_WEB names its folder")
    pinned, own = (json.loads((folder / "onnxruntime.json").read_text()) for folder in (PAGE, site))
    assert "@1.30.0/" in pinned["address"] and own["address"] == "onnxruntime/"
    assert pinned["integrity"] == own["integrity"]
