"""TorchScript files and exported programs: that they compute what the network does, and their gates."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import converters
import converters.targets.program
import converters.targets.torchscript
import zoo
from converters import export_program, export_torchscript
from converters.subjects.enhancement import whole_waveform
from converters.subjects.subject import Traceable
from scripts import export_program as program_script
from scripts import export_torchscript as torchscript_script
from tests.converters.networks import FORMS, Masked, changed
from tests.data import ROOT
from zoo import Enhancer
from zoo.arrays import Array
from zoo.artifact.parity import compare
from zoo.cli import main
from zoo.errors import ArtifactError, MissingExtraError, ParityError
from zoo.networks.streaming import StreamingModule
from zoo.runtime.torch_files import RECORD_NAME, TorchGraph
from zoo.spec import Tolerance

Export = Callable[..., Path]
WeightsFor = Callable[[str], Path]
SMALLEST = "fastenhancer_t"
EXPORTERS = {".ts": export_torchscript, ".pt2": export_program}
TRACED = {
    ".ts": converters.targets.torchscript.TorchScript,
    ".pt2": converters.targets.program.ExportedProgram,
}
KINDS = list(EXPORTERS)


@pytest.fixture(scope="module")
def made(network: Callable[[str], StreamingModule], tmp_path_factory: pytest.TempPathFactory) -> Export:
    """``made(kind, name, form, **options)``: a file, made once."""
    folder = tmp_path_factory.mktemp("made")

    def make(kind: str, name: str = SMALLEST, form: str = "wav2wav", **options: Any) -> Path:
        path = folder / f"{'-'.join([name, form, *(f'{k}={v}' for k, v in options.items())])}{kind}"
        if not path.exists():
            EXPORTERS[kind](network(name), path, form, **options)
        return path

    return make


def same(reference: Array, candidate: Array) -> None:
    compare(reference, candidate, tensor="enhanced", tolerance=Tolerance(110, 1e-5), frame_length=256)


@pytest.mark.parametrize(
    ("kind", "name", "form"),
    [
        *((kind, SMALLEST, form) for kind in KINDS for form in FORMS),
        (".ts", "gtcrn", "wav2wav"),
        (".pt2", "gtcrn", "spec2spec"),
    ],
)
def test_a_stream(
    made: Export,
    network: Callable[[str], StreamingModule],
    speech_16k: Array,
    kind: str,
    name: str,
    form: str,
) -> None:
    path, speech = made(kind, name, form), speech_16k[16000:40000]
    enhancer = Enhancer(path)
    assert enhancer.streaming and enhancer.backend == {".ts": "torchscript", ".pt2": "torch.export"}[kind]
    expected = whole_waveform(network(name), speech[None])[0]
    same(expected, enhancer(speech))
    stream = enhancer.stream()
    parts = [stream.push(block) for block in np.array_split(speech, 41)]
    same(expected, np.concatenate([*parts, stream.flush()]))
    report = zoo.verify(path)
    assert report.passed and report.elements == 16000 and report.max_error < 2e-5


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("kind", "options"), [(".ts", {}), (".ts", {"frames": 63}), (".pt2", {"frames": 63})], ids=str
)
def test_a_whole_recording(
    made: Export,
    network: Callable[[str], StreamingModule],
    speech_16k: Array,
    kind: str,
    options: dict[str, int],
    form: str,
) -> None:
    path = made(kind, SMALLEST, form, streaming=False, **options)
    enhancer, speech = Enhancer(path), speech_16k[20000 : 20000 + 61 * 256]
    assert not enhancer.streaming and zoo.verify(path).passed
    for length in (1, 255, 4000, len(speech)) if not options or form == "wav2wav" else (len(speech),):
        expected = whole_waveform(network(SMALLEST), speech[None, :length])[0]
        same(expected, enhancer(speech[:length]))


@pytest.mark.parametrize("kind", KINDS)
def test_many_streams_a_call(made: Export, speech_16k: Array, kind: str) -> None:
    """As many as one likes; each is what it is alone."""
    path, alone = made(kind, streams="streams"), Enhancer(made(kind))
    batcher = zoo.StreamBatcher(zoo.Enhancer(path).session)
    speeches = {batcher.join(): speech_16k[begin : begin + 8000] for begin in (16000, 20000, 28000)}
    parts = {stream: [] for stream in speeches}
    for at in range(0, 8000, 1000):
        pushed = {stream: speech[at : at + 1000] for stream, speech in speeches.items()}
        for stream, output in batcher.push(pushed).items():
            parts[stream].append(output)
    for stream, rest in batcher.flush(speeches).items():
        same(alone(speeches[stream]), np.concatenate([*parts[stream], rest]))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_says_where_it_was_made(made: Export, kind: str) -> None:
    """No entry holds the path of a source file or of a package; where in the file a weight is stays."""
    with zipfile.ZipFile(made(kind)) as archive:
        content = b"".join(archive.read(name) for name in archive.namelist())
    for place in (ROOT, Path(torch.__file__).parents[1], Path.home(), Path(tempfile.gettempdir())):
        assert os.fsencode(place) + b"/" not in content
    assert b".py" not in content and b"wav_in" in content


@pytest.mark.parametrize("kind", KINDS)
def test_several_hops_a_call(made: Export, speech_16k: Array, kind: str) -> None:
    enhancer, speech = Enhancer(made(kind, hops=4)), speech_16k[16000:40000]
    assert enhancer.session.block_length == 4 * 256
    same(Enhancer(made(kind))(speech), enhancer(speech))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_torch_is_needed(made: Export, speech_16k: Array, kind: str, tmp_path: Path) -> None:
    """What the README says of such a file: PyTorch's own loader, states in the manifest's order."""
    path, speech = made(kind), speech_16k[16000:32000]
    expected = Enhancer(path)(speech)
    np.save(tmp_path / "speech.npy", speech)
    load = "torch.jit.load(path, _extra_files=files)"
    if kind == ".pt2":
        load = "torch.export.load(path, extra_files=files).module()"
    code = (
        "import json, sys, numpy as np, torch\n"
        "path, speech = sys.argv[1], np.load(sys.argv[2])\n"
        f"files = {{{RECORD_NAME!r}: ''}}\n"
        f"module = {load}\n"
        f"manifest = json.loads(files[{RECORD_NAME!r}])\n"
        "states = [torch.zeros(state['shape']) for state in manifest['states']]\n"
        "wave = np.pad(speech, (0, 256 + -(len(speech) + 256) % 256))\n"
        "parts = []\n"
        "with torch.no_grad():\n"
        "    for hop in torch.from_numpy(wave).split(256):\n"
        "        part, *states = module(hop[None], *states)\n"
        "        parts.append(part[0])\n"
        "assert 'zoo' not in sys.modules\n"
        "np.save(sys.argv[2], torch.cat(parts).numpy()[256:256 + len(speech)])\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(path), str(tmp_path / "speech.npy")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    same(expected, np.load(tmp_path / "speech.npy"))


def test_outputs_are_the_callers_own(made: Export) -> None:
    for kind in KINDS:
        graph = TorchGraph(made(kind))
        zeros = [np.zeros(spec.shape, np.float32) for spec in graph.inputs]
        first = graph(np.full((1, 256), 0.1, np.float32), *zeros[1:])
        kept = [value.copy() for value in first]
        second = graph(np.full((1, 256), -0.2, np.float32), *first[1:])
        assert all(np.array_equal(a, b) for a, b in zip(kept, first, strict=True))
        assert not any(np.shares_memory(a, b) for a in first for b in second)


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++: ahead-of-time compilation")
def test_machine_code(tmp_path: Path, speech_16k: Array, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    torch.manual_seed(0)
    model, speech = Masked().eval(), speech_16k[16000:32000]
    path = tmp_path / "masked.pt2"
    assert export_program(model, path, "spec2spec", compiled=True).passed
    for refused in (Enhancer, zoo.verify):
        with pytest.raises(ArtifactError, match=r"masked\.pt2: it holds machine code .*--trust"):
            refused(path)
    assert main(["verify", str(path)]) == 1 and main(["verify", str(path), "--trust"]) == 0
    words = [
        "enhance",
        str(ROOT / "examples/noisy.wav"),
        "--artifact",
        str(path),
        "-o",
        str(tmp_path / "o.wav"),
    ]
    assert main(words) == 1 and not (tmp_path / "o.wav").exists() and main([*words, "--trust"]) == 0
    enhancer = Enhancer(path, trust=True)
    assert enhancer.backend == "aotinductor" and zoo.verify(path, trust=True).passed
    same(whole_waveform(model, speech[None])[0], enhancer(speech))
    assert any(name.endswith(".so") for name in zipfile.ZipFile(path).namelist())


def test_without_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", (None, "no-such-compiler"))
    with pytest.raises(ArtifactError, match=r"cannot be compiled ahead of time .*compiled=False"):
        export_program(Masked().eval(), tmp_path / "masked.pt2", "spec2spec", compiled=True)
    assert not list(tmp_path.glob("*masked*"))


@pytest.mark.parametrize("kind", KINDS)
def test_one_weight_of_the_network_changed_by_a_thousandth_fails(
    network: Callable[[str], StreamingModule], shared: Path, tmp_path: Path, kind: str
) -> None:
    streaming = changed(network("gtcrn"), "wav2wav", "core.dpgrnn1.intra_fc.weight", True)
    with pytest.raises(ParityError, match="waveform of the streaming form: SNR"):
        EXPORTERS[kind](streaming, tmp_path / f"model{kind}", "wav2wav")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "tensor"),
    [({}, "wav_out"), ({"streaming": False, "frames": 400}, "waveform of the wav2wav graph")],
    ids=["streaming", "offline"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_one_weight_of_the_file_changed_by_a_thousandth_fails(
    network: Callable[[str], StreamingModule],
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    options: dict[str, Any],
    tensor: str,
) -> None:
    """The tracer's slip rather than the conversion's: the program alone differs from the network."""
    trace, name = TRACED[kind].trace, "core.core.rf_block.0.rnn_fc.weight"

    def faulty(self: Any, given: Traceable) -> Any:
        given = replace(given, module=copy.deepcopy(given.module))
        given.module.get_parameter(name).data *= 1.001
        return trace(self, given)

    monkeypatch.setattr(TRACED[kind], "trace", faulty)
    path = tmp_path / f"model{kind}"
    path.write_bytes(b"an earlier export")
    with pytest.raises(ParityError, match=rf"^{tensor}: SNR .* would pass with"):
        EXPORTERS[kind](network("fastenhancer_48k_t"), path, "wav2wav", **options)
    assert os.listdir(tmp_path) == [path.name] and path.read_bytes() == b"an earlier export"


@pytest.mark.parametrize("kind", KINDS)
def test_names_and_contradictions(
    network: Callable[[str], StreamingModule], tmp_path: Path, kind: str
) -> None:
    export, other = EXPORTERS[kind], tmp_path / "model.onnx"
    with pytest.raises(ValueError, match=rf"model\.onnx: a file of this kind .* ends in \{kind}"):
        export(network(SMALLEST), other)
    path = tmp_path / f"model{kind}"
    with pytest.raises(ValueError, match="frames fixes the length of an offline"):
        export(network(SMALLEST), path, frames=63)
    with pytest.raises(ValueError, match="must be at least 1"):
        export(network(SMALLEST), path, hops=0)
    assert os.listdir(tmp_path) == []


def test_a_length_that_torch_export_cannot_leave_free(
    network: Callable[[str], StreamingModule], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"cannot leave the length of fastenhancer_t's .* pass frames"):
        export_program(network(SMALLEST), tmp_path / "model.pt2", "spec2spec", streaming=False)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(made: Export, tmp_path: Path, kind: str) -> None:
    whole, path = made(kind).read_bytes(), tmp_path / f"model{kind}"
    for content in (b"", b"garbage" * 100, whole[:1000], whole[: len(whole) // 2], whole[:-10]):
        path.write_bytes(content)
        with pytest.raises(ArtifactError, match=rf"model\{kind}: .*(damaged, truncated|cannot load)"):
            zoo.verify(path)
    with pytest.raises(ArtifactError, match="there is no such file"):
        zoo.verify(tmp_path / f"none{kind}")


def rewritten(source: Path, target: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """A copy of an archive, after every member went through ``change``."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return target


