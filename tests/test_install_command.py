"""The command that an error names for an extra, by the way in which the package was installed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data import ROOT
from zoo.extras import install_command

FILES = ("__init__.py", "version.py", "errors.py", "extras.py")
METADATA = """Metadata-Version: 2.4
Name: speechzoo
Version: 0.1.0
Requires-Dist: numpy>=1.24
Provides-Extra: torch
Requires-Dist: torch>=2.10; extra == "torch"
Requires-Dist: safetensors>=0.4; extra == "torch"
Provides-Extra: onnx
Requires-Dist: speechzoo[torch]; extra == "onnx"
Requires-Dist: onnx>=1.17; extra == "onnx"
Requires-Dist: cuda-bindings>=13.0; sys_platform != "darwin" and extra == "onnx"
"""


@pytest.fixture
def site_packages(tmp_path: Path) -> Path:
    """A folder with the package as an installer would leave it."""
    folder = tmp_path / "site-packages"
    for name in FILES:
        (folder / "zoo").mkdir(parents=True, exist_ok=True)
        (folder / "zoo" / name).write_bytes((ROOT / "zoo" / name).read_bytes())
    return folder


def told(folder: Path, origin: object = None, *, recorded: bool = True) -> str:
    """What an installation says that was made from ``origin``."""
    if recorded:
        record = folder / "speechzoo-0.1.0.dist-info"
        record.mkdir()
        (record / "METADATA").write_text(METADATA)
        if origin is not None:
            (record / "direct_url.json").write_text(json.dumps(origin))
    done = subprocess.run(
        [sys.executable, "-S", "-c", "from zoo.extras import install_command as c; print(c('onnx'))"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


PACKAGES = 'pip install "torch>=2.10" "safetensors>=0.4" "onnx>=1.17" "cuda-bindings>=13.0"'


def test_a_clone_names_its_folder() -> None:
    assert install_command("onnx") == f'pip install -e "{ROOT}[onnx]"'


def test_a_folder_that_was_installed_is_named(site_packages: Path, tmp_path: Path) -> None:
    clone = tmp_path / "my clone"
    clone.mkdir()
    assert told(site_packages, {"url": clone.as_uri(), "dir_info": {}}) == f'pip install "{clone}[onnx]"'


def test_a_wheel_is_named(site_packages: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "speechzoo-0.1.0-py3-none-any.whl"
    wheel.touch()
    origin = {"url": wheel.as_uri(), "archive_info": {}}
    assert told(site_packages, origin) == f'pip install "speechzoo[onnx] @ {wheel.as_uri()}"'


def test_a_repository_is_named_with_its_commit(site_packages: Path) -> None:
    origin = {"url": "https://host.example/zoo.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}
    assert told(site_packages, origin) == (
        'pip install "speechzoo[onnx] @ git+https://host.example/zoo.git@abc"'
    )


@pytest.mark.parametrize("origin", [None, {"url": "file:///gone/x.whl", "archive_info": {}}])
def test_otherwise_the_packages_themselves_are_named(site_packages: Path, origin: object) -> None:
    """From an index, or from a file that is gone: no index is trusted with the name speechzoo."""
    assert told(site_packages, origin) == PACKAGES


def test_a_copied_folder_says_what_to_do(site_packages: Path) -> None:
    assert told(site_packages, recorded=False) == (
        "install speechzoo from its clone or wheel with the extra [onnx]"
    )


def test_nothing_asks_an_index_for_the_name() -> None:
    """Neither a document nor a message; who takes the name there is not this project."""
    paths = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "zoo").rglob("*")]
    paths += [*(ROOT / "converters").rglob("*"), *(ROOT / "examples").rglob("*.md")]
    asks = re.compile(r"""pip install (?:-\S+ )*["']?speechzoo\b(?!\[\S*\] @)""")
    texts = [path for path in paths if path.suffix in (".md", ".py", ".js", ".html")]
    assert len(texts) > 200 and asks.search('pip install "speechzoo[x]"')
    assert not [str(path) for path in texts if asks.search(path.read_text())]
