"""LADSPA plug-ins: their gate, what real hosts make of them, any rate, bad input, and bad words."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

import converters
import zoo
from converters.c import compiler as generator
from converters.c.wrappers import SYMBOL, ladspa_source
from converters.targets.ladspa_host import Plugin
from tests.native import SANITIZED, STRICT, compiler, tool
from zoo.arrays import Array
from zoo.artifact.golden import parity_speech
from zoo.artifact.parity import compare
from zoo.builtin import packaged_artifact
from zoo.cli import main
from zoo.errors import ArtifactError, ParityError
from zoo.registry import get_spec
from zoo.runtime.compiler import ENDING
from zoo.runtime.onnx import OnnxGraph
from zoo.signal.resample import resample
from zoo.spec import Tolerance
from zoo.tasks.enhancement.graph import enhancement_manifest

MODEL = "fastenhancer_t"
CLOSE = Tolerance(100.0, 1e-5)


@pytest.fixture(scope="module")
def graph() -> Path:
    pytest.importorskip("onnx")
    compiler()
    found = packaged_artifact(get_spec(MODEL))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def library(graph: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Exported by the command."""
    path = tmp_path_factory.mktemp("ladspa") / f"denoise{ENDING}"
    assert main(["export", str(graph), "--target", "ladspa", "-o", str(path)]) == 0
    assert os.listdir(path.parent) == [path.name]
    return path


@pytest.fixture(scope="module")
def noisy() -> Array:
    """Two seconds of speech at 16 kHz."""
    return parity_speech(16000)[8000:40000]


def _expected(noisy: Array, sample_rate: int) -> tuple[Array, int]:
    """What the enhancer makes of a recording, and its latency."""
    stream = zoo.Enhancer(MODEL).stream(sample_rate)
    return np.concatenate([stream.push(noisy), stream.flush()]), stream.latency.total


def test_a_model_is_exported_and_held_against_its_training_form(tmp_path: Path) -> None:
    compiler()
    path, model = tmp_path / f"x{ENDING}", zoo.create_model(MODEL, "speechzoo")
    report = converters.export(model, path, "ladspa", march="portable")
    assert report.snr_db > 110 and report.tensor == "waveform of the compiled C"
    assert os.listdir(tmp_path) == [path.name]


def test_what_is_exported_is_an_artifact_too(library: Path) -> None:
    assert zoo.verify(library).passed
    mono, stereo = (Plugin(library, index, 16000) for index in (0, 1))
    assert (mono.label, mono.channels) == ("fastenhancer_t_mono", 1)
    assert (stereo.label, stereo.channels) == ("fastenhancer_t_stereo", 2)
    assert stereo.unique_id == mono.unique_id + 1 and 1000 < mono.unique_id < 1 << 24
    with pytest.raises(ArtifactError, match="no plug-in of the number 2"):
        Plugin(library, 2, 16000)


@pytest.mark.parametrize("sample_rate", [16000, 48000, 44100, 8000])
def test_any_rate_is_as_in_python(library: Path, noisy: Array, sample_rate: int) -> None:
    """The latency is the shortest that a stream can have, and the same at every sample."""
    wave = resample(noisy, 16000, sample_rate)
    expected, latency = _expected(wave, sample_rate)
    plugin = Plugin(library, 1, sample_rate)
    late = plugin(np.stack([np.pad(wave, (0, latency)), np.zeros(len(wave) + latency, np.float32)]))
    assert plugin.latency == latency and not late[0, :latency].any()
    # Python ends the recording at the model's rate too, the plug-in does not know of an end.
    sure = len(wave) - sample_rate // 50
    compare(expected[:sure], late[0, latency:][:sure], tensor="left", tolerance=CLOSE)
    assert np.abs(late[1]).max() < 1e-3
    plugin.reset()
    again = plugin(np.stack([np.pad(wave, (0, latency))] * 2), blocks=(7, 4096))
    np.testing.assert_array_equal(again, np.stack([late[0]] * 2))


