"""Links of the repository, as the site has them."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

OWN = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
FENCE = re.compile(r"(^(?:```|~~~).*?^(?:```|~~~)[^\n]*$)", re.M | re.S)
LINK = re.compile(r"(?P<open>(?<!`)!?\[(?P<text>[^\]]*)\]\()(?P<target>[^)#\s]+)(?P<rest>(?:#[^)]*)?\))")
SOUND = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+\.(?:wav|ogg|mp3|flac))\)")
ABROAD = ("https://", "http://", "mailto:")


class Places:
    """Where the files of the repository are on the site.

    Args:
        root: of the repository.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @cache  # noqa: B019 - one instance a build
    def pages(self) -> Mapping[str, str]:
        """Pages outside docs, as paths in the repository, with their names on the site."""
        places = {path: uri for path, uri in OWN.items() if (self.root / path).is_file()}
        for card in sorted(self.root.glob("zoo/models/*/README.md")):
            places[card.relative_to(self.root).as_posix()] = f"models/{card.parent.name}.md"
        for card in sorted(self.root.glob("zoo/models/*/packaged/*.md")):
            uri = f"models/{card.parent.parent.name}/{card.name}"
            places[card.relative_to(self.root).as_posix()] = uri
        return places

    def site(self, path: str) -> str:
        """The name that a file of the repository has on the site.

        Args:
            path: in the repository, with slashes.
        """
        if path.startswith("docs/"):
            return path.removeprefix("docs/")
        return self.pages().get(path, f"repository/{path}")

    def linked(self, texts: Mapping[str, str]) -> list[str]:
        """Files outside docs, other than pages, that pages link to.

        Args:
            texts: of the pages that do not lie in docs, by their names on the site.
        """
        texts = {**texts, **{self.site(path): text for path, text in self._written().items()}}
        found = set()
        for uri, text in texts.items():
            for target in targets(text):
                path = _path(page_of(uri, self), target)
                outside = not path.startswith("docs/") and path not in self.pages()
                if outside and (self.root / path).is_file():
                    found.add(path)
        return sorted(found)

    def _written(self) -> dict[str, str]:
        pages = self.root.glob("docs/**/*.md")
        return {page.relative_to(self.root).as_posix(): page.read_text() for page in pages}


def page_of(uri: str, places: Places) -> str:
    """The path in the repository of a page of the site; of one that is made here, a path as if in docs."""
    of_site = {site: path for path, site in places.pages().items()}
    return of_site.get(uri, f"docs/{uri}")


def targets(text: str) -> list[str]:
    """What a page links to within the repository, as it is written there."""
    found: list[str] = []
    _outside_code(text, lambda part: found.extend(link["target"] for link in LINK.finditer(part)) or part)
    return [target for target in found if not target.startswith(ABROAD)]


def with_site_links(text: str, path: str, places: Places, uri: str) -> str:
    """A page whose links are those of the site.

    Args:
        text: the page as Markdown.
        path: in the repository.
        places: of its files.
        uri: of the page on the site.
    """

    def turn(link: re.Match[str]) -> str:
        if link["target"].startswith(ABROAD):
            return link[0]
        goal = _path(path, link["target"])
        if (places.root / goal).is_dir():
            return link["text"]  # the site lists no folders
        return f"{link['open']}{posixpath.relpath(places.site(goal), posixpath.dirname(uri))}{link['rest']}"

    return _outside_code(text, lambda part: LINK.sub(turn, part))


def with_players(text: str) -> str:
    """A page with a player for each sound that a paragraph links to, below the paragraph.

    A page with players of its own stays as it is.
    """
    if "<audio" in text:
        return text
    return _outside_code(text, lambda part: "\n\n".join(map(_played, part.split("\n\n"))))


def _played(paragraph: str) -> str:
    if paragraph.lstrip().startswith(("|", "#")):  # a table, whose rows may have many
        return paragraph
    players = [f'<audio controls preload="none" src="{src}"></audio>' for src in SOUND.findall(paragraph)]
    return "\n\n".join([paragraph, " ".join(players)]) if players else paragraph


def _path(page: str, target: str) -> str:
    """The path in the repository that a link of a page leads to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), target)).replace(os.sep, "/")


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    """A page changed everywhere but in blocks of code."""
    return "".join(part if FENCE.fullmatch(part) else change(part) for part in FENCE.split(text))
