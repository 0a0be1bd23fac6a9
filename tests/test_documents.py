"""What the documents show runs as it stands there: page by page, the blocks in order, in one folder.

A block that cannot run here has a comment above it in the page's source, ``<!-- not run: why -->``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.data import ROOT

PAGES = ("README.md", "docs/enhance.md", "docs/export.md", "docs/speech.md")
BLOCK = re.compile(r"(?P<why><!-- not run[^>]*-->\n)?```(?P<language>sh|python)\n(?P<code>.*?)```", re.S)
INSTALLS = re.compile(r"^pip install .*?(?:&& |$)", re.M)  # which CI does in fresh environments
SHELL = 'speechzoo() { python -m zoo.cli "$@"; }\n'


@dataclass(frozen=True)
class Block:
    """A block of code that a page shows.

    Attributes:
        language: ``sh`` or ``python``.
        code: what stands there.
        skipped: whether the page says that it cannot run here.
    """

    language: str
    code: str
    skipped: bool


def blocks(page: str) -> list[Block]:
    """All blocks of a page, in order."""
    text = (ROOT / page).read_text()
    return [Block(found["language"], found["code"], bool(found["why"])) for found in BLOCK.finditer(text)]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_in_order(page: str, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "hubconf.py").symlink_to(ROOT / "hubconf.py")
    run = [block for block in blocks(page) if not block.skipped]
    assert run, f"{page} shows nothing that runs"
    commands = "\n".join(INSTALLS.sub("", block.code) for block in run if block.language == "sh")
    code = "\n".join(block.code for block in run if block.language == "python")
    for program in (["bash", "-euo", "pipefail", "-c", SHELL + commands], [sys.executable, "-c", code]):
        done = subprocess.run(
            program, cwd=tmp_path, env=_environment(), capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{page}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


@pytest.mark.parametrize("page", [path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md")])
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not target.startswith(("https://", "http://", "mailto:")):
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target} is not there"


def test_links_of_the_readme_lead_somewhere() -> None:
    for page in ("README.md", "CONTRIBUTING.md"):
        test_links_lead_somewhere(page)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().split()) <= 1500


def _environment() -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    folders = (Path(sys.executable).parent, Path(inherited.get("PATH", "/usr/bin")))
    return {
        **inherited,
        "PATH": os.pathsep.join(map(str, folders)),
        "PYTHONPATH": str(ROOT),
        "MPLBACKEND": "Agg",
    }
