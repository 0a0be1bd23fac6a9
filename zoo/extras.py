"""Says which extra of the installation brings a package that is missing, and the command that adds it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from zoo.errors import MissingExtraError

DISTRIBUTION = "speechzoo"
_OWN = ("zoo", "converters")


@contextmanager
def extra(
    name: str, what: str, otherwise: str = "", *, package: str = "", verb: str = "needs"
) -> Iterator[None]:
    """Import inside: what is missing becomes an error with the way to it.

    Args:
        name: of the extra.
        what: needs the packages; begins the message.
        otherwise: what works without them; ends it, behind "or".
        package: what is missing, where users know it by another name than its module's.
        verb: between the two; "need" for several things.

    Raises:
        MissingExtraError: a package is missing or broken, and it is none of ours.
    """
    try:
        yield
    except ImportError as error:
        if isinstance(error, MissingExtraError) or (error.name or "").partition(".")[0] in _OWN:
            raise
        broken = "" if isinstance(error, ModuleNotFoundError) else f" ({str(error).splitlines()[0]})"
        raise missing(name, f"{what} {verb} {package or error.name}{broken}", otherwise) from error


def missing(name: str, need: str, otherwise: str = "") -> MissingExtraError:
    """The error where an extra lacks.

    Args:
        name: of the extra.
        need: what needs what, "pictures need matplotlib".
        otherwise: what works without it.
    """
    way_out = f", or {otherwise}" if otherwise else ""
    return MissingExtraError(f"{need}: {install_command(name)}{way_out}")


def install_command(name: str) -> str:
    """The command that adds an extra to this installation, whichever way it was made.

    No index is asked for a package named speechzoo, since this project has published none: a clone, a folder,
    a file and a repository are named as such, and otherwise the packages of the extra themselves.
    """
    root = Path(__file__).resolve().parents[1]
    if all((root / beside).is_file() for beside in ("setup.cfg", "hubconf.py")):  # a clone
        return f'pip install -e "{root}[{name}]"'
    try:
        found = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:  # a copy of the package's folder
        return f"install speechzoo from its clone or wheel with the extra [{name}]"
    return _from_origin(found, name) or f"pip install {' '.join(_packages(found, name))}"


def _from_origin(found: metadata.Distribution, name: str) -> str:
    """The command for what the installer recorded (direct_url.json, PEP 610); empty where it cannot serve."""
    from urllib.request import url2pathname  # brings HTTP and TLS, which only a missing extra waits for

    origin = json.loads(found.read_text("direct_url.json") or "{}")
    url = origin.get("url", "")
    path = Path(url2pathname(urlsplit(url).path)) if url.startswith("file:") else None
    if not url or (path is not None and not path.exists()):
        return ""
    if path is not None and path.is_dir() and "dir_info" in origin:
        return f'pip install "{path}[{name}]"'
    if "vcs_info" in origin:
        url = f"{origin['vcs_info']['vcs']}+{url}@{origin['vcs_info']['commit_id']}"
    return f'pip install "{DISTRIBUTION}[{name}] @ {url}"'


def _packages(found: metadata.Distribution, name: str) -> list[str]:
    """The packages of an extra, those of the extras inside it too, each quoted with its versions."""
    packages: dict[str, None] = {}
    for requirement in found.requires or ():
        wanted, _, marker = (part.strip() for part in requirement.partition(";"))
        if not re.search(rf"""extra\s*==\s*["']{re.escape(name)}["']""", marker):
            continue
        inner = re.fullmatch(rf"{DISTRIBUTION}\[(.*)\]", wanted)
        if inner is None:
            packages[f'"{wanted}"'] = None
            continue
        for other in inner[1].split(","):
            packages.update(dict.fromkeys(_packages(found, other.strip())))
    return [*packages]
