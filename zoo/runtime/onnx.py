"""An ONNX file in ONNX Runtime, whatever it computes, checked against what it says of itself."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any
from weakref import WeakSet

import onnxruntime
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.artifact.manifest import METADATA_KEY, Manifest
from zoo.artifact.onnx_file import check_file
from zoo.errors import ArtifactError
from zoo.runtime.graph import check_record
from zoo.spec import TensorSpec

CPU = "CPUExecutionProvider"
PROVIDER_OPTIONS = {"CUDAExecutionProvider": {"use_tf32": "0"}}


_THREADED: WeakSet[onnxruntime.InferenceSession] = WeakSet()  # those with threads of their own


def _never_close() -> None:
    """In a forked child, which has none of these threads: closing a session would wait for them for ever."""
    for inference in list(_THREADED):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(inference._sess))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_never_close)


def session_options(threads: int = 1) -> onnxruntime.SessionOptions:
    """How ONNX Runtime loads every graph: so many threads for a call, and only errors are told."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def choose_providers(names: Sequence[str]) -> list[str | tuple[str, dict[str, str]]]:
    """ONNX Runtime's providers, with their options: products of 32-bit numbers are computed in full.

    Raises:
        ArtifactError: one that this ONNX Runtime does not have.
    """
    there = onnxruntime.get_available_providers()
    known = {name.removesuffix("ExecutionProvider").lower(): name for name in there}
    chosen: list[str | tuple[str, dict[str, str]]] = []
    for name in names or ["cpu"]:
        full = known.get(name.removesuffix("ExecutionProvider").lower())
        if full is None:
            raise ArtifactError(
                f"provider {name!r}: this ONNX Runtime {onnxruntime.__version__} has {', '.join(known)}; for "
                f"NVIDIA's install onnxruntime-gpu in place of onnxruntime"
            )
        chosen.append((full, PROVIDER_OPTIONS[full]) if full in PROVIDER_OPTIONS else full)
    return chosen


class OnnxGraph:
    """An ONNX file loaded by ONNX Runtime, with what it says of itself.

    Args:
        path: the file.
        threads: of one call.
        options: of ONNX Runtime, in place of ``session_options(threads)``.
        providers: what shall compute, in the order of preference: ``cpu``, ``cuda``, ``tensorrt``, or a name
            of ONNX Runtime's; by default the CPU.

    Attributes:
        backend: ``onnxruntime``, with the provider that computes if that is not the CPU.
        providers: those that ONNX Runtime really uses.
        inputs, outputs: tensors as the graph declares them.
        manifest: ours, or None for a file made by others.
        metadata: what others wrote into the file, by key.

    Raises:
        ArtifactError: no such file, not an ONNX graph that ONNX Runtime can load, data outside the file, or a
            provider that is not there.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        threads: int = 1,
        options: onnxruntime.SessionOptions | None = None,
        providers: Sequence[str] = (),
    ) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise ArtifactError(f"{self.path}: there is no such file; expected an ONNX artifact")
        options = options or session_options(threads)
        wanted = choose_providers(providers)
        try:
            self._endless = check_file(self.path)
            self._inference = onnxruntime.InferenceSession(str(self.path), options, providers=wanted)
        except ArtifactError:
            raise
        except Exception as error:  # ONNX Runtime's own classes share no other base
            reason = _reason(error).replace(str(self.path), "the file")
            raise ArtifactError(
                f"{self.path}: ONNX Runtime {onnxruntime.__version__} cannot load it ({reason}); it is "
                f"damaged, truncated or not ONNX: export or download it again"
            ) from error
        if options.intra_op_num_threads != 1:
            _THREADED.add(self._inference)
        self.providers = tuple(self._inference.get_providers())
        first = wanted[0] if isinstance(wanted[0], str) else wanted[0][0]
        if first not in self.providers:  # ONNX Runtime goes on without a word
            raise ArtifactError(
                f"{self.path}: ONNX Runtime cannot start {first} and would compute with "
                f"{', '.join(self.providers)}; check the GPU, its driver and the libraries that the provider "
                f"needs, or leave providers out"
            )
        self.backend = "onnxruntime" if first == CPU else f"onnxruntime, {first}"
        try:
            self.inputs = tuple(_tensor_spec(value) for value in self._inference.get_inputs())
            self.outputs = tuple(_tensor_spec(value) for value in self._inference.get_outputs())
            self.metadata = dict(self._inference.get_modelmeta().custom_metadata_map)
        except UnicodeDecodeError as error:
            raise ArtifactError(
                f"{self.path}: its names or metadata are no text ({error}); it is damaged: export or "
                f"download it again"
            ) from error
        self._input_names = [spec.name for spec in self.inputs]
        # ONNX Runtime would ask for each, every time
        self._output_names = [spec.name for spec in self.outputs]
        text = self.metadata.pop(METADATA_KEY, None)
        self.manifest = None if text is None else Manifest.from_json(text, str(self.path))
        if self.manifest is not None:
            check_record(self.path, self.manifest, self.inputs, self.outputs)

    def __call__(self, *values: NDArray[Any]) -> list[Array]:
        """Run once with values in the order of ``inputs``; the outputs are new arrays.

        Raises:
            ArtifactError: ONNX Runtime cannot run it.
        """
        feed = dict(zip(self._input_names, values, strict=True))
        try:
            # it would collect the names itself, but at every call
            run = self._interruptible if self._endless else self._inference.run
            return run(self._output_names, feed)
        except Exception as error:  # as above
            raise self._failure(error) from error

    def bind_arrays(self, inputs: Sequence[Array], outputs: Mapping[int, Array]) -> Callable[[], None]:
        """A call that always reads and writes the same arrays, without copies.

        Args:
            inputs: contiguous, in the order of ``inputs``.
            outputs: contiguous, each for the index of an output.

        Returns:
            what runs once; it raises ArtifactError where ONNX Runtime cannot. The CPU has to compute.
        """
        binding = self._inference.io_binding()
        for name, array in zip(self._input_names, inputs, strict=True):
            binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))
        for index, array in outputs.items():
            value = onnxruntime.OrtValue.ortvalue_from_numpy(array)
            binding.bind_ortvalue_output(self._output_names[index], value)

        def run(arrays: object = (inputs, outputs)) -> None:  # which ONNX Runtime does not keep
            try:
                self._inference.run_with_iobinding(binding)
            except Exception as error:  # as above
                raise self._failure(error) from error

        return run

    def _failure(self, error: Exception) -> ArtifactError:
        return ArtifactError(
            f"{self.path}: ONNX Runtime {onnxruntime.__version__} cannot run it ({_reason(error)}); it "
            f"is damaged, or made for other sizes: export or download it again"
        )

    def _interruptible(self, names: list[str], feed: dict[str, NDArray[Any]]) -> list[Array]:
        """Run in another thread, so that whoever waits can be interrupted; then the run ends, too."""
        options = onnxruntime.RunOptions()
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(self._inference.run, names, feed, options)
            try:
                while not running.done():
                    wait([running], 0.1)
            except BaseException:
                options.terminate = True
                raise
            outputs: list[Array] = running.result()
            return outputs


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _tensor_spec(value: Any) -> TensorSpec:
    dtype = value.type.removeprefix("tensor(").removesuffix(")")
    return TensorSpec(value.name, tuple(value.shape), {"float": "float32"}.get(dtype, dtype))
