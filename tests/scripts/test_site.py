"""The site builds without a warning, has a page for all that there is, and loads nothing from elsewhere."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import converters
import zoo
from tests.data import ROOT
from zoo.cli import parsers
from zoo.registry import get_spec, list_models

pytestmark = pytest.mark.skipif(
    not (find_spec("material") and find_spec("mkdocstrings")), reason="needs the extra docs"
)
LOADED = {  # what a browser fetches by itself, by element and attribute
    ("script", "src"), ("img", "src"), ("audio", "src"), ("video", "src"), ("source", "src"),
    ("iframe", "src"), ("embed", "src"), ("link", "href"), ("object", "data"), ("image", "href"),
    ("use", "href"),
}  # fmt: skip
REFERENCES = {"canonical", "edit", "next", "prev", "alternate", "license"}  # of links, which load nothing


class Loads(HTMLParser):
    """Collects the addresses that a page loads, and those that it links to."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        for name, value in found.items():
            if (tag, name) in LOADED and not REFERENCES & set(found.get("rel", "").split()):
                self.loads.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


def read(page: Path) -> Loads:
    found = Loads()
    found.feed(page.read_text())
    return found


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    pages = [*site.rglob("*.html")]
    assert len(pages) > 60
    for page in pages:
        for address in read(page).loads:
            parts = urlsplit(address)
            assert parts.scheme in ("", "data") and not parts.netloc, f"{page}: it loads {address}"
            if parts.path and not parts.scheme and page.name != "404.html":
                assert (page.parent / parts.path).exists(), f"{page}: {address} is not there"
    for sheet in site.rglob("*.css"):
        outside = re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//[^)\s]*", sheet.read_text())
        assert not outside, f"{sheet}: {outside}"


def test_every_link_within_the_site_leads_somewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        for address in read(page).links:
            parts = urlsplit(address)
            if not parts.scheme and not parts.netloc and parts.path and page.name != "404.html":
                assert (page.parent / parts.path).exists(), f"{page}: {address} is not there"


def test_every_command_has_its_page_with_its_options(site: Path) -> None:
    for name, parser in parsers().items():
        text = (site / f"command-line/{name}.html").read_text()
        shown = [action for action in parser._actions if action.help != argparse.SUPPRESS]
        for option in (word for action in shown for word in action.option_strings):
            assert option in text, f"{name}: {option} is not on its page"


def test_every_public_name_has_its_place(site: Path) -> None:
    for package in (zoo, converters):
        text = (site / f"api/{package.__name__}.html").read_text()
        for name in package.__all__:
            assert f'id="{getattr(package, name).__module__}.{name}"' in text, f"{name} is not shown"


def test_every_model_is_on_the_card_of_its_family(site: Path) -> None:
    for name in list_models():
        spec = get_spec(name)
        card = (site / f"models/{spec.family}.html").read_text()
        assert f"<code>{name}</code>" in card
        for weights in spec.weights:
            assert f"<code>{weights.tag}</code>" in card, f"{name}: the tag {weights.tag} is missing"
    for name in ("fastenhancer_t", "gtcrn", "fastspeech_small"):
        assert (site / f"models/sounds/{name}.ogg").stat().st_size > 5000
