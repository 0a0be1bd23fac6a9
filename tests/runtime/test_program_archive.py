"""Exported programs are opened as data: what in one would run is left out or refused, and does not run."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import zoo
from converters import export_program
from tests.converters.networks import Masked
from zoo.errors import ArtifactError


class Marks:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return Path.touch, (self.path,)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("program") / "plain.pt2"
    export_program(Masked().eval(), path, "wav2wav", streams="streams")
    return path


def rewritten(
    program: Path, target: Path, changes: dict[str, Callable[[bytes], bytes]], **more: bytes
) -> Path:
    """A copy, with what ``changes`` makes of the entries that end so, and more entries."""
    with zipfile.ZipFile(program) as archive, zipfile.ZipFile(target, "w") as copy:
        for info in archive.infolist():
            content = archive.read(info)
            for ending, change in changes.items():
                if info.filename.endswith(ending):
                    content = change(content)
            copy.writestr(info.filename, content)
        root = archive.namelist()[0].partition("/")[0]
        for name, content in more.items():
            copy.writestr(f"{root}/{name}", content)
    return target


def in_graph(change: Callable[[dict[str, Any]], object]) -> dict[str, Callable[[bytes], bytes]]:
    def apply(content: bytes) -> bytes:
        data = json.loads(content)
        change(data)
        return json.dumps(data).encode()

    return {"models/model.json": apply}


def nodes(data: dict[str, Any]) -> list[dict[str, Any]]:
    return data["graph_module"]["graph"]["nodes"]


def test_what_is_not_needed_does_not_run(program: Path, tmp_path: Path) -> None:
    """Sample inputs and guards, whatever is in them."""
    marker = tmp_path / "marker"
    guard = f"__import__('pathlib').Path({str(marker)!r}).touch() is None"
    changes = {"sample_inputs/model.pt": lambda _: pickle.dumps(Marks(marker))}
    changes |= in_graph(lambda data: data.update(guards_code=[guard]))
    path = rewritten(program, tmp_path / "x.pt2", changes)
    assert zoo.verify(path).passed and zoo.verify(program).passed
    assert zoo.Enhancer(path).backend == "torch.export" and not marker.exists()


def test_a_pickled_constant(program: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    for kind in ("weights", "constants"):

        def pickled(content: bytes) -> bytes:
            config = json.loads(content)
            for tensor in config["config"].values():
                tensor["use_pickle"] = True
            return json.dumps(config).encode()

        changes = {
            f"model_{kind}_config.json": pickled,
            "_0": lambda _: pickle.dumps(Marks(marker)),
        }
        path = rewritten(program, tmp_path / "x.pt2", changes)
        with pytest.raises(ArtifactError, match=r"x\.pt2: its constant \w+_0 is a pickle, which .*--trust"):
            zoo.verify(path)
        with pytest.raises(ArtifactError, match="is a pickle"):
            zoo.Enhancer(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("data/aotinductor/model/x.wrapper.so", "machine code"),
        ("data/aotinductor/model/anything", "machine code"),
        ("data/weights/model.pt", "it holds data/weights/model.pt"),
        ("data/constants/custom_obj_0", "it holds data/constants/custom_obj_0"),
        ("data/constants/opaque_obj_0", "it holds data/constants/opaque_obj_0"),
        ("data.pkl", "it holds data.pkl"),
    ],
)
def test_other_entries(program: Path, tmp_path: Path, name: str, message: str) -> None:
    path = rewritten(program, tmp_path / "x.pt2", {}, **{name: b"x"})
    with pytest.raises(ArtifactError, match=r"x\.pt2: it holds .*would run as code") as caught:
        zoo.verify(path)
    assert message in str(caught.value)


def an_operator(target: str) -> Callable[[dict[str, Any]], object]:
    return lambda data: nodes(data)[0].update(target=target)


def an_expression(text: str) -> Callable[[dict[str, Any]], object]:
    def change(data: dict[str, Any]) -> None:
        data["graph_module"]["graph"]["sym_int_values"]["s0"] = {"as_expr": {"expr_str": text, "hint": None}}

    return change


def a_name(data: dict[str, Any]) -> None:
    data["graph_module"]["graph"]["inputs"][0] = {"as_tensor": {"name": "x=print()"}}


def a_call(data: dict[str, Any]) -> None:
    nodes(data)[0]["inputs"][0]["arg"] = {"as_operator": "torch.os.system"}


def a_structure(data: dict[str, Any]) -> None:
    spec = '[1, {"type": "collections.defaultdict", "context": "os.system", "children_spec": []}]'
    data["graph_module"]["module_call_graph"][0]["signature"]["in_spec"] = spec


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (an_operator("torch.os.system"), "the operator 'torch.os.system'"),
        (an_operator("torch.ops.aten.from_file.default"), "the operator 'torch.ops.aten.from_file"),
        (an_operator("torch.ops.aten.__class__.mro"), "the operator"),
        (an_operator("torch.ops.load_library"), "the operator"),
        (an_operator("_operator.attrgetter"), "the operator"),
        (an_expression("__import__('os').system('id')"), "the expression"),
        (an_expression("Symbol('s0').func"), "the expression"),
        (an_expression("Symbol('__import__(1)')"), "the expression"),
        (a_name, "the text 'x=print()'"),
        (a_call, "a call 'as_operator'"),
        (a_structure, "the structure 'collections.defaultdict'"),
    ],
)
def test_a_graph_that_is_more_than_operators(
    program: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    path = rewritten(program, tmp_path / "x.pt2", in_graph(change))
    with pytest.raises(ArtifactError, match=r"x\.pt2: its graph holds .*would run as code") as caught:
        zoo.verify(path)
    assert message in str(caught.value)


@pytest.mark.parametrize("change", [lambda _: b"{", lambda _: b"[]", lambda _: b"\xff"])
@pytest.mark.parametrize("name", ["models/model.json", "model_weights_config.json"])
def test_damaged(program: Path, tmp_path: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    path = rewritten(program, tmp_path / "x.pt2", {name: change})
    with pytest.raises(ArtifactError, match=r"x\.pt2: PyTorch .* cannot load it .* it is damaged"):
        zoo.verify(path)
