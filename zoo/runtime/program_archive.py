"""Exported programs (``.pt2``) as data: what in such an archive would run code is refused or left out.

PyTorch unpickles parts of an archive (sample inputs, some constants), evaluates its expressions of shapes,
executes its guards, looks functions up by name and writes Python from the names of tensors. So the archive is
read here first, and PyTorch gets a copy with nothing in it but tensors and a graph of plain operators.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.errors import ArtifactError

_PLAIN = re.compile(  # behind the archive's own folder
    r"archive_format|archive_version|byteorder|\.data/(version|serialization_id)|models/\w+\.json"
    r"|data/weights/(\w+_weights_config\.json|weight_\d+)|data/constants/(\w+_constants_config\.json|tensor_\d+)"
    r"|data/sample_inputs/\w+\.pt|extra/[\w.-]+"
)
_CODE = re.compile(r"data/aotinductor/|\.(so|o|dll|dylib|cpp|cubin)$")
_OPERATOR = re.compile(
    r"torch\.ops\.aten\.(?!from_file\b)([a-z]\w*|_assert_\w+|__(?:and|or|xor)__)\.[A-Za-z]\w*"
    r"|_operator\.(add|sub|mul|floordiv|truediv|mod|neg|pow|eq|ne|lt|le|gt|ge|and_|or_|getitem)"
    r"|torch\.sym_(float|int|ite|max|min|not|sum)"
)
_WORDS = re.compile(r"[\w.:+\- ]*")  # names, versions: nothing in them is evaluated
_SYMBOL = re.compile(r"'[a-z]+\d+'")
_IN_EXPRESSIONS = {
    "Symbol", "Integer", "Rational", "Float", "Add", "Mul", "Pow", "Mod", "FloorDiv", "CeilDiv", "CleanDiv",
    "Max", "Min", "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "Equality", "Unequality", "LessThan", "GreaterThan",
    "StrictLessThan", "StrictGreaterThan", "positive", "nonnegative", "integer", "real", "nonzero",
    "True", "False",
}  # fmt: skip
_SPECS = ("in_spec", "out_spec")  # JSON inside the JSON
_STRUCTURES = {None, "builtins.tuple", "builtins.list", "builtins.dict"}
_CALLS = ("as_operator", "as_custom_obj", "as_graph")  # kinds of arguments


def read_program(path: Path) -> io.BytesIO:
    """The archive of a plain exported program, without anything that would be run.

    Raises:
        ArtifactError: it holds pickles, machine code, or something else than tensors and plain operators.
    """
    clean = io.BytesIO()
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(clean, "w", zipfile.ZIP_STORED) as copy:
        for info in archive.infolist():
            root, _, name = info.filename.partition("/")
            if _CODE.search(name):
                raise _refused(path, f"it holds machine code ({name})")
            if not _PLAIN.fullmatch(name):
                raise _refused(path, f"it holds {name or root}, which no plain exported program does")
            copy.writestr(info.filename, _plain(path, name, archive.read(info)))
    clean.seek(0)
    return clean


def _plain(path: Path, name: str, content: bytes) -> bytes:
    """An entry as PyTorch may get it."""
    if name.startswith("data/sample_inputs/"):
        return b""  # a pickle, and not needed
    if name.endswith("_config.json"):
        for tensor in json.loads(content)["config"].values():
            place = tensor["path_name"]
            if tensor["use_pickle"] is not False or not re.fullmatch(r"(weight|tensor)_\d+", place):
                raise _refused(path, f"its constant {place} is a pickle")
    if name.startswith("models/"):
        program = json.loads(content)
        _strip(program)
        for text, fault in _faults(program):
            raise _refused(path, f"its graph holds {fault} {text[:60]!r}")
        return json.dumps(program).encode()
    return content


def _strip(program: dict[str, Any]) -> None:
    """Take out what a graph computes without: guards, which are Python, and texts for people."""
    program["guards_code"] = []
    module = program["graph_module"]
    module["metadata"] = {}
    module["treespec_namedtuple_fields"] = {}
    for node in module["graph"]["nodes"]:
        node["metadata"] = {}
        if node["target"].startswith("torch.ops.aten._assert_"):
            for argument in node["inputs"]:
                if "as_string" in argument["arg"]:  # what the check says when it fails
                    argument["arg"]["as_string"] = ""


def _faults(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Texts of a graph that are more than data, with what each is."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name in _CALLS:
                yield name, "a call"
            if not _WORDS.fullmatch(name):
                yield name, "the name"
            yield from _faults(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _faults(item, key)
    elif isinstance(value, str):
        if key == "target" and not _OPERATOR.fullmatch(value):
            yield value, "the operator"
        elif key == "expr_str" and not _is_expression(value):
            yield value, "the expression"
        elif key in _SPECS:
            yield from _of_spec(json.loads(value))
        elif key not in ("expr_str", *_SPECS) and not _WORDS.fullmatch(value):
            yield value, "the text"


def _is_expression(text: str) -> bool:
    """Whether this is arithmetic of shapes, as PyTorch writes it."""
    rest = _SYMBOL.sub("", text)
    names = set(re.findall(r"[A-Za-z_]\w*", rest))
    return names <= _IN_EXPRESSIONS and re.fullmatch(r"[\w(), =+*/-]*|-?\d+\.\d+", rest) is not None


def _of_spec(value: Any) -> Iterator[tuple[str, str]]:
    """Structures of inputs and outputs that are not tuples, lists or dicts."""
    if isinstance(value, list):
        for item in value:
            yield from _of_spec(item)
    elif isinstance(value, dict):
        if value.get("type") not in _STRUCTURES:
            yield str(value.get("type")), "the structure"
        yield from _of_spec(value.get("children_spec", []))


def _refused(path: Path, reason: str) -> ArtifactError:
    return ArtifactError(
        f"{path}: {reason}, which would run as code on this machine; pass trust=True or --trust if you know "
        f"who made it, or take an .onnx artifact"
    )
