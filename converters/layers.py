"""Layer by layer: what every module of a network gives in PyTorch, and what a backend makes of it.

The outputs of all modules become outputs of the network, under the modules' paths, and the network is traced
with them: so one way serves every backend that takes a traced network. What other layers are fused with, a
compiler may then have to leave alone; the file that is shipped is judged by its converter's own gate.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zoo.artifact.parity import measure_difference
from zoo.spec import Tolerance

Array = NDArray[Any]
Backend = Literal["onnx", "torchscript", "exported", "engine"]
BACKENDS: tuple[Backend, ...] = ("onnx", "torchscript", "exported", "engine")
Valid = Callable[[str, Array], Array]
Runner = Callable[..., Sequence[Any]]

# Of layers, whose values may be small beside rounding: an error counts if it is large by both measures.
LAYER_TOLERANCE = Tolerance(snr_db=80.0, max_error=1e-4)


@dataclass(frozen=True)
class Layer:
    """How far a backend's activation lies from PyTorch's.

    Attributes:
        name: path of the module; ``path#2`` where it ran again, ``path.1`` for a second tensor of one call.
        order: in which the network computes it.
        snr_db: over all calls.
        max_error: largest difference over the largest magnitude.
        first_call: the first call that differs by more than was allowed, or None.
    """

    name: str
    order: int
    snr_db: float
    max_error: float
    first_call: int | None

    @property
    def passed(self) -> bool:
        return self.first_call is None


class Probed(nn.Module):
    """A network that gives, behind its own outputs, those of its modules.

    Args:
        module: takes and gives tensors.
        outputs: names of what it gives itself.
    """

    def __init__(self, module: nn.Module, outputs: Sequence[str]) -> None:
        super().__init__()
        self.module = module
        self._seen = _Seen()
        self.own = tuple(outputs)

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        self._seen.values = {}
        outputs = self.module(*values)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return *outputs, *self._seen.values.values()

    @property
    def names(self) -> list[str]:
        """Of all that the last call gave; an exporter may go other ways through a network than PyTorch."""
        return [*self.own, *self._seen.values]

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While this lasts the modules' outputs are captured."""
        hooks = [
            submodule.register_forward_hook(self._hook(path))
            for path, submodule in self.module.named_modules()
            if path
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _hook(self, path: str) -> Callable[[nn.Module, Any, Any], None]:
        def capture(module: nn.Module, inputs: Any, output: Any) -> None:
            values = self._seen.values
            tensors = output if isinstance(output, (tuple, list)) else (output,)
            floats = [t for t in tensors if isinstance(t, Tensor) and t.dtype == torch.float32]
            for index, tensor in enumerate(floats):
                name = f"{path}.{index}" if index else path
                turn = sum(1 for known in values if known.partition("#")[0] == name)
                values[f"{name}#{turn + 1}" if turn else name] = tensor.clone()

        return capture


class _Seen:
    """What was captured in a call; no module's attribute, which an exporter would take for state."""

    def __init__(self) -> None:
        self.values: dict[str, Tensor] = {}


def verify_layers(
    module: nn.Module,
    calls: Sequence[Sequence[Array]],
    against: Backend,
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    states: int = 0,
    tolerance: Tolerance = LAYER_TOLERANCE,
    valid: Valid | None = None,
    opset: int = 23,
    build: Callable[[Path, Path], object] | None = None,
) -> list[Layer]:
    """Compare every module's output in PyTorch with a backend's.

    Args:
        module: takes and gives tensors, in eval mode; the same number and shapes at every call.
        calls: inputs of some calls, without the states, which begin as zeros.
        against: the backend.
        inputs, outputs: names of what the module takes and gives, the states behind all others.
        states: how many there are; each run feeds its own back.
        tolerance: what a layer may differ; it fails where both figures are beyond it.
        valid: cuts a named activation down to what counts, where inputs are padded.
        opset: of ONNX.
        build: makes an engine from an ONNX file, for ``engine``.

    Returns:
        one record a layer: those that fail first, by the call and the order in which they do.

    Raises:
        ValueError: an unknown backend, or an activation that a backend gives in another shape.
    """
    if against not in BACKENDS:
        raise ValueError(f"backend {against!r} is none of {', '.join(BACKENDS)}")
    zeros = _zero_states(module, calls[0], states)
    probed = Probed(module, outputs).eval()
    example = tuple(torch.from_numpy(np.ascontiguousarray(value)) for value in (*calls[0], *zeros))
    cut = valid or (lambda name, value: value)
    with tempfile.TemporaryDirectory() as folder, probed.watching():
        candidate, names = _open(against, probed, example, inputs, Path(folder), opset, build)
        common: dict[str, list[tuple[Array, Array]]] = {}
        memory: tuple[Sequence[Any], Sequence[Any]] = (zeros, zeros)
        for call in calls:
            with torch.inference_mode():
                ours = [
                    t.clone().numpy()
                    for t in probed(*(torch.from_numpy(np.ascontiguousarray(v)) for v in (*call, *memory[0])))
                ]
            theirs = list(candidate(*call, *memory[1]))
            own = len(outputs)
            memory = ours[own - states : own], theirs[own - states : own]
            named = dict(zip(names, theirs, strict=True))
            for name, a in zip(probed.names, ours, strict=True):
                if name not in named:
                    continue
                b = named[name]
                b = np.array(b) if isinstance(b, np.ndarray) else b.detach().cpu().numpy().copy()
                if a.shape != b.shape:
                    raise ValueError(f"{name}: {against} gives the shape {b.shape}, PyTorch {a.shape}")
                common.setdefault(name, []).append((cut(name, a), cut(name, b)))
        layers = [_layer(name, i, kept, tolerance) for i, (name, kept) in enumerate(common.items())]
    order = {layer.name: layer.order + (len(layers) if layer.order < len(outputs) else 0) for layer in layers}
    never = len(calls)
    return sorted(layers, key=lambda x: (never if x.first_call is None else x.first_call, order[x.name]))


def _layer(name: str, order: int, pairs: Sequence[tuple[Array, Array]], tolerance: Tolerance) -> Layer:
    reference, candidate = (np.concatenate([pair[i].ravel() for pair in pairs]) for i in (0, 1))
    snr_db, max_error = measure_difference(reference, candidate)
    first = None
    if snr_db < tolerance.snr_db and max_error > tolerance.max_error:
        peak = max(float(np.abs(reference).max()), 1e-30)
        far = [float(np.abs(a - b).max()) / peak > tolerance.max_error for a, b in pairs]
        first = far.index(True) if True in far else 0
    return Layer(name, order, snr_db, max_error, first)


def _zero_states(module: nn.Module, call: Sequence[Array], states: int) -> list[Array]:
    """Zeros for the states, in the shapes that a streaming form gives them."""
    if not states:
        return []
    shapes = module.get_submodule("core").state_shapes()  # type: ignore[operator]
    return [np.zeros((len(call[0]), *shape), np.float32) for shape in shapes.values()]


def _open(
    against: Backend,
    probed: Probed,
    example: tuple[Tensor, ...],
    inputs: Sequence[str],
    folder: Path,
    opset: int,
    build: Callable[[Path, Path], object] | None,
) -> tuple[Runner, list[str]]:
    """What runs a probed network, from a file, and the names of what it gives."""
    if against == "torchscript":
        path = folder / "probed.ts"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            script = torch.jit.trace(probed, example, check_trace=False, strict=False)
            torch.jit.save(torch.jit.freeze(script.eval()), str(path))
            return _tensors(torch.jit.load(str(path))), probed.names
    if against == "exported":
        from converters.exported import quiet

        path = folder / "probed.pt2"
        with quiet(), torch.no_grad():
            torch.export.save(torch.export.export(probed, example), str(path))
            return _tensors(torch.export.load(str(path)).module()), probed.names
    import onnx

    from converters import tracing
    from zoo.runtime.graph import Graph

    path, shapes = folder / "probed.onnx", ((None,) * len(example),)
    proto = tracing.trace(probed, example, inputs, probed.own, shapes, opset)
    onnx.save(proto, path)
    if against == "onnx":
        return Graph(path), probed.names
    from converters.tensorrt import build_engine
    from zoo.runtime.tensorrt import Engine

    engine = folder / "probed.engine"
    (build or build_engine)(path, engine)
    loaded = Engine(engine)
    found = [spec.name for spec in loaded.outputs]
    order = [found.index(value.name) for value in proto.graph.output]
    places = [list(inputs).index(spec.name) for spec in loaded.inputs]

    def run(*values: Any) -> list[Any]:
        given = loaded(*(values[place] for place in places))
        return [given[index] for index in order]

    return run, probed.names


def _tensors(module: Callable[..., Any]) -> Runner:
    def run(*values: Any) -> list[Tensor]:
        with torch.inference_mode():
            given = [
                v if isinstance(v, Tensor) else torch.from_numpy(np.ascontiguousarray(v)) for v in values
            ]
            return [tensor.clone() for tensor in module(*given)]

    return run


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)
