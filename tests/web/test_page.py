"""The page of speechzoo demo in a headless Chromium: its worklet, a file, the microphone.

Chromium is not everywhere; where it is not, the tests that need it are skipped.
"""

from __future__ import annotations

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
from tests.webassembly import need_compiler
from zoo.artifact.golden import parity_speech
from zoo.artifact.parity import compare
from zoo.cli import main
from zoo.spec import Tolerance

MODELS = ("fastenhancer_t", "gtcrn")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
LONGEST = 120  # seconds


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the command writes."""
    pytest.importorskip("onnx")
    need_compiler()
    folder = tmp_path_factory.mktemp("page") / "site"
    assert main(["demo", "--folder", str(folder)]) == 0
    return folder


class _Handler(SimpleHTTPRequestHandler):
    """Serves a folder, and keeps what is posted."""

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

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def posted(site: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the browser found."""
    browser = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip("needs Chromium")
    shutil.copyfile(Path(__file__).parent / "check.js", site / "check.js")
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


def test_a_file_comes_back_enhanced(posted: dict[str, bytes]) -> None:
    found, rate = soundfile.read(BytesIO(posted["enhanced.wav"]), dtype="float32")
    assert rate == 16000
    np.testing.assert_allclose(found, zoo.Enhancer(MODELS[0])(_noisy()), rtol=0, atol=0.51 / 32768)


def test_the_example_is_resampled_and_what_is_no_sound_is_told(posted: dict[str, bytes], site: Path) -> None:
    example, rate = soundfile.read(BytesIO(posted["example.wav"]))
    noisy = soundfile.info(site / "example.flac")
    assert rate == 16000 and abs(len(example) / rate - noisy.duration) < 1e-3
    assert posted["error.txt"].decode() == "This browser cannot read that as sound."


def test_the_microphone_runs_and_its_latency_is_told(posted: dict[str, bytes]) -> None:
    told = posted["told.txt"].decode()
    assert re.fullmatch(r"fastenhancer_t: 24 ms late, and \d+ ms of the browser's, 2 s heard; Listen", told)


def test_the_folder_holds_small_models_and_nothing_for_node(site: Path) -> None:
    names = {path.name for path in site.iterdir()}
    assert {"index.html", "models.json", "fastenhancer_t.wasm", "gtcrn.wasm", "example.flac"} <= names
    assert "node.js" not in names
    assert (site / "fastenhancer_t.wasm").stat().st_size < 300_000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "dpcrn"], "do not come with the package"),
        (["--model", "no-model"], "no-model"),
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
