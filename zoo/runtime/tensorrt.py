"""Engines of TensorRT and of TensorRT for RTX on the GPU that they were built for.

Memory on the GPU is allocated once. States stay there: what ``Engine`` gives for them are tensors on the GPU
that go into the next call as they are, so that only audio crosses the bus. From the second call of a shape
on, all that a call does is replayed as one CUDA graph.

PyTorch with CUDA brings memory, streams and graphs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.artifact.engine import PLUGIN_FLAGS, EngineRecord, read_engine_record
from zoo.artifact.manifest import Manifest
from zoo.errors import ArtifactError, MissingExtraError
from zoo.extras import extra
from zoo.runtime.buckets import choose_bucket, fits
from zoo.runtime.graph import check_record
from zoo.runtime.nvidia import find_gpu, load_library, make_logger
from zoo.spec import TensorSpec

if TYPE_CHECKING:
    from torch import Tensor

Shape = tuple[int, ...]

SHAPES_KEPT = 16  # sets of shapes whose CUDA graph is kept
CALLS_BEFORE_CAPTURE = 2  # the first ones let the library allocate what it needs


class Engine:
    """A loaded engine.

    Args:
        path: the engine; its record lies beside it.
        graphs: replay calls as CUDA graphs, but for engines that call Python.
        register_plugins: makes known to TensorRT what such an engine calls.

    Attributes:
        record: what lies beside it.
        backend: ``tensorrt`` or ``tensorrt_rtx``.
        inputs, outputs: its tensors, in the manifest's order if there is one.
        manifest: of the graph that it was built from, with the tolerance of its precision.

    Raises:
        ArtifactError: no engine, no record, damaged, or not for this machine, with the reason.
        MissingExtraError: TensorRT, or PyTorch with CUDA, is not installed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        graphs: bool = True,
        register_plugins: Callable[[], None] | None = None,
    ) -> None:
        self.path = Path(path)
        self.record = read_engine_record(self.path)
        self.backend: str = self.record.flavour
        self._trt = load_library(self.record.flavour)
        self._torch = load_torch(self.path)
        refusal = self.record.refusal(self._trt.__version__, find_gpu(self._torch.cuda.current_device()))
        if refusal:
            raise ArtifactError(f"{self.path}: {refusal}; build it here, with speechzoo build")
        calls_python = PLUGIN_FLAGS["jit"] in self.record.flags
        if calls_python and register_plugins is not None:
            register_plugins()
        self._log = make_logger(self._trt)
        self._runtime = self._trt.Runtime(self._log)
        self._engine = self._runtime.deserialize_cuda_engine(self.path.read_bytes())
        if self._engine is None:
            raise ArtifactError(
                f"{self.path}: {self.record.title} cannot load it ({self._log.told()}); build it again"
            )
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise ArtifactError(f"{self.path}: there is no memory on the GPU to run it ({self._log.told()})")
        self.manifest = _manifest(self.record, str(self.path))
        self.inputs, self.outputs = self._tensors()
        if self.manifest is not None:
            check_record(self.path, self.manifest, self.inputs, self.outputs)
        self._stream = self._torch.cuda.Stream()
        self._replays = graphs and not calls_python
        self._bound: dict[tuple[Shape, ...], _Bound] = {}
        self._buffers: dict[str, Tensor] = {}

    def __call__(self, *values: Any) -> list[Any]:
        """Run once with values in the order of ``inputs``: arrays, or tensors on the GPU.

        Returns:
            the first output as an array, the others as tensors on the GPU; all are the caller's own.

        Raises:
            ArtifactError: shapes that the engine was not built for, or the GPU fails.
        """
        bound = self.bind([tuple(value.shape) for value in values])
        with self._torch.cuda.stream(self._stream):
            on_card = [(to, v) for to, v in zip(bound.inputs, values, strict=True) if not _is_array(v)]
            for to, value in zip(bound.inputs, values, strict=True):
                if _is_array(value):
                    to.copy_(self._torch.from_numpy(np.ascontiguousarray(value)))
            if on_card:
                self._torch._foreach_copy_([to for to, _ in on_card], [value for _, value in on_card])
            bound.run()
            states = [self._torch.empty_like(tensor) for tensor in bound.outputs[1:]]
            if states:
                self._torch._foreach_copy_(states, bound.outputs[1:])
            signal = bound.outputs[0].cpu().numpy()  # waits for the stream
        return [signal, *states]

    def bind(self, shapes: Sequence[Shape]) -> _Bound:
        """What runs calls of these input shapes.

        Raises:
            ArtifactError: the engine was not built for them.
        """
        key = tuple(shapes)
        if key not in self._bound:
            wanted = {spec.name: shape for spec, shape in zip(self.inputs, key, strict=True)}
            for spec, shape in zip(self.inputs, key, strict=True):
                if not spec.fits(shape) or not fits(self.record.profiles, wanted):
                    choose_bucket([self.record.profiles], wanted)  # says what it takes
                    raise ArtifactError(f"{self.path}: {spec.name} has shape {spec.shape}, not {shape}")
            while len(self._bound) >= SHAPES_KEPT:
                del self._bound[next(iter(self._bound))]
            self._bound[key] = _Bound(self, wanted)
        return self._bound[key]

    def buffer(self, name: str, shape: Shape) -> Tensor:
        """A piece of the memory of a tensor, which is as large as its largest shape."""
        if name not in self._buffers:
            size = self._largest(name)
            self._buffers[name] = self._torch.zeros(size, dtype=self._dtype(name), device="cuda")
        count = int(np.prod(shape))
        if count > self._buffers[name].numel():
            raise ArtifactError(f"{self.path}: {name} {shape} is larger than what the engine was built for")
        return self._buffers[name][:count].view(shape)

    def _largest(self, name: str) -> int:
        """Elements of a tensor at the most shapes of all inputs."""
        most = {
            spec.name: self.record.profiles[spec.name][2] if spec.name in self.record.profiles else spec.shape
            for spec in self.inputs
        }
        if name in most:
            return int(np.prod([int(n) for n in most[name]]))
        for other, shape in most.items():
            self._context.set_input_shape(other, tuple(int(n) for n in shape))
        return int(np.prod(tuple(self._context.get_tensor_shape(name))))

    def _tensors(self) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        """Inputs and outputs; the manifest names free dimensions and gives the order."""
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        inputs: list[TensorSpec] = []
        outputs: list[TensorSpec] = []
        for name in names:
            shape = tuple(n if n >= 0 else "free" for n in self._engine.get_tensor_shape(name))
            is_input = self._engine.get_tensor_mode(name) == self._trt.TensorIOMode.INPUT
            dtype = str(self._dtype(name)).removeprefix("torch.")
            (inputs if is_input else outputs).append(TensorSpec(name, shape, dtype))
        if self.manifest is None:
            return tuple(inputs), tuple(outputs)
        return (
            _ordered(inputs, self.manifest.graph_inputs),
            _ordered(outputs, self.manifest.graph_outputs),
        )

    def _dtype(self, name: str) -> Any:
        kind = self._engine.get_tensor_dtype(name)
        return getattr(self._torch, str(np.dtype(self._trt.nptype(kind))))


