"""What the documents show runs as it stands there: page by page, the blocks in order, in one folder.

A block that cannot run here has a comment above it in the page's source, ``<!-- not run: why -->``. One with
a title, as ```` ```c title="main.c" ````, is a file, written when its turn comes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest

from tests.data import ROOT

TUTORIALS = ("file", "many-files", "live", "stream", "browser", "c", "checkpoint")
PAGES = (
    "README.md",
    "docs/enhance.md",
    "docs/export.md",
    "docs/speech.md",
    *(f"docs/tutorials/{name}.md" for name in TUTORIALS),
    *(f"docs/how-it-works/{name}.md" for name in ("streaming", "conversion", "gate", "latency")),
)
BLOCK = re.compile(
    r"(?P<why><!-- not run[^>]*-->\n)?"
    r"```(?P<language>sh|python|c|cpp)(?: title=\"(?P<file>[^\"]+)\")?\n(?P<code>.*?)```",
    re.S,
)
INSTALLS = re.compile(r"^pip install .*?(?:&& |$)", re.M)  # which CI does in fresh environments
RUN = ("sh", "python")
SHELL = 'speechzoo() { python -m zoo.cli "$@"; }\n'


@dataclass(frozen=True)
class Block:
    """A block of code that a page shows.

    Attributes:
        language: ``sh``, ``python``, ``c`` or ``cpp``.
        code: what stands there.
        skipped: whether the page says that it cannot run here.
        file: the name of the file that it is; empty for what is to run.
    """

    language: str
    code: str
    skipped: bool
    file: str = ""


def blocks(page: str) -> list[Block]:
    """All blocks of a page, in order."""
    text = (ROOT / page).read_text()
    return [
        Block(found["language"], found["code"], bool(found["why"]), found["file"] or "")
        for found in BLOCK.finditer(text)
    ]


def programs(page: str) -> list[list[str]]:
    """What a page runs, as command lines: blocks of one language that follow each other are one program."""
    made = []
    run = [block for block in blocks(page) if not block.skipped and (block.file or block.language in RUN)]
    for language, together in groupby(run, key=lambda block: "sh" if block.file else block.language):
        if language == "sh":
            shell = "\n".join(map(_as_shell, together))
            made.append(["bash", "-euo", "pipefail", "-c", SHELL + shell])
        else:
            made.append([sys.executable, "-c", "\n".join(block.code for block in together)])
    return made


def _as_shell(block: Block) -> str:
    """A block of shell without what CI installs elsewhere, or a file as the command that writes it."""
    if block.file:
        return f"cat > {block.file} <<'END OF FILE'\n{block.code}END OF FILE"
    return INSTALLS.sub("", block.code)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_in_order(page: str, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "hubconf.py").symlink_to(ROOT / "hubconf.py")
    found = programs(page)
    assert found, f"{page} shows nothing that runs"
    for program in found:
        done = subprocess.run(
            program, cwd=tmp_path, env=_environment(), capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{page}: {program[-1]}{done.stdout[-2000:]}{done.stderr[-2000:]}"
    assert unignored(tmp_path) == [], "what a reader makes is in .gitignore"


def unignored(folder: Path) -> list[str]:
    """What lies in a folder and would be new to git in the clone; nothing where this is no clone."""
    if shutil.which("git") is None:
        return []
    made = [path.name + "/" * path.is_dir() for path in folder.iterdir() if not path.is_symlink()]
    told = subprocess.run(
        ["git", "-C", str(ROOT), "check-ignore", "--stdin"],
        input="\n".join(made),
        capture_output=True,
        text=True,
        check=False,
    )
    return sorted(set(made) - set(told.stdout.splitlines())) if told.returncode in (0, 1) else []


def test_all_tutorials_are_run() -> None:
    """But for the index, which shows no code, and that of a model, which has a test of its own."""
    pages = {path.stem for path in (ROOT / "docs/tutorials").glob("*.md")}
    assert pages == {*TUTORIALS, "index"}


@pytest.mark.parametrize("page", [path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md")])
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not target.startswith(("https://", "http://", "mailto:")):
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target} is not there"


def test_links_of_the_readme_lead_somewhere() -> None:
    for page in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"):
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
