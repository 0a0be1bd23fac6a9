"""torch.hub: the folder's models, loaded by a program that knows nothing of the package."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import hubconf
import zoo
from tests.data import ROOT
from zoo.errors import CheckpointError, UnknownModelError
from zoo.registry import find_weights

# Away from the clone and with no way to find the package but by torch.hub; even if it is installed.
PROGRAM = """
import importlib.util, json, os, sys

folder, root, weights, signal = sys.argv[1:]
root = os.path.realpath(root)
here = os.path.realpath(os.curdir)
sys.path[:] = [path for path in sys.path if os.path.realpath(path or os.curdir) != here]
sys.meta_path[:] = [finder for finder in sys.meta_path if "__editable__" not in
                    getattr(finder, "__module__", "") + getattr(finder, "__name__", "")]
assert importlib.util.find_spec("zoo") is None, "this program finds the package already"

import numpy as np
import torch

def settings():
    return {
        "path": list(sys.path), "threads": torch.get_num_threads(), "grad": torch.is_grad_enabled(),
        "dtype": str(torch.get_default_dtype()), "seed": torch.initial_seed(), "cwd": os.getcwd(),
        "interop": torch.get_num_interop_threads(), "tf32": torch.backends.cuda.matmul.allow_tf32,
        "deterministic": torch.are_deterministic_algorithms_enabled(), "hooks": len(sys.meta_path),
    }

where = {"source": "local"} if os.path.isdir(folder) else {"trust_repo": True, "verbose": False}
torch.set_num_threads(3)
before = settings()
model = torch.hub.load(folder, "gtcrn", weights=weights, **where)
enhancer = torch.hub.load(folder, "enhancer", name="gtcrn", weights=weights, **where)
after = settings()
assert before == after, (before, after)
os.chdir(os.sep)  # what is imported from here on must not depend on where the program stands

noisy = np.load(signal)
window = torch.hann_window(512) ** 0.5
spectrum = torch.stft(torch.from_numpy(noisy)[None], 512, 256, 512, window, return_complex=True)
with torch.no_grad():
    enhanced, state = model(torch.view_as_real(spectrum))

import zoo

assert os.path.realpath(os.path.dirname(zoo.__file__)) == os.path.join(root, "zoo")
streaming = zoo.to_streaming(model, "wav2wav")
wave, state = streaming(torch.from_numpy(noisy)[None, :2560], streaming.initial_state())
assert wave.shape == (1, 2560)
stream = zoo.Enhancer(model).stream(8000)
stream.push(noisy[:1000]); stream.flush()
np.savez(signal + ".npz", spectrum=enhanced.numpy(), streamed=wave.numpy(),
         enhanced=enhancer(noisy))
print(json.dumps({"training": model.training, "states": list(state)}))
"""


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project where torch.hub keeps a download of it: no installation knows this place."""
    folder = tmp_path_factory.mktemp("torch") / "hub/someone_speechzoo_main"
    for package in ("zoo", "converters"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "hubconf.py", folder / "hubconf.py")
    return folder


