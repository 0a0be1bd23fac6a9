"""Runs generated C that was compiled to WebAssembly, in Node.js: as slowly as two pipes, for checking."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import weakref
from pathlib import Path
from typing import IO, Any

import numpy as np

from zoo.arrays import Array
from zoo.artifact.manifest import StreamManifest
from zoo.errors import ArtifactError
from zoo.runtime.native import check_sizes, read_manifest

_HOST = Path(__file__).parents[1] / "web/node.js"


class WebAssemblyGraph:
    """A module of generated C as a graph whose states are one tensor.

    Args:
        path: the module.

    Attributes:
        backend: ``webassembly``.
        inputs, outputs: the signal, and ``state``: all that one call leaves for the next.
        manifest: of the graph that the C was made from.

    Raises:
        ArtifactError: it is none of ours, it is damaged or has no record, or there is no Node.js.
    """

    backend = "webassembly"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        node = shutil.which("node")
        if node is None:
            raise ArtifactError(f"{self.path}: running WebAssembly needs Node.js; install it, or run the C")
        self._process = subprocess.Popen(
            [node, str(_HOST), str(self.path.resolve())], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        weakref.finalize(self, _stop, self._process)
        self._lock = threading.Lock()
        told = json.loads(self._output.readline() or b"{}")
        if "info" not in told:
            raise ArtifactError(
                f"{self.path}: {told.get('error', 'Node.js does not load it')}; make one with speechzoo build"
            )
        if told["manifest"] is None:
            raise ArtifactError(
                f"{self.path}: it was built bare, without its record; build it without --bare to check it"
            )
        info: dict[str, Any] = told["info"]
        self.manifest: StreamManifest = read_manifest(told["manifest"], self.path)
        self.inputs, self.outputs = self.manifest.graph_inputs, self.manifest.graph_outputs
        found = [info["signal"], info["memoryBytes"] // 4, info["result"]]
        check_sizes(self.path, self.inputs, self.outputs, found)
        self._shapes = [[size for size in spec.shape[1:] if isinstance(size, int)] for spec in self.outputs]

    def __call__(self, *values: Array) -> list[Array]:
        """Run once, a stream a row: the signals and the states before them; the outputs are new arrays."""
        rows = [self._row(signal, state) for signal, state in zip(*values, strict=True)]
        return [np.stack(column) for column in zip(*rows, strict=True)]

    def _row(self, signal: Array, state: Array) -> list[Array]:
        """What one stream gives: its result and its next state."""
        assert self._process.stdin is not None, "it is a pipe"
        with self._lock:
            try:
                for value in (state, signal):
                    self._process.stdin.write(np.ascontiguousarray(value, np.float32).tobytes())
                self._process.stdin.flush()
                return [self._read(shape) for shape in self._shapes]
            except BrokenPipeError as error:
                raise self._stopped() from error

    @property
    def _output(self) -> IO[bytes]:
        assert self._process.stdout is not None, "it is a pipe"
        return self._process.stdout

    def _read(self, shape: list[int]) -> Array:
        data = self._output.read(4 * int(np.prod(shape)))
        if len(data) < 4 * np.prod(shape):
            raise self._stopped()
        return np.frombuffer(data, np.float32).reshape(shape).copy()

    def _stopped(self) -> ArtifactError:
        return ArtifactError(f"{self.path}: Node.js stopped while it ran; build the module again")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a program; nothing is in it that would be lost."""
    process.kill()
    process.communicate()
