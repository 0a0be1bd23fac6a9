"""Runs generated C: a shared library made of it, called through ctypes.

A library is machine code that runs as soon as it is opened: open what you or those you trust compiled.
"""

from __future__ import annotations

import ctypes
import math
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from zoo.arrays import Array
from zoo.artifact.manifest import Manifest, StreamManifest
from zoo.errors import ArtifactError
from zoo.runtime.graph import check_record, manifest_for
from zoo.runtime.weights_file import check_loaded, read_weights, record_in
from zoo.spec import TensorSpec

STATE = "state"  # what a record calls all that one call leaves for the next, (streams, elements)
Function = Callable[..., object]  # of a library
_ALIGNMENT = 64  # bytes


class _Information(ctypes.Structure):
    """What a library says of itself, as its header has it."""

    _fields_ = (
        *((name, ctypes.c_char_p) for name in ("model", "form", "weights_sha256", "licence")),
        *((name, ctypes.c_int) for name in ("sample_rate", "hop", "signal", "result", "latency")),
        *((name, ctypes.c_size_t) for name in ("state_bytes", "memory_bytes", "memory_offset")),
    )


class NativeStream:
    """A stream with its state in C, or as many as the code computes side by side.

    Args:
        process, begin: functions of the library; the second one makes a state anew.
        info: what the library says of its sizes.
        shape: of what a call gives, streams first.

    Attributes:
        memory: what goes from call to call, (elements, streams) float32: the state itself, not a copy.
    """

    def __init__(self, process: Function, begin: Function, info: _Information, shape: Sequence[int]) -> None:
        self._process, self._shape, self._streams = process, shape, shape[0]
        room = np.zeros(info.state_bytes + _ALIGNMENT, np.uint8)
        first = -room.ctypes.data % _ALIGNMENT
        self._state = room.ctypes.data + first
        memory = room[first + info.memory_offset :][: info.memory_bytes].view(np.float32)
        self.memory: Array = memory.reshape(-1, self._streams)
        begin(self._state)

    def __call__(self, signal: Array) -> Array:
        """Process the next frames, a stream a row; the output is a new array."""
        given = np.ascontiguousarray(signal, np.float32)
        result = np.empty(self._shape, np.float32)
        if self._streams == 1:
            self._process(self._state, given.ctypes.data, result.ctypes.data)
            return result
        given = np.ascontiguousarray(given.reshape(self._streams, -1).T)
        beside = np.empty((result.size // self._streams, self._streams), np.float32)
        self._process(self._state, given.ctypes.data, beside.ctypes.data)
        result.reshape(self._streams, -1)[:] = beside.T
        return result


class _Weights:
    """A file of weights, which every stream loads.

    Args:
        function: of the library, that loads it.
        path: the file.

    Raises:
        ArtifactError: it cannot be read.
    """

    def __init__(self, function: Function, path: Path) -> None:
        function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]  # type: ignore[attr-defined]
        self._function, self._path, self._data = function, path, read_weights(path)

    def load(self, state: int) -> None:
        """Give a state, at its address, the weights, which stay here.

        Raises:
            ArtifactError: they are cut, damaged, or for other code.
        """
        code = self._function(state, self._data.ctypes.data, self._data.size)
        check_loaded(int(code), self._path)  # type: ignore[call-overload]

    def record(self, state_bytes: int) -> str:
        """The artifact's record, once a state of so many bytes could load the file; otherwise as ``load``."""
        state = ctypes.create_string_buffer(state_bytes)
        self.load(ctypes.addressof(state))
        return record_in(self._data)


class NativeGraph:
    """A shared library of generated C as a graph of any number of streams, whose states are one tensor.

    Args:
        path: the library.
        weights: the file of its weights, where they are not inside.

    Attributes:
        backend: ``native``.
        inputs, outputs: the signal, and ``state``: all that one call leaves for the next.
        manifest: of the graph that the C was made from.
        streams: that the code computes side by side.

    Raises:
        ArtifactError: it cannot be loaded, or is none of ours; or weights that are missing, too many, damaged
            or for other code.
    """

    backend = "native"

    def __init__(self, path: str | os.PathLike[str], weights: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(path)
        try:
            library = ctypes.CDLL(str(self.path.resolve()))
            functions = [getattr(library, f"speechzoo_{name}") for name in ("info", "init", "process")]
            load = getattr(library, "speechzoo_load", None)
            manifest = None if load else library.speechzoo_manifest
        except (OSError, AttributeError) as error:
            raise ArtifactError(
                f"{self.path}: it is no shared library of speechzoo for this machine ({error}); make one "
                f"with speechzoo build"
            ) from error
        info, self._init, self._process = functions
        info.restype = ctypes.POINTER(_Information)
        self._process.argtypes = [ctypes.c_void_p] * 3
        self._process.restype = None
        self._init.argtypes, self._init.restype = [ctypes.c_void_p], None
        self._info: _Information = info().contents
        check_weights(self.path, weights, inside=load is None)
        self._weights = _Weights(load, Path(weights)) if load and weights is not None else None
        if self._weights:
            record = self._weights.record(self._info.state_bytes)
        elif manifest:
            manifest.restype = ctypes.POINTER(ctypes.c_char_p)
            record = _joined(manifest())
        self.manifest: StreamManifest = read_manifest(record, Path(weights or self.path))
        self.inputs, self.outputs = self.manifest.graph_inputs, self.manifest.graph_outputs
        check_record(self.path, self.manifest, self.inputs, self.outputs)
        memory = self._info.memory_bytes // 4
        self.streams = max(1, memory // _elements(self.inputs[1]))
        found = [self._info.signal, memory // self.streams, self._info.result]
        check_sizes(self.path, self.inputs, self.outputs, found)
        self._shape = [self.streams, *(size for size in self.outputs[0].shape if isinstance(size, int))]
        self._own = threading.local()

    def __call__(self, *values: Array) -> list[Array]:
        """Run once, a stream a row: the signals and the states before them; the outputs are new arrays."""
        signals, states = values
        stream: NativeStream | None = getattr(self._own, "stream", None)
        if stream is None:  # of this thread
            stream = self._own.stream = self.stream()
        results = np.empty((len(signals), *self._shape[1:]), np.float32)
        following = np.empty((len(signals), len(stream.memory)), np.float32)
        for first in range(0, len(signals), self.streams):
            rows = slice(first, first + self.streams)
            given, count = signals[rows], len(signals[rows])
            if count < self.streams:
                given = np.concatenate(
                    [given, np.zeros((self.streams - count, *given.shape[1:]), np.float32)]
                )
            stream.memory[:, :count] = states[rows].T
            results[rows] = stream(given)[:count]
            following[rows] = stream.memory[:, :count].T
        return [results, following]

    def stream(self) -> NativeStream:
        """Begin a stream whose state stays where the code has it."""
        return NativeStream(self._process, self._begin, self._info, self._shape)

    def _begin(self, state: int) -> None:
        """Make a state, at its address, that of a new stream."""
        self._init(state)
        if self._weights:
            self._weights.load(state)

    @property
    def state_bytes(self) -> int:
        """Memory of one stream in C, what only one call needs among it."""
        return int(self._info.state_bytes) // self.streams


def check_sizes(
    path: Path, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], found: Sequence[int]
) -> None:
    """Refuse code whose sizes are not those of its record.

    Args:
        path: the file.
        inputs, outputs: of the record: the signal and the state.
        found: elements of signal, state and result, as the code has them.

    Raises:
        ArtifactError: they are others.
    """
    expected = [_elements(spec) for spec in (*inputs, outputs[0])]
    if expected != list(found):
        raise ArtifactError(
            f"{path}: its manifest tells of {expected} elements of signal, state and result, its "
            f"code of {list(found)}; build it again"
        )


def _elements(spec: TensorSpec) -> int:
    """Of one stream."""
    return math.prod(size for size in spec.shape if isinstance(size, int))


def check_weights(path: Path, weights: object, *, inside: bool) -> None:
    """Refuse a file of weights where they are inside, and the lack of one where they are not.

    Raises:
        ArtifactError: one of both.
    """
    if inside and weights is not None:
        raise ArtifactError(f"{path}: an artifact has its own weights; leave weights={str(weights)!r} out")
    if not inside and weights is None:
        raise ArtifactError(
            f"{path}: its weights are in a file of their own, which speechzoo export --weights-file wrote; "
            f"pass that: --weights-file FILE, in Python weights=FILE"
        )


def read_manifest(text: str, path: Path) -> StreamManifest:
    """The record in generated code.

    Raises:
        ArtifactError: it is damaged, or of something else.
    """
    manifest = manifest_for(Manifest.from_json(text, str(path)), StreamManifest, path)
    if [spec.name for spec in manifest.states] != [STATE]:
        raise ArtifactError(f"{path}: its manifest is not that of generated C; build it again")
    return manifest


def _joined(pieces: ctypes._Pointer[ctypes.c_char_p]) -> str:
    """A text in pieces, which a null pointer ends."""
    found = []
    for index in range(1 << 20):
        if (piece := pieces[index]) is None:
            break
        found.append(piece)
    return b"".join(found).decode()
