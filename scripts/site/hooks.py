"""What MkDocs calls while it builds the site: ``hooks`` in mkdocs.yml.

Pages are the files of docs, those of the repository that they link to (README, model cards, CHANGELOG), and
pages that are written here from the registry, the parsers and the packages. All links are those that work in
the repository; they are turned into the site's.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # mkdocs is started as a program of its own

from scripts.site import cards, commands, python_api  # noqa: E402
from scripts.site.links import Places, page_of, with_players, with_site_links  # noqa: E402

_places = Places(ROOT)


def on_config(config: Any) -> Any:
    """Complete the navigation: pages that are generated, and those that it does not name."""
    sections = {
        "Models": cards.pages(),
        "Command line": commands.pages(),
        "Python API": python_api.pages(),
    }
    for entry in config.nav:
        ((title, content),) = entry.items()
        if title in sections:
            content += [{heading: uri} for uri, (heading, _) in sections[title].items() if heading]
    config.nav = [_present(entry) for entry in config.nav]
    named = set(_named(config.nav))
    written = sorted(page.relative_to(ROOT / "docs").as_posix() for page in ROOT.glob("docs/**/*.md"))
    if others := [uri for uri in written if uri not in named]:
        config.nav.append({"More": others})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not in docs, and the files that pages link to."""
    made = {**cards.pages(), **commands.pages(), **python_api.pages()}
    texts = {uri: (ROOT / path).read_text() for path, uri in _places.pages().items()}
    texts.update({uri: text for uri, (_, text) in made.items()})
    for uri, text in texts.items():
        files.append(File.generated(config, uri, content=text))
    for path in _places.linked(texts):
        source = str(ROOT / path)
        files.append(File.generated(config, _places.site(path), abs_src_path=source))
    for uri, sound in cards.sounds().items():
        files.append(File.generated(config, uri, content=sound))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn the links of the repository into those of the site, and links to sounds into players."""
    uri = page.file.src_uri
    markdown = with_site_links(markdown, page_of(uri, _places), _places, uri)
    return with_players(markdown)


def _present(entry: Any) -> Any:
    """An entry of the navigation without pages whose files are not there (yet)."""
    if isinstance(entry, str):
        return entry
    ((title, content),) = entry.items()
    if isinstance(content, list):
        kept = [_present(inner) for inner in content if not _absent(inner)]
        return {title: kept}
    return entry


def _absent(entry: Any) -> bool:
    """Whether an entry names a file of docs that does not exist and is not made here."""
    uri = entry if isinstance(entry, str) else next(iter(entry.values()))
    if isinstance(uri, list):
        return False
    made = {*cards.pages(), *commands.pages(), *python_api.pages(), *_places.pages().values()}
    return uri not in made and not (ROOT / "docs" / uri).exists()


def _named(nav: Any) -> list[str]:
    """All pages that a navigation names."""
    if isinstance(nav, str):
        return [nav]
    if isinstance(nav, dict):
        nav = list(nav.values())
    return [uri for entry in nav for uri in _named(entry)]