class _Bound:
    """Calls of one set of input shapes: pieces of the engine's memory, and their CUDA graph."""

    def __init__(self, engine: Engine, wanted: Mapping[str, Shape]) -> None:
        self._engine, self._wanted = engine, dict(wanted)
        self.inputs = [engine.buffer(name, shape) for name, shape in wanted.items()]
        context = engine._context
        for name, shape in wanted.items():
            context.set_input_shape(name, shape)
        shapes = {spec.name: tuple(context.get_tensor_shape(spec.name)) for spec in engine.outputs}
        self.outputs = [engine.buffer(name, shape) for name, shape in shapes.items()]
        self._calls = 0
        self._recording: Any = None

    def run(self) -> None:
        """Compute outputs from inputs, on the current stream; returns before it is done."""
        engine, torch = self._engine, self._engine._torch
        self._calls += 1
        if self._recording is not None:
            self._recording.replay()
            return
        self.enqueue()
        if engine._replays and self._calls >= CALLS_BEFORE_CAPTURE:
            torch.cuda.current_stream().synchronize()
            recording = torch.cuda.CUDAGraph()
            with torch.cuda.graph(recording, stream=engine._stream):
                self.enqueue()
            self._recording = recording

    def enqueue(self) -> None:
        """Hand the call to the current stream.

        Raises:
            ArtifactError: the library refuses.
        """
        engine = self._engine
        context = engine._context
        for name, shape in self._wanted.items():
            context.set_input_shape(name, shape)
        for spec, tensor in zip(
            (*engine.inputs, *engine.outputs), (*self.inputs, *self.outputs), strict=True
        ):
            context.set_tensor_address(spec.name, tensor.data_ptr())
        if not context.execute_async_v3(engine._torch.cuda.current_stream().cuda_stream):
            raise ArtifactError(f"{engine.path}: {engine.record.title} cannot run it ({engine._log.told()})")


class Bucketed:
    """Several engines of one graph, each for shapes up to its own limit; the smallest that fits computes.

    Args:
        paths: the engines.

    Raises:
        ArtifactError: they are not of one graph.
    """

    def __init__(self, paths: Sequence[str | os.PathLike[str]], *, graphs: bool = True) -> None:
        self.engines = [Engine(path, graphs=graphs) for path in paths]
        first = self.engines[0]
        others = {engine.record.onnx_sha256 for engine in self.engines} - {first.record.onnx_sha256}
        if others:
            raise ArtifactError(f"{', '.join(map(str, paths))}: they were built from different graphs")
        self.path, self.backend, self.manifest = first.path, first.backend, first.manifest
        self.inputs, self.outputs = first.inputs, first.outputs

    def __call__(self, *values: Any) -> list[Any]:
        """See ``Engine``.

        Raises:
            ArtifactError: no engine takes values of these shapes.
        """
        wanted = {spec.name: tuple(v.shape) for spec, v in zip(self.inputs, values, strict=True)}
        index = choose_bucket([engine.record.profiles for engine in self.engines], wanted)
        return self.engines[index](*values)


def load_torch(path: Path) -> Any:
    """PyTorch, with CUDA.

    Raises:
        MissingExtraError: it is not there.
    """
    with extra("torch", f"{path}: running an engine", package="torch with CUDA"):
        import torch
    if not torch.cuda.is_available():
        raise MissingExtraError(
            f"{path}: running an engine needs an NVIDIA GPU and PyTorch with CUDA; this PyTorch "
            f"{torch.__version__} finds none. The .onnx artifact runs on a CPU"
        )
    return torch


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)


def _manifest(record: EngineRecord, where: str) -> Manifest | None:
    if record.manifest is None:
        return None
    return replace(record.model_manifest(where), tolerance=record.tolerance)


def _ordered(found: Sequence[TensorSpec], wanted: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
    """Tensors in the manifest's order, with its names of free dimensions where it agrees."""
    known = {spec.name: spec for spec in wanted}
    order = {spec.name: index for index, spec in enumerate(wanted)}
    ranked = sorted(found, key=lambda spec: order.get(spec.name, len(order)))
    return tuple(
        replace(spec, shape=known[spec.name].shape)
        if spec.name in known and known[spec.name].fits(spec.shape)
        else spec
        for spec in ranked
    )
