"""An ONNX file in ONNX Runtime, whatever it computes, checked against what it says of itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from zoo.artifact.manifest import METADATA_KEY, Manifest
from zoo.errors import ArtifactError
from zoo.runtime.loaded import check_record
from zoo.spec import TensorSpec

Array = NDArray[np.float32]


def session_options(threads: int = 1) -> onnxruntime.SessionOptions:
    """How ONNX Runtime loads every graph: so many threads for a call, and only errors are told."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


class Graph:
    """An ONNX file loaded by ONNX Runtime, with what it says of itself.

    Args:
        path: the file.
        threads: of one call.
        options: of ONNX Runtime, in place of ``session_options(threads)``.

    Attributes:
        inputs, outputs: tensors as the graph declares them.
        manifest: ours, or None for a file made by others.

    Raises:
        ArtifactError: no such file, or not an ONNX graph that ONNX Runtime can load.
    """

    backend = "onnxruntime"

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        threads: int = 1,
        options: onnxruntime.SessionOptions | None = None,
    ) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise ArtifactError(f"{self.path}: there is no such file; expected an ONNX artifact")
        options = options or session_options(threads)
        try:
            self._inference = onnxruntime.InferenceSession(
                str(self.path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own classes share no other base
            reason = str(error).splitlines()[0].replace(str(self.path), "the file")[:200]
            raise ArtifactError(
                f"{self.path}: ONNX Runtime {onnxruntime.__version__} cannot load it ({reason}); it is "
                f"damaged, truncated or not ONNX: export or download it again"
            ) from error
        self.inputs = tuple(_tensor_spec(value) for value in self._inference.get_inputs())
        self.outputs = tuple(_tensor_spec(value) for value in self._inference.get_outputs())
        text = self._inference.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        self.manifest = None if text is None else Manifest.from_json(text, str(self.path))
        if self.manifest is not None:
            check_record(self.path, self.manifest, self.inputs, self.outputs)

    def __call__(self, *values: NDArray[Any]) -> list[Array]:
        """Run once with values in the order of ``inputs``; the outputs are new arrays."""
        feed = {spec.name: value for spec, value in zip(self.inputs, values, strict=True)}
        return self._inference.run(None, feed)


def _tensor_spec(value: Any) -> TensorSpec:
    dtype = value.type.removeprefix("tensor(").removesuffix(")")
    return TensorSpec(value.name, tuple(value.shape), {"float": "float32"}.get(dtype, dtype))
