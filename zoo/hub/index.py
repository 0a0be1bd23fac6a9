"""A model's artifact repository: a folder with an index, ``config.json``, of every file in it.

The Hub hosts such folders, ``speechzoo publish`` makes them and ``speechzoo pull`` takes files out of them.
What pins what: a commit pins the index, and the index has size and sha256 of every other file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from zoo.artifact.manifest import FREE, Manifest
from zoo.artifact.target import FLAVOURS, EngineTarget
from zoo.errors import ArtifactError
from zoo.limits import check_fields, parse_json

INDEX = "config.json"
CARD = "README.md"
GOLDEN = "golden.json"
VERSION = 1
INDEX_LIMIT = 1 << 20  # bytes; an index is some thousand
GRAPHS = ("onnx", "torchscript", "exported", *FLAVOURS)  # formats of a form, streaming or not
PARAMETERS = "safetensors"
ENDINGS = {
    PARAMETERS: ".safetensors",
    "onnx": ".onnx",
    "torchscript": ".ts",
    "exported": ".pt2",
    **dict.fromkeys(FLAVOURS, ".engine"),
}
RECORD = "record"  # of what a file beside it is, ``<name>.json``
HELPERS = ("card", "golden", RECORD)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class File:
    """A file of a repository.

    Attributes:
        path: in the repository, with slashes.
        format: ``safetensors``, one of ``GRAPHS``, ``golden``, ``record`` or ``card``.
        size: bytes.
        sha256: hex digest.
        form: of a graph, as its manifest has it; of the golden recording, that of the graph whose it is.
        streaming: with states, or a whole recording at once; of a graph of a task that has both.
        engine: what an engine was built for.
    """

    path: str
    format: str
    size: int
    sha256: str
    form: str = ""
    streaming: bool | None = None
    engine: EngineTarget | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.path) or self.path == INDEX:
            raise ValueError(f"{self.path!r} is not the path of a file inside the repository")
        if type(self.size) is not int or self.size < 1:
            raise ValueError(f"{self.path}: {self.size!r} is no size")
        if not isinstance(self.sha256, str) or not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"{self.path}: {self.sha256!r} is no sha256")
        if not isinstance(self.format, str) or not self.format:
            raise ValueError(f"{self.path}: {self.format!r} is no format")
        if not self.path.endswith(ENDINGS.get(self.format, "")):  # which decides what opens it
            raise ValueError(f"{self.path!r} is no name of a file of the format {self.format}")
        if (self.format in FLAVOURS) != (self.engine is not None):
            raise ValueError(f"{self.path}: engines, and only they, say what they were built for")

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Index:
    """What a repository holds.

    Attributes:
        model: registered name.
        task: of the model.
        weights: sha256 of the parameters; source, licence and training data if known.
        files: all but the index itself.
        toolchain: versions of the packages that made it.
    """

    model: str
    task: str
    weights: Mapping[str, str]
    files: tuple[File, ...]
    toolchain: Mapping[str, str] = field(default_factory=dict)
    version: int = VERSION

    def __post_init__(self) -> None:
        kind = Manifest.of_task(self.task)
        for file in self.files:
            if file.form and not kind.has_form(file.form):
                raise ValueError(f"{file.path}: {file.form!r} is no form of a graph for {self.task}")

    def to_json(self) -> str:
        files = {}
        for file in sorted(self.files, key=lambda file: file.path):
            fields = {k: v for k, v in asdict(file).items() if k != "path" and v not in ("", None)}
            if file.engine is not None:
                fields["engine"] = file.engine.to_fields()
            files[file.path] = fields
        record = {**asdict(self), "library_name": "speechzoo", "files": files}
        return json.dumps(record, indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, content: bytes, where: str) -> Index:
        """Parse an index; ``where`` names it in errors.

        Raises:
            ArtifactError: not one of ours, damaged, of a newer version, or with paths that lead out of it.
        """
        try:
            data = parse_json(content.decode())
            if not isinstance(data, dict) or data.pop("library_name", None) != "speechzoo":
                raise ArtifactError(
                    f"{where}: it is no index of speechzoo; is this a repository that `speechzoo publish` "
                    f"made?"
                )
            if data["version"] != VERSION:
                raise ArtifactError(
                    f"{where}: it has version {data['version']}, this package reads version {VERSION}; "
                    f"install a newer speechzoo, or take an older --revision"
                )
            files = tuple(_file(path, fields) for path, fields in data.pop("files").items())
            index = cls(**{**data, "files": files})
            check_fields(index)
            if not _SHA256.fullmatch(index.weights["sha256"]):
                raise ValueError(f"weights: {index.weights['sha256']!r} is no sha256")
            return index
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ArtifactError(
                f"{where}: it cannot be read ({type(error).__name__}: {error}); publish the repository "
                f"again, or take another --revision"
            ) from error

    def find(self, format: str, where: str, form: str | None = None, streaming: bool | None = None) -> File:
        """The file of a format: of graphs the form that is asked for, streaming if there is such.

        Raises:
            ArtifactError: there is none; the message lists what there is.
        """
        found = self.graphs(format, where, form, streaming)
        return found[0]

    def graphs(
        self, format: str, where: str, form: str | None = None, streaming: bool | None = None
    ) -> list[File]:
        """All files of a format, and of one form where it has forms, the streaming ones first.

        Raises:
            ArtifactError: there is none; the message lists what there is.
        """
        wanted = form or self.usual_form(format)
        found = [
            file
            for file in self.files
            if file.format == format
            and (not file.form or file.form == wanted)
            and (streaming is None or file.streaming in (None, streaming))
        ]
        if not found or format in HELPERS:
            kind = {None: "", True: "streaming ", False: "offline "}[streaming]
            raise ArtifactError(
                f"{where} has no {kind}{form or ''} {format} file; it has {self.contents()}".replace(
                    "  ", " "
                )
            )
        return sorted(found, key=lambda file: (not file.streaming, file.path))

    def usual_form(self, format: str = "onnx") -> str:
        """The form that is meant where none is named: the task's first, or the free size, or the largest.

        The largest alone takes the longest sentences whole; smaller ones only save time on short ones.
        """
        if forms := Manifest.of_task(self.task).forms:
            return forms[0]
        sizes = {file.form for file in self.files if file.format == format and file.form}
        if FREE in sizes:
            return FREE
        return max(sizes, key=lambda size: [int(number) for number in size.split("/")], default="")

    def beside(self, file: File) -> File | None:
        """The record that goes with a file, if it has one."""
        return next((f for f in self.files if f.format == RECORD and f.path == f"{file.path}.json"), None)

    def contents(self) -> str:
        """The formats that can be had, and the forms of each, in a line."""
        kinds: dict[str, list[str]] = {}
        for file in self.files:
            if file.format not in HELPERS:
                about = "" if file.streaming is None else "streaming " if file.streaming else "offline "
                kinds.setdefault(file.format, []).append(f"{about}{file.form}".strip())
        listed = {format: ", ".join(dict.fromkeys(filter(None, forms))) for format, forms in kinds.items()}
        return "; ".join(f"{format} ({forms})" if forms else format for format, forms in listed.items())


def check_choice(task: str, format: str, form: str | None, streaming: bool | None) -> None:
    """Refuse what no repository of a task can have, before one is asked.

    Raises:
        ArtifactError: a form, or streaming or offline, of files that have none.
    """
    if format not in GRAPHS and (form is not None or streaming is not None):
        raise ArtifactError(f"{format} files have no form and are not streaming or offline; leave that out")
    if streaming is not None and not Manifest.of_task(task).streamable:
        raise ArtifactError(f"graphs for {task} are neither streaming nor offline; leave that out")


def _file(path: str, fields: Mapping[str, Any]) -> File:
    engine = fields.get("engine")
    return File(**{**fields, "path": path, "engine": engine and EngineTarget.from_fields(engine)})
