"""Layer by layer: what every module of a network gives in PyTorch, and what a backend makes of it.

The outputs of all modules become outputs of the network, under the modules' paths, and the network is traced
with them: so one way serves every backend that takes a traced network. What other layers are fused with, a
compiler may then have to leave alone; the file that is shipped is judged by its converter's own gate.
"""

from __future__ import annotations

import difflib
import inspect
import tempfile
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from converters.subjects import get_subject
from converters.subjects.subject import Progress, Valid
from zoo.artifact.engine import TOLERANCES, Precision
from zoo.artifact.parity import measure_difference
from zoo.networks.base import Network
from zoo.spec import Tolerance

Backend = Literal["onnx", "torchscript", "exported", "engine"]
BACKENDS: tuple[Backend, ...] = ("onnx", "torchscript", "exported", "engine")
Runner = Callable[..., Sequence[Any]]

# Of layers, whose values may be small beside rounding: an error counts if it is large by both measures.
LAYER_TOLERANCE = Tolerance(snr_db=80.0, max_error=1e-4)
LAYER_TOLERANCES: dict[Precision, Tolerance] = {"fp32": LAYER_TOLERANCE, "fp16": TOLERANCES["fp16"]}
ANY = Tolerance(float("-inf"), float("inf"))


@dataclass(frozen=True)
class Layer:
    """How far a backend's activation lies from PyTorch's.

    Attributes:
        name: path of the module; ``path#2`` where it ran again, ``path.1`` for a second tensor of one call,
            ``path input`` for what it took.
        order: in which the network computes it.
        identical: bit for bit, over all calls.
        errors: values that differ by more than the tolerance's part of the largest magnitude, or that are not
            finite.
        total: values that were compared.
        max_difference: the largest difference, in the activation's own unit.
        max_error: the same over the largest magnitude.
        snr_db: over all calls.
        first_call: the first call that differs by more than was allowed, or None.
        values: PyTorch's and the backend's of that call, or of the first, where they were to be kept.
    """

    name: str
    order: int
    identical: bool
    errors: int
    total: int
    max_difference: float
    max_error: float
    snr_db: float
    first_call: int | None
    values: tuple[NDArray[Any], NDArray[Any]] | None = field(default=None, repr=False, compare=False)

    @property
    def passed(self) -> bool:
        return self.first_call is None