def run(program: str, *words: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program that finds neither the network nor the project."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    dead = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        cwd=cwd,
        env={**kept, **dead, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("way", ["absolute", "relative", "github"])
def test_load_from_elsewhere(
    tmp_path: Path, clone: Path, weights_for: Callable[[str], Path], speech_16k: np.ndarray, way: str
) -> None:
    """From a folder, or from what torch.hub downloaded before, when there is no network any more."""
    noisy, weights = speech_16k[16000:48000], weights_for("gtcrn")
    np.save(tmp_path / "noisy.npy", noisy)
    folder = {
        "absolute": str(clone),
        "relative": os.path.relpath(clone, tmp_path),
        "github": "someone/speechzoo:main",
    }[way]
    home = {"TORCH_HOME": str(clone.parent.parent)}
    done = run(PROGRAM, folder, clone, weights, tmp_path / "noisy.npy", cwd=tmp_path, **home)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["training"] is False and told["states"]

    got, model = np.load(tmp_path / "noisy.npy.npz"), zoo.create_model("gtcrn", weights)
    window = torch.hann_window(512) ** 0.5
    spectrum = torch.stft(torch.from_numpy(noisy)[None], 512, 256, 512, window, return_complex=True)
    streaming = zoo.to_streaming(model, "wav2wav")
    with torch.inference_mode():
        expected = model(torch.view_as_real(spectrum))[0].numpy()
        streamed = streaming(torch.from_numpy(noisy)[None, :2560])[0].numpy()
    np.testing.assert_allclose(got["spectrum"], expected, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(got["streamed"], streamed, atol=1e-6)
    np.testing.assert_allclose(got["enhanced"], zoo.Enhancer(model)(noisy), atol=1e-6)


def test_an_entry_point_a_model() -> None:
    """As torch.hub.list finds them."""
    found = [n for n in dir(hubconf) if callable(getattr(hubconf, n)) and not n.startswith("_")]
    assert sorted(found) == sorted([*zoo.list_models(), "enhancer", "embedder", "synthesizer"])


@pytest.mark.parametrize("name", zoo.list_models())
def test_every_entry_point_loads(name: str) -> None:
    model, spec = torch.hub.load(str(ROOT), name, source="local"), zoo.get_spec(name)
    assert model.spec == spec and not model.training
    help = getattr(hubconf, name).__doc__  # what torch.hub.help shows
    assert spec.title in help and str(spec.front_end.sample_rate) in help and spec.url in help
    assert all(weights.tag in help for weights in spec.weights)


def test_an_embedder(speaker_folder: Callable[[str], Path]) -> None:
    folder = str(speaker_folder("ResNet18"))
    loaded = torch.hub.load(str(ROOT), "embedder", source="local", name="resnet18", weights=folder)
    assert isinstance(loaded, zoo.Embedder) and loaded.sample_rate == 16000


def test_what_a_model_recommends() -> None:
    """In both spellings that users of torch.hub know."""
    expected = zoo.create_model("gtcrn", "speechzoo").provenance
    for words in ({"weights": "default"}, {"pretrained": True}):
        assert torch.hub.load(str(ROOT), "gtcrn", source="local", **words).provenance == expected
        enhancer = torch.hub.load(str(ROOT), "enhancer", source="local", name="gtcrn", **words)
        assert enhancer.backend == "onnxruntime"
    with pytest.raises(CheckpointError, match="weights='dns3' names others"):
        torch.hub.load(str(ROOT), "enhancer", "gtcrn", "dns3", True, source="local")
    with pytest.raises(UnknownModelError, match="dpcrn has no weights 'default'"):
        torch.hub.load(str(ROOT), "dpcrn", source="local", pretrained=True)


def test_errors_are_the_packages_own() -> None:
    with pytest.raises(UnknownModelError, match="gtcrn has no weights 'dns4'"):
        torch.hub.load(str(ROOT), "gtcrn", source="local", weights="dns4")
    with pytest.raises(RuntimeError, match="Cannot find callable gtcm in hubconf"):
        torch.hub.load(str(ROOT), "gtcm", source="local")


# Only what hubconf lists and what that needs can be imported, as pip's records have it.
ALONE = """
import importlib.metadata as metadata, os, re, sys

folder, cache = sys.argv[1:]
lines = open(os.path.join(folder, "hubconf.py")).read()
lists = re.findall(r"^(?:dependencies|_more) = (\\[.*?\\])", lines, re.S | re.M)
listed = [package for text in lists for package in eval(text)]
of_module = metadata.packages_distributions()

def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()

wanted, todo = set(), {normal(dist) for module in listed for dist in of_module[module]}
while todo:
    name = todo.pop()
    wanted.add(name)
    for line in metadata.requires(name) or ():
        if "extra ==" not in line:
            required = normal(re.match(r"[A-Za-z0-9._-]+", line)[0])
            try:
                metadata.version(required)
            except metadata.PackageNotFoundError:
                continue  # for another system or Python
            todo |= {required} - wanted
allowed = {module for module, dists in of_module.items() if {normal(d) for d in dists} & wanted}
blocked = set(of_module) - allowed
assert {"scipy", "onnx", "pytest", "matplotlib"} <= blocked, blocked

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked and name.split(".")[0] not in ("zoo", "converters"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
sys.meta_path[:] = [finder for finder in sys.meta_path if "__editable__" not in
                    getattr(finder, "__module__", "") + getattr(finder, "__name__", "")]
here = os.path.realpath(os.curdir)
sys.path[:] = [path for path in sys.path if os.path.realpath(path or os.curdir) != here]
import torch

model = torch.hub.load(folder, "gtcrn", source="local", weights="dns3")
enhancer = torch.hub.load(folder, "enhancer", source="local")
synthesizer = torch.hub.load(folder, "synthesizer", source="local")
import numpy, zoo

assert len(synthesizer("It cost £20.").waveform) > 10000

assert os.path.realpath(zoo.__file__).startswith(os.path.realpath(folder) + os.sep), zoo.__file__
noise = numpy.random.default_rng(0).standard_normal(16000).astype(numpy.float32) / 10
assert enhancer(noise).shape == (16000,) and isinstance(enhancer, zoo.Enhancer)
assert zoo.to_streaming(model, "wav2wav").initial_state()
print(model.provenance["source"], enhancer.backend)
"""


def test_a_tag_that_was_downloaded_needs_no_network_and_only_the_dependencies(
    tmp_path: Path, clone: Path, shared: Path
) -> None:
    weights = find_weights(zoo.get_spec("gtcrn"), "dns3")
    kept = tmp_path / "cache/weights" / f"{weights.sha256[:16]}-{weights.url.rpartition('/')[2]}"
    kept.parent.mkdir(parents=True)
    shutil.copyfile(shared / "data/checkpoints/gtcrn_dns3.tar", kept)
    cache = str(tmp_path / "cache")
    done = run(ALONE, clone, cache, cwd=tmp_path, SPEECHZOO_CACHE=cache)
    assert (done.returncode, done.stdout) == (0, "dns3 onnxruntime\n"), done.stderr
    kept.unlink()
    failed = run(ALONE, clone, cache, cwd=tmp_path, SPEECHZOO_CACHE=cache)
    assert "CheckpointError: weights dns3: https://github.com/" in failed.stderr


def test_its_dependencies_are_those_of_the_torch_extra() -> None:
    """torch.hub refuses with the list's missing names, those of every network; the other list has what only
    some uses need. Each is a package that the extra installs."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options"]["install_requires"] + setup["options.extras_require"]["torch"]
    packages = set(re.findall(r"^([a-z0-9_]+)", lines, re.M))
    assert set(hubconf.dependencies) == {"numpy", "torch"}
    assert {*hubconf.dependencies, *hubconf._more} == {
        "yaml" if name == "pyyaml" else name for name in packages
    }


FEW = """
import os, sys

folder, name, missing, weights = sys.argv[1:]
sys.meta_path[:] = [finder for finder in sys.meta_path if "__editable__" not in
                    getattr(finder, "__module__", "") + getattr(finder, "__name__", "")]
here = os.path.realpath(os.curdir)
sys.path[:] = [path for path in sys.path if os.path.realpath(path or os.curdir) != here]
for package in missing.split():
    sys.modules[package] = None
import torch

model = torch.hub.load(folder, name, source="local", weights=weights)
import zoo

assert zoo.to_streaming(model, "wav2wav").initial_state()
print(model.provenance["source"])
"""


def test_a_network_needs_no_more_than_torch(clone: Path, tmp_path: Path, shared: Path) -> None:
    """And what does says which package it lacks."""
    missing = " ".join(hubconf._more)
    done = run(FEW, clone, "gtcrn", missing, str(shared / "data/checkpoints/gtcrn_dns3.tar"), cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "dns3\n", "")
    failed = run(FEW, clone, "gtcrn", missing, "dns3", cwd=tmp_path)
    assert "ImportError: this takes the package platformdirs; all that may be" in failed.stderr


def test_a_failed_download_is_told_in_few_lines(clone: Path, tmp_path: Path) -> None:
    cache = {"SPEECHZOO_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    failed = run(FEW, clone, "gtcrn", "", "dns3", cwd=tmp_path, **cache)
    assert "CheckpointError: weights dns3: https://github.com/" in failed.stderr
    assert failed.stderr.count("\n") < 30 and "During handling" not in failed.stderr


OTHERS = """
import sys, warnings

sys.path.insert(0, sys.argv[2])
import zoo  # another one

import torch

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
        torch.hub.load(sys.argv[1], "gtcrn", source="local", weights=None)
    except ImportError as error:
        print(error)
print([str(warning.message) for warning in caught if "imported from" in str(warning.message)])
"""


def test_another_package_of_that_name_is_told(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "mine/zoo").mkdir(parents=True)
    (tmp_path / "mine/zoo/__init__.py").write_text("animals = 3\n")
    done = run(OTHERS, clone, str(tmp_path / "mine"), cwd=tmp_path)
    assert f"zoo was imported from {tmp_path / 'mine/zoo/__init__.py'} before" in done.stdout
    assert "that other package keeps this one from being loaded; use another process" in done.stdout


def test_a_second_copy_is_told(clone: Path, tmp_path: Path) -> None:
    """Its code does not run: that of the first does."""
    done = run(OTHERS, clone, str(ROOT), cwd=tmp_path)
    assert done.stdout.count(f"zoo was imported from {ROOT / 'zoo/__init__.py'} before") == 1, done.stderr
    assert "what runs is the first; use another process for the other" in done.stdout
