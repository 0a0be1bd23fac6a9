"""Makes a training form from what others publish: their ONNX graphs, and the binaries of other ports.

It is done once: the parameters are read, loaded strictly, held against the public graph on speech, and kept
in the cache as a safetensors file of ours.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zoo import checkpoint
from zoo.arrays import Array
from zoo.errors import ArtifactError, CheckpointError, ParityError
from zoo.files import atomic, sha256_of
from zoo.hub.client import cache_folder
from zoo.hub.weights import Located
from zoo.networks.base import Network
from zoo.registry import get_spec, list_models
from zoo.runtime.published_graph import PublishedGraph
from zoo.spec import ModelSpec, Tolerance
from zoo.streaming.conversion import fold_batch_norm, norms_to_fold, undo_weight_norm
from zoo.version import __version__

Build = Callable[[ModelSpec], Network]

TOLERANCE = Tolerance(snr_db=100.0, max_error=1e-4)  # of a training form beside the public graph
_GRAPH = b"\x08"  # of a message's first field, a number, as ONNX has its version; no checkpoint begins so
_BINARIES = (b"FEW1",)  # what other ports' files begin with
_SAME = 1e-5  # of a tensor's largest value, by which what is the same may differ after norms are merged


def kind_of(path: Path) -> str:
    """``graph`` or ``binary``, as ``Weights.kind`` has them, by a file's first bytes; else empty."""
    if not path.is_file() or path.suffix == ".safetensors":
        return ""
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError:
        return ""  # whoever reads it as a checkpoint tells why
    if head in _BINARIES:
        return "binary"
    return "graph" if path.suffix == ".onnx" or head[:1] == _GRAPH else ""


def model_of(path: Path, kind: str, build: Build) -> str:
    """The registered model that a graph or binary is one of: by its hash, else by what it holds.

    Args:
        path: the file.
        kind: what it is, see ``kind_of``.
        build: makes a network, with random weights.

    Raises:
        CheckpointError: its parameters are not those of any.
    """
    if kind == "graph":
        PublishedGraph(path)  # what is wrong with the file itself is told at once
    digest, specs = sha256_of(path), [get_spec(name) for name in list_models()]
    for spec in specs:
        if any(weights.sha256 == digest for weights in spec.weights):
            return spec.name
    readable = [spec for spec in specs if kind in spec.readers]
    for spec in readable:
        with suppress(CheckpointError):
            _load(build(spec), read(spec, [path], kind), path)
            return spec.name
    families = ", ".join(dict.fromkeys(spec.family for spec in readable))
    raise CheckpointError(
        f"{path}: it holds no parameters that are read from such files (of {families}); name the "
        f"model to be told why"
    )


def load(spec: ModelSpec, located: Located, kind: str, build: Build) -> Network:
    """A network in training form with the parameters of a graph or binary, in eval mode.

    Args:
        spec: of the model.
        located: the file.
        kind: what it is, see ``kind_of``.
        build: makes the network, with random weights.

    Raises:
        CheckpointError: the model's parameters are not read from such files, the file is of another model, or
            it computes something else.
        ArtifactError: ONNX Runtime cannot run the graph.
        MissingExtraError: the package onnx is not installed.
    """
    paths = (located.path, *located.more)
    model = build(spec).eval()
    kept = _kept(spec, paths)
    if not _load_kept(model, kept):
        params = read(spec, paths, kind, located.reader)
        told = prove(model, params, paths, kind)
        _keep(model, kept, f"{spec.name}: parameters read from {located.path.name}; {told}")
    model.provenance = {**located.provenance, "sha256": checkpoint.digest(model.state_dict())}
    return model


def read(spec: ModelSpec, paths: Sequence[Path], kind: str, reader: str = "") -> dict[str, NDArray[Any]]:
    """The training form's parameters, as a family's reader finds them.

    Args:
        spec: of the model.
        paths: the file, and those that belong to it.
        kind: what it is.
        reader: ``module:function``; by default that of the model for such files.

    Raises:
        CheckpointError: there is no reader, or it refuses the file.
    """
    reader = reader or spec.readers.get(kind, "")
    if not reader:
        raise CheckpointError(
            f"{paths[0]}: the parameters of {spec.name} are not read from an ONNX graph or another port's "
            f"file; pass a checkpoint, or run the graph as it is"
        )
    module, function = reader.split(":")
    found: dict[str, NDArray[Any]] = getattr(importlib.import_module(module), function)(paths, spec)
    return found