@pytest.mark.parametrize("kind", KINDS)
def test_manifests_that_are_missing_or_lie(made: Export, tmp_path: Path, kind: str) -> None:
    def without(name: str, content: bytes) -> bytes | None:
        return None if name.endswith(RECORD_NAME) else content

    path = rewritten(made(kind), tmp_path / f"model{kind}", without)
    with pytest.raises(ArtifactError, match="it has no speechzoo manifest"):
        zoo.verify(path)

    def lying(**lie: Any) -> Callable[[str, bytes], bytes]:
        def change(name: str, content: bytes) -> bytes:
            if not name.endswith(RECORD_NAME):
                return content
            return json.dumps({**json.loads(content), **lie}).encode()

        return change

    path = rewritten(made(kind), path, lying(hops=2))
    with pytest.raises(ArtifactError, match="where window, hop and streams of its manifest make"):
        zoo.verify(path)
    path = rewritten(made(kind), path, lying(states=[]))
    with pytest.raises(ArtifactError, match=r"cannot be run with a signal|gives \d+ tensors where"):
        zoo.verify(path)
    path = rewritten(made(kind), path, lying(latency=255))
    with pytest.raises(ParityError, match="wav_out: SNR"):
        zoo.verify(path)


def test_without_torch(made: Export, tmp_path: Path) -> None:
    absent = "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')"
    (tmp_path / "torch.py").write_text(absent)  # also for the process that verifies
    command = [sys.executable, "-m", "zoo.cli", "verify", *(str(made(kind)) for kind in KINDS)]
    search = os.pathsep.join((str(tmp_path), str(ROOT)))
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": search}
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.count(f'needs torch: pip install -e "{ROOT}[torch]"') == 2