@pytest.mark.parametrize("sample_rate", [16000, 48000])
def test_the_limit_is_as_in_python(library: Path, noisy: Array, sample_rate: int) -> None:
    """From the first sample, moved while it runs without a jump, and exactly the noisy signal at 0 dB."""
    wave = resample(noisy, 16000, sample_rate)
    expected, latency = _expected(wave, sample_rate)
    sure, padded = len(wave) - sample_rate // 50, np.pad(wave, (0, latency))[None]
    plugin = Plugin(library, 0, sample_rate)
    for limit, share in ((12, 10 ** (-12 / 20)), (0, 1), (-3, 1), (100, 0)):
        plugin.limit = limit
        plugin.reset()
        late = plugin(padded)[0, latency:][:sure]
        wanted = (expected + (wave - expected) * share)[:sure]
        compare(wanted, late, tensor=f"at {limit} dB", tolerance=CLOSE)
        assert share != 1 or np.array_equal(late, wave[:sure])
    before, plugin.limit = plugin(0.1 * np.ones((1, 9999), np.float32))[0, -1], 0
    steps = np.diff(plugin(0.1 * np.ones((1, 999), np.float32))[0], prepend=before)
    assert np.abs(steps).max() < 0.01 and abs(before + steps.sum() - 0.1) < 1e-6


@pytest.mark.parametrize("sample_rate", [100, 44099, 1_000_000])
def test_a_rate_that_cannot_be_is_refused(
    library: Path, sample_rate: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ArtifactError, match=f"does not run at {sample_rate} Hz"):
        Plugin(library, 0, sample_rate)
    assert f"fastenhancer_t_mono: cannot run at {sample_rate} Hz: it" in capfd.readouterr().err


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_a_plugin_recovers_from_what_is_no_sound(library: Path, noisy: Array, bad: float) -> None:
    plugin, broken = Plugin(library, 0, 48000), resample(noisy, 16000, 48000)[None]
    broken[0, 10000:10010] = bad
    found = plugin(broken)
    assert np.isfinite(found).all() and np.abs(found[0, 20000:]).max() < 2
    assert np.abs(found[0, 20000:]).max() > 0.01