def prove(model: Network, params: Mapping[str, NDArray[Any]], paths: Sequence[Path], kind: str) -> str:
    """Load parameters strictly, and hold the network against the public graph that they came from.

    Args:
        model: in training form; its parameters are replaced.
        params: by name.
        paths: the file, and those that belong to it.
        kind: what it is; a binary has no network inside to be held against.

    Returns:
        what was found, for people.

    Raises:
        CheckpointError: they do not fit, or the network computes something else than the graph; the message
            names the parameters that the graph does not hold.
    """
    _load(model, params, paths[0])
    if kind != "graph":
        return "they fit, and the file's check sum is right"
    compare = importlib.import_module(f"zoo.tasks.{model.spec.task}.torch").compare_published
    try:
        return f"beside the graph in ONNX Runtime, {compare(model, paths, TOLERANCE)}"
    except ParityError as error:
        strangers = _strangers(model, [PublishedGraph(path) for path in paths])
        held = "the graph holds every tensor of more than one number"
        why = f"the graph does not hold {', '.join(strangers[:4])}" if strangers else held
        raise CheckpointError(
            f"{paths[0]}: {model.spec.name} with the parameters read from it does not compute what it does: "
            f"{error}; of these parameters {why}"
        ) from error


def _load(model: Network, params: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Load parameters strictly."""
    tensors = {name: torch.from_numpy(value) for name, value in params.items()}
    checkpoint.load_strictly(model, tensors, where=str(path), name=model.spec.name)


def _strangers(model: Network, graphs: Sequence[PublishedGraph]) -> list[str]:
    """Parameters, with the norms merged, whose values are no constant of the graphs, in whatever order.

    Of a constant with one row its halves count too: it may be both biases of a GRU. A bias into which a mean
    was merged, and a layer whose norm the graph keeps apart, are told although nothing is wrong with them.
    """
    params = undo_weight_norm(model.state_dict())
    for norm, layer in norms_to_fold(model)[0]:
        fold_batch_norm(params, model, norm, layer)
    constants: dict[int, list[Array]] = {}
    for graph in graphs:
        for value in graph.weights().values():
            halves = (
                np.split(value.ravel(), 2)
                if value.ndim == 2 and len(value) == 1 and value.size % 2 == 0
                else []
            )
            for part in (value, *halves):
                constants.setdefault(part.size, []).append(np.sort(part, axis=None))
    return [name for name, value in params.items() if _strange(value.numpy(), constants)]


def _strange(value: NDArray[Any], constants: Mapping[int, Sequence[Array]]) -> bool:
    """Whether a tensor's values are none of the sorted constants; zeros and single numbers never are."""
    if value.size < 2 or not np.any(value):
        return False
    limit, values = _SAME * np.abs(value).max(), np.sort(value, axis=None)
    return all(np.abs(values - other).max() > limit for other in constants.get(value.size, ()))


def _kept(spec: ModelSpec, paths: Sequence[Path]) -> Path:
    """Where the parameters of such files are kept: by their bytes, the model and this version."""
    key = "".join(sha256_of(path) for path in paths) + repr((spec.name, spec.options, spec.front_end))
    digest = sha256_of(f"{__version__} {key}".encode())
    return cache_folder() / "read" / f"{spec.name}-{digest[:16]}.safetensors"


def _load_kept(model: Network, path: Path) -> bool:
    """Load what was kept; False where there is nothing, or it is damaged."""
    with suppress(CheckpointError):
        record = checkpoint.read_record(path)
        if record is not None:
            params = checkpoint.read_parameters(path)
            checkpoint.check_digest(params, record, str(path))
            checkpoint.load_strictly(model, params, where=str(path), name=model.spec.name)
            return True
    return False


def _keep(model: Network, path: Path, told: str) -> None:
    """Write the parameters, and say so; a folder that takes no file costs no more than the work next time."""
    try:
        with atomic(path) as temporary:
            checkpoint.write_parameters(model, model.spec, {}, temporary)
        told += f"; kept as {path}"
    except ArtifactError as error:
        told += f"; not kept: {error}"
    print(f"speechzoo: {told}", file=sys.stderr)