class Probed(nn.Module):
    """A network that gives, behind its own outputs, those of its modules.

    Args:
        module: takes and gives tensors.
        outputs: names of what it gives itself.
        within: see ``verify_layers``.
        inputs_of: see ``verify_layers``.
    """

    def __init__(
        self, module: nn.Module, outputs: Sequence[str], within: str = "", inputs_of: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.module = module
        self._seen = _Seen()
        self.own = tuple(outputs)
        self._within, self._inputs_of = within, tuple(inputs_of)

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
            for path, submodule in self.module.get_submodule(self._within).named_modules()
            if path and not isinstance(submodule, nn.Dropout)  # which passes on what it takes
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _hook(self, path: str) -> Callable[[nn.Module, Any, Any], None]:
        def capture(module: nn.Module, inputs: Any, output: Any) -> None:
            if path.rpartition(".")[2] in self._inputs_of:
                self._keep(f"{path} input", inputs[0])
            self._keep(path, output)

        return capture

    def _keep(self, path: str, given: Any) -> None:
        """Copies, since what runs later may change a tensor in place."""
        values = self._seen.values
        tensors = given if isinstance(given, (tuple, list)) else (given,)
        floats = [t for t in tensors if isinstance(t, Tensor) and t.dtype == torch.float32]
        for index, tensor in enumerate(floats):
            name = f"{path}.{index}" if index else path
            turn = sum(1 for known in values if known.partition("#")[0] == name)
            values[f"{name}#{turn + 1}" if turn else name] = tensor.clone()


class _Seen:
    """What was captured in a call; no module's attribute, which an exporter would take for state."""

    def __init__(self) -> None:
        self.values: dict[str, Tensor] = {}


def compare_layers(
    model: Network,
    against: Backend,
    *,
    precision: Precision = "fp32",
    tolerance: Tolerance | None = None,
    build: Callable[..., object] | None = None,
    worst: bool | None = None,
    keep: Sequence[str] = (),
    progress: Progress | None = None,
    **options: Any,
) -> list[Layer]:
    """Compare every module's output in PyTorch with a backend's, for a network of any task.

    Args:
        model: training form, in eval mode.
        against, precision, tolerance, build: as ``verify_layers``.
        worst: those that are furthest off first, in place of those that differ first; by default what tells
            more of the task: where calls follow one another, the first that differs is the cause.
        keep: names of layers whose values are wanted.
        progress: called with what is to be told of the calls.
        options: of the task. Enhancers: ``form``, ``streaming``, ``frames`` of a call of an offline graph,
            ``calls`` at most. Speaker networks: ``form``, ``frames``, ``calls``. Text to speech: ``text`` or
            ``texts``, ``alpha``, ``bucket`` or ``buckets``, ``own_durations``.

    Returns:
        one record a layer.

    Raises:
        ArtifactError, ValueError: as ``verify_layers``; or options that do not fit the model.
        TextError: a text that does not fit into the size.
    """
    subject, say = get_subject(model.spec.task), progress or (lambda line: None)
    if unknown := [name for name in options if name not in inspect.signature(subject.calls).parameters]:
        raise ValueError(
            f"{model.spec.name} is a model for {model.spec.task}, whose layers are compared without "
            f"{', '.join(unknown)}"
        )
    calls = subject.calls(model, say, **options)
    layers = verify_layers(
        calls.module,
        calls.values,
        against,
        precision=precision,
        tolerance=tolerance,
        build=build,
        keep=keep,
        **calls.described,
    )
    return worst_first(layers) if (calls.worst_first if worst is None else worst) else layers


def verify_layers(
    module: nn.Module,
    calls: Sequence[Sequence[NDArray[Any]]],
    against: Backend,
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    states: int = 0,
    precision: Precision = "fp32",
    tolerance: Tolerance | None = None,
    valid: Valid | None = None,
    within: str = "",
    inputs_of: Sequence[str] = (),
    opset: int = 23,
    build: Callable[..., object] | None = None,
    keep: Sequence[str] = (),
) -> list[Layer]:
    """Compare every module's output in PyTorch with a backend's.

    Args:
        module: takes and gives tensors, in eval mode; the same number and shapes at every call.
        calls: inputs of some calls, without the states, which begin as zeros.
        against: the backend.
        inputs, outputs: names of what the module takes and gives, the states behind all others.
        states: how many there are; each run feeds its own back.
        precision: ``fp32``, or ``fp16`` for ``onnx`` and ``engine``: the graph that such engines are built
            from, which gives all in 32 bits. PyTorch stays in fp32.
        tolerance: what a layer may differ; it fails where both figures are beyond it. By default that of
            ``LAYER_TOLERANCES``.
        valid: cuts a named activation of a numbered call down to what counts, where inputs are padded.
        within: path of the submodule whose modules are compared, and whose paths begin there; "": all.
        inputs_of: last names of modules whose first input is compared too, for what no module gives.
        opset: of ONNX.
        build: makes an engine from an ONNX file, for ``engine``; as ``build_engine``.
        keep: names of layers whose values are wanted.

    Returns:
        one record a layer: those that fail first, by the call and the order in which they do.

    Raises:
        ValueError: an unknown backend, a precision that it does not have, an activation that a backend
            gives in another shape, or a layer to keep that there is not.
        ArtifactError: the graph cannot be reduced, or an engine of it cannot be built or run.
    """
    _check_backend(against, precision)
    tolerance = tolerance or LAYER_TOLERANCES[precision]
    zeros = _zero_states(module, calls[0], states)
    probed = Probed(module, outputs, within, inputs_of).eval()
    cut = valid or (lambda name, value, call: value)
    with tempfile.TemporaryDirectory() as folder, probed.watching():
        feeds = [dict(zip(inputs, (*call, *zeros), strict=True)) for call in calls]
        candidate, names = _open(against, probed, inputs, Path(folder), opset, precision, feeds, build)
        common = _run_beside(probed, candidate, names, calls, zeros, cut, against)
    _check_names(keep, common)
    ordered = sorted(common, key=lambda name: name in outputs)  # which are computed last
    layers = [_layer(name, order, common[name], tolerance, keep) for order, name in enumerate(ordered)]
    return sorted(layers, key=lambda x: (len(calls) if x.first_call is None else x.first_call, x.order))


def _check_backend(against: str, precision: str) -> None:
    if against not in BACKENDS:
        raise ValueError(f"backend {against!r} is none of {', '.join(BACKENDS)}")
    if precision not in LAYER_TOLERANCES or (precision != "fp32" and against not in ("onnx", "engine")):
        raise ValueError(f"{against} in {precision} is not compared; take fp32, or fp16 of onnx or engine")


def _check_names(keep: Sequence[str], known: Collection[str]) -> None:
    for name in keep:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
            raise ValueError(
                f"there is no layer {name!r}" + (f"; like it are {', '.join(near)}" if near else "")
            )


def _run_beside(
    probed: Probed,
    candidate: Runner,
    names: Sequence[str],
    calls: Sequence[Sequence[NDArray[Any]]],
    zeros: Sequence[NDArray[Any]],
    cut: Valid,
    against: str,
) -> dict[str, list[tuple[NDArray[Any], NDArray[Any]]]]:
    """Activations by name, PyTorch's and the backend's of every call; each run feeds its own states back."""
    common: dict[str, list[tuple[NDArray[Any], NDArray[Any]]]] = {}
    memory: tuple[Sequence[Any], Sequence[Any]] = (zeros, zeros)
    own = len(probed.own)
    for number, call in enumerate(calls):
        with torch.inference_mode():
            given = [torch.from_numpy(np.ascontiguousarray(value)) for value in (*call, *memory[0])]
            ours = [tensor.clone().numpy() for tensor in probed(*given)]
        theirs = list(candidate(*call, *memory[1]))
        memory = ours[own - len(zeros) : own], theirs[own - len(zeros) : own]
        named = dict(zip(names, theirs, strict=True))
        for name, a in zip(probed.names, ours, strict=True):
            if name not in named:
                continue
            b = named[name]
            b = np.array(b) if isinstance(b, np.ndarray) else b.detach().cpu().numpy().copy()
            if a.shape != b.shape:
                raise ValueError(f"{name}: {against} gives the shape {b.shape}, PyTorch {a.shape}")
            common.setdefault(name, []).append((cut(name, a, number), cut(name, b, number)))
    return common


def worst_first(layers: Sequence[Layer]) -> list[Layer]:
    """Those that fail, then the others; of each the one with the lowest SNR first."""
    return sorted(layers, key=lambda layer: (layer.passed, layer.snr_db, layer.order))


def _layer(
    name: str,
    order: int,
    pairs: Sequence[tuple[NDArray[Any], NDArray[Any]]],
    tolerance: Tolerance,
    keep: Sequence[str] = (),
) -> Layer:
    reference, candidate = (np.concatenate([pair[i].ravel() for pair in pairs]) for i in (0, 1))
    snr_db, max_error = measure_difference(reference, candidate)
    allowed = tolerance.max_error * float(np.abs(reference).max(initial=0))
    beyond = [int((~(np.abs(a.astype(np.float64) - b) <= allowed)).sum()) for a, b in pairs]
    first = None
    if snr_db < tolerance.snr_db and max_error > tolerance.max_error:
        first = next((call for call, count in enumerate(beyond) if count), 0)
    largest = float(np.abs(reference.astype(np.float64) - candidate).max(initial=0))
    return Layer(
        name=name,
        order=order,
        identical=np.array_equal(reference, candidate),
        errors=sum(beyond),
        total=reference.size,
        max_difference=largest if np.isfinite(largest) else float("inf"),
        max_error=max_error,
        snr_db=snr_db,
        first_call=first,
        values=pairs[first or 0] if name in keep else None,
    )


def _zero_states(module: nn.Module, call: Sequence[NDArray[Any]], states: int) -> list[NDArray[Any]]:
    """Zeros for the states, in the shapes that a streaming form gives them."""
    if not states:
        return []
    shapes = module.get_submodule("core").state_shapes()  # type: ignore[operator]
    return [np.zeros((len(call[0]), *shape), np.float32) for shape in shapes.values()]


def _open(
    against: Backend,
    probed: Probed,
    inputs: Sequence[str],
    folder: Path,
    opset: int,
    precision: Precision,
    feeds: Sequence[dict[str, NDArray[Any]]],
    build: Callable[..., object] | None,
) -> tuple[Runner, list[str]]:
    """What runs a probed network, from a file, and the names of what it gives."""
    example = tuple(torch.from_numpy(np.ascontiguousarray(value)) for value in feeds[0].values())
    if against == "torchscript":
        path = folder / "probed.ts"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            script = torch.jit.trace(probed, example, check_trace=False, strict=False)
            torch.jit.save(torch.jit.freeze(script.eval()), str(path))
            return _tensors(torch.jit.load(str(path))), probed.names
    if against == "exported":
        from converters.targets.program import quiet

        path = folder / "probed.pt2"
        with quiet(), torch.no_grad():
            torch.export.save(torch.export.export(probed, example), str(path))
            return _tensors(torch.export.load(str(path)).module()), probed.names
    import onnx

    from converters.targets import tracing
    from zoo.runtime.onnx import OnnxGraph

    path, shapes = folder / "probed.onnx", ((None,) * len(example),)
    proto = tracing.trace(probed, example, inputs, probed.own, shapes, opset)
    onnx.save(proto, path)
    if against == "onnx" and precision == "fp32":
        return OnnxGraph(path), probed.names
    if against == "onnx":
        from converters.tensorrt.precision import write_reduced

        return write_reduced(path, folder / "reduced.onnx", precision, feeds)[1], probed.names
    from converters.tensorrt.engine import build_engine
    from zoo.runtime.tensorrt import Engine

    engine = folder / "probed.engine"
    options: dict[str, Any] = {}
    if precision != "fp32":  # the layers are judged here, one by one
        options = {"precision": precision, "feeds": feeds, "tolerance": ANY}
    (build or build_engine)(path, engine, **options)
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
