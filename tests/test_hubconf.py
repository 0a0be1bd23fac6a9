"""torch.hub: the folder's models, loaded by a program that knows nothing of the package."""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import hubconf
import zoo
from tests.conftest import ROOT
from zoo.errors import UnknownModelError

# Away from the clone and with no way to find the package but by torch.hub; even if it is installed.
PROGRAM = """
import importlib.util, json, os, sys

folder, weights, signal = sys.argv[1:]
root = os.path.realpath(folder)
sys.path[:] = [path for path in sys.path if os.path.realpath(path or os.curdir) != root]
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

torch.set_num_threads(3)
before = settings()
model = torch.hub.load(folder, "gtcrn", source="local", weights=weights)
enhancer = torch.hub.load(folder, "enhancer", source="local", name="gtcrn", weights=weights)
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


def run(folder: str, weights: Path, signal: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, folder, str(weights), str(signal)],
        cwd=cwd,
        env={**environment, "TORCH_HOME": str(cwd / "hub"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("relative", [False, True], ids=["absolute", "relative"])
def test_load_from_elsewhere(
    tmp_path: Path, weights_for: Callable[[str], Path], speech_16k: np.ndarray, relative: bool
) -> None:
    noisy, weights = speech_16k[16000:48000], weights_for("gtcrn")
    np.save(tmp_path / "noisy.npy", noisy)
    folder = os.path.relpath(ROOT, tmp_path) if relative else str(ROOT)
    done = run(folder, weights, tmp_path / "noisy.npy", tmp_path)
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
    assert sorted(found) == sorted([*zoo.list_models(), "enhancer"])


@pytest.mark.parametrize("name", zoo.list_models())
def test_every_entry_point_loads(name: str) -> None:
    model, spec = torch.hub.load(str(ROOT), name, source="local"), zoo.get_spec(name)
    assert model.spec == spec and not model.training
    help = getattr(hubconf, name).__doc__  # what torch.hub.help shows
    assert spec.title in help and str(spec.front_end.sample_rate) in help and spec.url in help
    assert all(weights.tag in help for weights in spec.weights)


def test_errors_are_the_packages_own() -> None:
    with pytest.raises(UnknownModelError, match="gtcrn has no weights 'dns4'"):
        torch.hub.load(str(ROOT), "gtcrn", source="local", weights="dns4")
    with pytest.raises(RuntimeError, match="Cannot find callable gtcm in hubconf"):
        torch.hub.load(str(ROOT), "gtcm", source="local")


def test_its_dependencies_are_those_of_the_torch_extra() -> None:
    """torch.hub refuses with the list's missing names; each is a package that the extra installs."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options"]["install_requires"] + setup["options.extras_require"]["torch"]
    packages = set(re.findall(r"^([a-z]+)", lines, re.M))
    modules = {"yaml" if package == "pyyaml" else package for package in packages}
    assert set(hubconf.dependencies) <= modules
    assert modules - set(hubconf.dependencies) <= {"requests"}