def test_in_ffmpeg(library: Path, noisy: Array, tmp_path: Path) -> None:
    """Mono, stereo at another rate, and with its latency taken off by the host."""
    ffmpeg = tool("ffmpeg", "ffmpeg")
    if " ladspa " not in subprocess.check_output([ffmpeg, "-v", "error", "-filters"], text=True):
        pytest.skip("needs an ffmpeg with LADSPA")
    noisy_16 = np.round(noisy * 32768).astype(np.int16)
    for sample_rate, label, options in (
        (16000, "mono", ""),
        (48000, "stereo", ""),
        (16000, "mono", ":latency=1"),
        (16000, "mono", ":controls=c0=6"),
    ):
        wave = np.repeat(noisy_16, sample_rate // 16000)
        expected, latency = _expected(wave / np.float32(32768), sample_rate)
        given, got = tmp_path / "noisy.wav", tmp_path / "clean.wav"
        channels = 1 if label == "mono" else 2
        soundfile.write(given, np.repeat(wave[:, None], channels, 1), sample_rate, "PCM_16")
        plugin = f"ladspa=file={library}:plugin={MODEL}_{label}{options}"
        subprocess.run(
            [ffmpeg, "-v", "error", "-y", "-i", str(given), "-af", plugin, str(got)], check=True, timeout=60
        )
        clean, rate = soundfile.read(got, dtype="float32", always_2d=True)
        late = 0 if "latency" in options else latency
        if "controls" in options:
            expected = expected + (wave / np.float32(32768) - expected) * 10 ** (-6 / 20)
        assert rate == sample_rate and clean.shape[1] == channels and len(clean) > len(wave) - latency - 1
        sure = len(clean) - late - 2 * latency
        error = clean[late:][:sure] - expected[:sure, None]
        assert np.abs(error).max() < 0.6 / 32768


def test_in_applyplugin(library: Path, noisy: Array, tmp_path: Path) -> None:
    """The host of LADSPA's own authors, which cuts samples off where others round them."""
    host = tool("applyplugin", "ladspa-sdk")
    given, got = tmp_path / "noisy.wav", tmp_path / "clean.wav"
    soundfile.write(given, noisy, 16000, "PCM_16")
    expected, latency = _expected(soundfile.read(given, dtype="float32")[0], 16000)
    words = [host, str(given), str(got), str(library), f"{MODEL}_mono", "100"]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    clean, _ = soundfile.read(got, dtype="float32")
    assert np.abs(clean[latency:] - expected[: len(clean) - latency]).max() < 1.01 / 32768


def test_sanitizers_find_nothing(graph: Path, tmp_path: Path) -> None:
    """Both plug-ins, in place, at rates that need a converter and at those that are refused."""
    model, host = tmp_path / "model.c", tmp_path / "host.c"
    model.write_text(generator.compile_graph(graph, SYMBOL))
    wrapper = ladspa_source(model.read_text(), enhancement_manifest(OnnxGraph(graph)))
    host.write_text(
        f"""{wrapper}
int main(void)
{{
    static float blocks[2][777], control[2];
    const unsigned long rates[] = {{16000, 44100, 48000, 8000, 44099, 1}};
    for (int n = 0; n < 12; n++) {{
        const descriptor *d = ladspa_descriptor(n % 2);
        void *plugin = d->instantiate(d, rates[n / 2]);
        if (!plugin) continue;
        const unsigned long channels = d->port_count / 2 - 1;
        for (unsigned long port = 0; port < d->port_count; port++)
            d->connect_port(plugin, port, port < 2 * channels ? blocks[port % channels]
                                                              : &control[port - 2 * channels]);
        for (int k = 0; k < 9; k++) {{
            for (int i = 0; i < 777; i++) blocks[0][i] = blocks[1][i] = (float)(i * 37 % 100) / 200.0f;
            if (k == 3) blocks[0][5] = NAN;
            control[1] = k < 2 ? 100.0f : k < 7 ? (float)k - 4 : NAN;
            d->run(plugin, k == 5 ? 0 : 777);
        }}
        d->cleanup(plugin);
    }}
    return 0;
}}
"""
    )
    program = tmp_path / "host"
    words = [compiler(), *STRICT, *SANITIZED, str(model), str(host), "-o", str(program), "-lm"]
    made = subprocess.run(words, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr[:2000]
    done = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "runtime error" not in done.stderr, done.stderr[:2000]
    assert done.stderr.count("cannot run at") == 4


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile without much optimisation."""
    monkeypatch.setattr("zoo.runtime.compiler.FLAGS", ("-std=c11", "-O1", "-fno-math-errno"))


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("c->skipped < MODEL_LATENCY", "c->skipped < MODEL_LATENCY - 1", "t_mono: SNR"),
        ("out[i][t] = channel_step(&p->channel[i], samples[i])",
         "out[i][t] = channel_step(&p->channel[i], samples[0])", "t_stereo: SNR"),
    ],
)  # fmt: skip
def test_a_wrapper_that_slips_leaves_nothing(
    graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, message: str
) -> None:
    def faulty(text: str, manifest: object) -> str:
        source = ladspa_source(text, manifest)  # type: ignore[arg-type]
        assert old in source
        return source.replace(old, new)

    monkeypatch.setattr("converters.targets.ladspa.ladspa_source", faulty)
    with pytest.raises(ParityError, match=message):
        converters.export_ladspa(graph, tmp_path / "x.so")
    assert not os.listdir(tmp_path)


@pytest.mark.usefixtures("quickly")
def test_one_weight_changed_by_a_thousandth_fails(
    graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(path: Path, name: str | None = None) -> str:
        program = generator.read_graph(path)
        weight = next(op.input(1) for op in program.ops if op.kind == "Conv")
        weight.data = weight.constant * np.float32(1.001)
        return generator.compile_program(program, name)

    monkeypatch.setattr("converters.targets.ladspa.compile_graph", faulty)
    path = tmp_path / "x.so"
    path.write_bytes(b"an earlier export")
    with pytest.raises(ParityError, match=r"SNR .* would pass with"):
        converters.export_ladspa(graph, path)
    assert os.listdir(tmp_path) == [path.name] and path.read_bytes() == b"an earlier export"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{graph}", "--target", "ladspa", "--symbol", "x"], "--symbol: ladspa has no use for it"),
        (["{graph}", "--target", "c", "--march", "native"], "--march: c has no use for it"),
        (["{graph}", "--target", "ladspa", "--hops", "2"], "--hops: "),
        (["absent.onnx", "--target", "ladspa"], "absent.onnx: "),
        (["{graph}", "--target", "ladspa", "--march", "no-such"], "cannot compile it"),
        ([MODEL, "--weights", "speechzoo", "--target", "ladspa", "--form", "spec2spec"], "takes waveforms"),
        ([MODEL, "--weights", "speechzoo", "--target", "ladspa", "--offline"], "leave offline out"),
    ],
)
def test_misuse_is_told(
    graph: Path, tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", *(word.replace("{graph}", str(graph)) for word in words), "-o", str(tmp_path / "x.so")]
    try:
        status = main(words)
    except SystemExit as exit_:
        status = int(exit_.code or 0)
    assert status in (1, 2) and message in capsys.readouterr().err
    assert not os.listdir(tmp_path)
