"""What works without the extras, and how the rest says what it lacks; each in an interpreter of its own."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data import ROOT
from tests.interpreter import EXTRAS, python
from zoo.errors import MissingExtraError
from zoo.extras import extra


def modules_without_torch() -> list[str]:
    """Every module of zoo that has no business with torch, and what converters has of that kind."""
    needs_torch = (
        "zoo.checkpoint",
        "zoo.create",
        "zoo.published",
        "zoo.state_dicts",
        "zoo.layers",
        "zoo.networks.",
        "zoo.streaming.",
        "zoo.tasks.parameters",
        "zoo.tasks.enhancement.torch",
        "zoo.tasks.speaker.torch",
        "zoo.tasks.synthesis.torch",
        "zoo.tasks.vocoder.torch",
    )
    names = ["zoo", "converters", "converters.cache"]
    import zoo

    for module in pkgutil.walk_packages(zoo.__path__, "zoo."):
        networks = module.name.startswith("zoo.models.") and module.name.count(".") == 3
        if networks and module.name.rpartition(".")[2] not in ("weights", "config", "published"):
            continue
        if not module.name.startswith(needs_torch) and module.name != "zoo.cli.__main__":
            names.append(module.name)
    return names


def test_the_list_is_complete() -> None:
    names = modules_without_torch()
    for name in (
        "zoo.registry", "zoo.spec", "zoo.signal.audio", "zoo.signal.plot", "zoo.hub.weights",
        "zoo.hub.client", "zoo.runtime.onnx", "zoo.tasks.enhancement.enhancer",
        "zoo.tasks.enhancement.public_graph", "zoo.tasks.enhancement.stream", "zoo.tasks.speaker.graph",
        "zoo.tasks.speaker.embedder",
        "zoo.tasks.speaker.embeddings", "zoo.tasks.speaker.scoring", "zoo.tasks.synthesis.graph",
        "zoo.artifact.golden", "zoo.cli.embed", "zoo.cli.enhance", "zoo.cli.verify", "zoo.cli.list",
        "zoo.cli.info", "zoo.models.gtcrn.weights",
    ):  # fmt: skip
        assert name in names
    assert "zoo.models.gtcrn.model" not in names


def test_every_module_that_needs_no_torch_imports_without_it() -> None:
    code = (
        "import importlib, json, traceback\n"
        "failed = {}\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n"
        "        importlib.import_module(name)\n"
        "    except BaseException:\n"
        "        failed[name] = traceback.format_exc()\n"
        "print(json.dumps(failed))"
    )
    done = python(code, *modules_without_torch())
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {}


def test_the_hiding_hides() -> None:
    done = python("import importlib.util\nassert importlib.util.find_spec('torch') is None\nimport torch")
    assert "ModuleNotFoundError" in done.stderr and done.returncode == 1
    assert "ModuleNotFoundError" in python("import zoo.networks.streaming").stderr


def test_importing_zoo_imports_little() -> None:
    code = (
        "import zoo, zoo.tasks.enhancement.task, zoo.tasks.open, zoo.tasks.describe, converters\n"
        "zoo.list_models(), zoo.get_spec('gtcrn'), zoo.Enhancer, zoo.verify\n"
        "print(*sorted({'torch', 'onnx', 'onnxscript', 'matplotlib', 'huggingface_hub', 'httpx2', 'yaml',"
        " 'safetensors'} & set(sys.modules)))"
    )
    done = python(code, hidden=())
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stdout + done.stderr


NEEDS = [  # code, packages hidden, what the message must say
    ("zoo.create_model('gtcrn')", EXTRAS, "zoo.create_model needs torch"),
    ("zoo.create_model", ("torch",), "zoo.create_model needs torch"),
    ("zoo.to_streaming", EXTRAS, "zoo.to_streaming needs torch"),
    ("zoo.Enhancer('gtcrn', weights={weights!r})", EXTRAS, "an enhancer from gtcrn needs torch"),
    (
        "zoo.Synthesizer('fastspeech', weights={weights!r})",
        EXTRAS,
        "a synthesizer from fastspeech needs torch",
    ),
    (
        "from pathlib import Path; from zoo import download; "
        "download._prove_parameters(Path('model.safetensors'), None, Path('golden.json'), '')",
        EXTRAS,
        "verifying it needs torch",
    ),
    ("from converters import export_onnx", EXTRAS, "converters.export_onnx needs"),
    ("import converters; converters.export_onnx", ("onnx",), "converters.export_onnx needs onnx"),
    ("import converters; converters.export_onnx", ("onnxslim",), "converters.export_onnx needs onnxslim"),
    ("import converters; converters.export", ("torch",), "converters.export needs torch"),
    ("from converters import export_speaker", EXTRAS, "converters.export_speaker needs"),
    ("zoo.Embedder('resnet18', weights={weights!r})", EXTRAS, "an embedder from resnet18 needs torch"),
    (
        "import converters; converters.write_repository",
        EXTRAS,
        "converters.write_repository needs tritonclient",
    ),
    ("import zoo.triton.connection as c; c.Connection()", EXTRAS, "zoo.triton needs tritonclient"),
    ("import converters; converters.export_program", ("torch",), "converters.export_program needs torch"),
    ("import converters; converters.export_torchscript", ("torch",), "export_torchscript needs torch"),
    ("import converters; converters.build_engine", ("onnx",), "converters.build_engine needs onnx"),
    ("zoo.create_model('fastenhancer_t', {safetensors!r})", ("safetensors",), "needs safetensors"),
    ("zoo.create_model('fastenhancer_t', {folder!r})", ("yaml",), "needs pyyaml"),
    ("zoo.create_model('fastenhancer_t', {graph!r})", ("onnx",), "needs onnx"),
    (
        "import ctypes.util; ctypes.util.find_library = lambda name: None; zoo.Synthesizer(g2p='espeak')",
        EXTRAS,
        "phonemes by rule need eSpeak NG",
    ),
]


@pytest.mark.parametrize(("code", "hidden", "message"), NEEDS, ids=[f"{n[0]} {len(n[1])}" for n in NEEDS])
def test_what_is_missing_names_its_extra(
    tmp_path: Path, code: str, hidden: tuple[str, ...], message: str
) -> None:
    (tmp_path / "x.safetensors").touch()
    (tmp_path / "config.yaml").touch()
    (tmp_path / "x.pth").touch()
    (tmp_path / "x.onnx").touch()
    paths = {
        n: str(tmp_path / f)
        for n, f in (
            ("weights", "x.pth"),
            ("safetensors", "x.safetensors"),
            ("folder", ""),
            ("graph", "x.onnx"),
        )
    }
    program = (
        "import zoo\nfrom zoo.errors import MissingExtraError\ntry:\n"
        f"    {code.format(**paths)}\nexcept MissingExtraError as error:\n    print(error)"
    )
    done = python(program, hidden=hidden)
    assert (done.returncode, done.stderr) == (0, "")
    made = ("export_onnx", "export_speaker", "build_engine", "graph")
    brought_by = "onnx" if any(word in code for word in made) else "torch"
    brought_by = "triton" if "tritonclient" in message else "espeak" if "eSpeak" in message else brought_by
    assert message in done.stdout and f'pip install -e "{ROOT}[{brought_by}]"' in done.stdout


def test_an_own_fault_is_not_taken_for_a_missing_extra() -> None:
    done = python("import converters\nconverters.exports", hidden=())
    assert "AttributeError: module 'converters' has no attribute 'exports'" in done.stderr
    done = python("sys.modules['zoo.networks.base'] = None\nimport zoo\nzoo.create_model", hidden=())
    assert "ModuleNotFoundError" in done.stderr and "MissingExtraError" not in done.stderr


COMMAND = "from zoo.cli import main\nsys.exit(main(sys.argv[1:]))"


def test_the_command_line_without_extras(exported: Callable[..., Path], tmp_path: Path) -> None:
    artifact, out = exported("gtcrn", "wav2wav"), tmp_path / "out.wav"
    listed = python(COMMAND, "list", "--json")
    assert listed.returncode == 0 and "gtcrn" in [row["name"] for row in json.loads(listed.stdout)]
    info = python(COMMAND, "info", "gtcrn")
    assert info.returncode == 0 and "48,245" in info.stdout
    verified = python(COMMAND, "verify", artifact)
    assert verified.returncode == 0 and f"{artifact}: verified" in verified.stdout
    noisy = ROOT / "examples/noisy.wav"
    enhanced = python(COMMAND, "enhance", noisy, "--artifact", artifact, "-o", out, "--json")
    assert (enhanced.returncode, enhanced.stderr) == (0, "")
    assert json.loads(enhanced.stdout)["files"][0]["backend"] == "onnxruntime" and out.stat().st_size > 10_000


@pytest.mark.parametrize("hidden", [EXTRAS, ("onnx",), ("torch",)], ids=["all", "onnx", "torch"])
def test_the_command_line_says_what_it_lacks(
    weights_for: Callable[[str], Path], tmp_path: Path, hidden: tuple[str, ...]
) -> None:
    words = ["enhance", ROOT / "examples/noisy.wav", "-o", tmp_path / "out.wav"]
    weights = weights_for("gtcrn")
    cache = {"SPEECHZOO_CACHE": str(tmp_path / "cache")}
    done = python(COMMAND, *words, "--model", "gtcrn", "--weights", weights, hidden=hidden, **cache)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "must be exported once, which needs " in done.stderr
    assert f'pip install -e "{ROOT}[onnx]"' in done.stderr
    published = python(COMMAND, "publish", "gtcrn", "--folder", tmp_path / "new", hidden=hidden, **cache)
    assert published.returncode == 1 and f'pip install -e "{ROOT}[onnx]"' in published.stderr
    assert "publishing needs " in published.stderr and not (tmp_path / "new").exists()
    if "matplotlib" in hidden:
        plot = python(COMMAND, *words, "--artifact", "x.onnx", "--plot", tmp_path / "x.png", hidden=hidden)
        assert plot.returncode == 1 and f'pip install -e "{ROOT}[plot]"' in plot.stderr
    assert not (tmp_path / "out.wav").exists()


def test_embedding_without_extras(speaker_graph: Callable[[str], Path], tmp_path: Path) -> None:
    """A graph of waveforms and Kaldi's archives need nothing; one of features names what it needs."""
    noisy, out = ROOT / "examples/noisy.wav", tmp_path / "out.npz"
    wave, feats = speaker_graph("resnet18-wav"), speaker_graph("resnet18")
    embedded = python(COMMAND, "embed", noisy, "--artifact", wave, "-o", out)
    assert (embedded.returncode, embedded.stderr) == (0, "") and out.stat().st_size > 1000
    assert python(COMMAND, "verify", wave, feats).returncode == 0
    lacking = python(COMMAND, "compare", noisy, noisy, "--artifact", feats)
    assert lacking.returncode == 1 and f'pip install -e "{ROOT}[speaker]"' in lacking.stderr
    embedded = python(COMMAND, "embed", noisy, "--artifact", wave, "-o", tmp_path / "ark/out.ark")
    assert (embedded.returncode, embedded.stderr) == (0, "")
    shutil.rmtree(tmp_path / "ark")
    lacking = python(COMMAND, "enhance", noisy, "-o", tmp_path / "out.wav", "--ray")
    assert lacking.returncode == 1 and f'needs Ray Data: pip install -e "{ROOT}[ray]"' in lacking.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out.npz"]