def test_the_command_line(made: Export, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Verified by name, and enhanced with."""
    assert main(["verify", *(str(made(kind)) for kind in KINDS)]) == 0
    assert capsys.readouterr().out.count("verified; wav_out: SNR") == 2
    noisy = ROOT / "examples/noisy.wav"
    for kind in KINDS:
        out = tmp_path / f"out{kind}.wav"
        assert main(["enhance", str(noisy), "--artifact", str(made(kind)), "-o", str(out)]) == 0
    assert (tmp_path / "out.ts.wav").stat().st_size == (tmp_path / "out.pt2.wav").stat().st_size > 10_000


@pytest.mark.parametrize(("script", "kind"), [(torchscript_script, ".ts"), (program_script, ".pt2")])
def test_the_scripts(
    weights_for: WeightsFor, tmp_path: Path, capsys: pytest.CaptureFixture[str], script: Any, kind: str
) -> None:
    words = ["--model", SMALLEST, "--checkpoint", str(weights_for(SMALLEST)), "--form", "spec2spec"]
    path = tmp_path / "a" / f"x{kind}"
    assert script.main([*words, "--out", str(path)]) == 0
    told = capsys.readouterr()
    assert re.match(rf"{path}: \d+ kB, waveform of the spec2spec graph: SNR 1\d\d", told.out)
    assert ("PyTorch has deprecated TorchScript" in told.err) == (kind == ".ts")
    assert zoo.verify(path).passed
    assert script.main([*words, "--out", str(tmp_path / "x.onnx")]) == 1
    assert "a file of this kind" in capsys.readouterr().err and os.listdir(tmp_path) == ["a"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_torch_tensorrt_without_a_gpu(
    made: Export, network: Callable[[str], StreamingModule], tmp_path: Path
) -> None:
    """One clear sentence, to make a file with engines inside, and to run one."""
    with pytest.raises(MissingExtraError, match=r"torch-tensorrt needs an NVIDIA GPU and PyTorch with CUDA"):
        converters.compile_torch_tensorrt(network(SMALLEST), tmp_path / "x.pt2", "wav2wav")
    with pytest.raises(ValueError, match=r"x\.onnx: a file of this kind \(exported program\) ends in \.pt2"):
        converters.compile_torch_tensorrt(network(SMALLEST), tmp_path / "x.onnx", "wav2wav")
    assert os.listdir(tmp_path) == []

    def with_engines(name: str, content: bytes) -> bytes:
        if not name.endswith(RECORD_NAME):
            return content
        data = json.loads(content)
        return json.dumps({**data, "toolchain": {**data["toolchain"], "torch_tensorrt": "2.13.0"}}).encode()

    for kind in KINDS:
        path = rewritten(made(kind), tmp_path / f"x{kind}", with_engines)
        with pytest.raises(MissingExtraError, match="holds engines and runs with torch-tensorrt on a GPU"):
            zoo.verify(path)
