"""docs/add-a-model.md, followed to the letter in a copy of the clone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.data import ROOT

FOLDERS = ("converters", "docs", "examples", "scripts", "tests", "zoo")
FILES = ("hubconf.py", "pyproject.toml", "setup.cfg", "README.md", "CONTRIBUTING.md")
SECTION = (ROOT / "docs/add-a-model.md").read_text()
CODE = dict(re.findall(r"^\*\*`(\S+)`\*\*[^\n]*\n\n```python\n(.*?)```", SECTION, re.M | re.S))
COMMANDS = re.findall(r"```sh\n(.*?)```", SECTION, re.S)

FORMS = ("spec2spec", "wav2wav")
HELD_TO = {  # by the tests that the section names, among others
    *(f"models/test_contract.py::test_contract[{form}-mynet]" for form in FORMS),
    "models/test_contract.py::test_conversion_is_exact[mynet]",
    "models/test_contract.py::test_training_form_learns[mynet]",
    *(f"models/test_contract.py::test_any_block_size_equals_any_other[{r}-mynet]" for r in (8000, 48000)),
    *(f"converters/targets/test_onnx.py::test_real_speech[mynet-{form}]" for form in FORMS),
    "models/test_reference.py::test_parameter_counts[mynet]",
    "test_registry.py::test_create_model_gives_eval_mode[mynet]",
    "test_registry.py::test_multiply_adds[mynet]",
    "test_hubconf.py::test_every_entry_point_loads[mynet]",
    "cli/test_list.py::test_info_tells_all_weights[mynet]",
}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's folders and files, and the new family's folder as the page has it."""
    clone = tmp_path_factory.mktemp("clone")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, clone)
    assert list(CODE) == ["model.py", "__init__.py"] and "**`README.md`**" in SECTION
    family = clone / "zoo/models/mynet"
    family.mkdir()
    for name, code in {**CODE, "README.md": "# MyNet\n"}.items():
        (family / name).write_text(code)
    return clone


def shell(command: str, clone: Path) -> str:
    """What a command says in a shell whose Python takes the project from ``clone``."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=clone,
        env={
            **inherited,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(clone),
            "PYTEST_ADDOPTS": f"-rps -p no:cacheprovider --basetemp={clone}/tmp",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_it_is_a_model_like_every_other(clone: Path) -> None:
    """Listed; held to the contract and to parity in both forms; verified; and it enhances a file."""
    assert re.search(r"^mynet +16 kHz", shell("speechzoo list", clone), re.M)
    (commands,) = COMMANDS
    told = shell(commands, clone)
    assert set(re.findall(r"^PASSED tests/(\S+)", told, re.M)) >= HELD_TO
    assert "\nSKIPPED" not in told
    noisy, rate = soundfile.read(clone / "examples/noisy.wav")
    clean, same = soundfile.read(clone / "clean.wav")
    assert (len(clean), same) == (len(noisy), rate)
    assert np.isfinite(clean).all() and np.abs(clean).max() > 1e-3


def test_it_disturbs_no_other(clone: Path) -> None:
    """Tests that look at all models together pass with one more, and listing it needs no torch."""
    without_torch = "tests/test_extras.py::test_every_module_that_needs_no_torch_imports_without_it"
    told = shell(f"python -m pytest tests/test_registry.py tests/cli/test_list.py {without_torch}", clone)
    assert "PASSED tests/test_registry.py::test_names" in told
    assert f"PASSED {without_torch}" in told