def test_a_broken_package_is_told_as_one_that_is_missing() -> None:
    """Ours are none of these: what is wrong with them is no matter of the installation."""
    told = r"x needs json \(cannot import .*: pip install -e " + re.escape(f'"{ROOT}[y]"')
    with pytest.raises(MissingExtraError, match=told), extra("y", "x"):
        from json import nothing
    told = f'things need My Package: pip install -e "{ROOT}[y]", or do without'
    lacking = extra("y", "things", "do without", package="My Package", verb="need")
    with pytest.raises(MissingExtraError, match=re.escape(told)), lacking:
        importlib.import_module("not_installed")
    with pytest.raises(MissingExtraError, match=r"^what was said inside$"), extra("y", "x"):
        raise MissingExtraError("what was said inside")
    with pytest.raises(ImportError) as caught, extra("y", "x"):
        from zoo.spec import nothing  # noqa: F401
    assert not isinstance(caught.value, MissingExtraError)


@pytest.mark.parametrize("chosen", ["", "onnxruntime-gpu"])
def test_the_environment_chooses_an_onnx_runtime(chosen: str, tmp_path: Path) -> None:
    """One is required and no other, so that ``pip check`` is clean beside it."""
    done = described(tmp_path, chosen)
    assert done.returncode == 0, done.stderr
    (text,) = tmp_path.glob("*/requires.txt")
    base = text.read_text().partition("[")[0].split()
    name = chosen or "onnxruntime"
    assert [line for line in base if "onnxruntime" in line] == [f"{name}>=1.23"] and "numpy>=1.24" in base


def test_what_is_no_onnx_runtime_is_refused(tmp_path: Path) -> None:
    done = described(tmp_path, "numpy")
    assert done.returncode == 1 and "onnxruntime, onnxruntime-gpu or the like is meant" in done.stderr


def described(folder: Path, chosen: str) -> subprocess.CompletedProcess[str]:
    """The package's metadata, written to a folder, where the environment chooses."""
    pytest.importorskip("setuptools")
    return subprocess.run(
        [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", str(folder)],
        cwd=ROOT,
        env={**os.environ, "SPEECHZOO_ONNXRUNTIME": chosen},
        capture_output=True,
        text=True,
        check=False,
    )
