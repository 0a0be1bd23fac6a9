"""What models on a server have in common, whatever they are for: how they are served, and what their
configurations and READMEs say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any, Literal, get_args

from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

from converters.triton.serving.check_tensorrt import engine_version
from zoo.artifact.manifest import Manifest
from zoo.spec import TensorSpec
from zoo.triton.connection import PARAMETER

Device = Literal["cpu", "gpu"]
Shapes = tuple[tuple[int, ...], ...]  # smallest, usual, largest

CONTAINER = "nvcr.io/nvidia/tritonserver:26.07-py3"  # with ONNX Runtime 1.27
SECONDS = (2.0, 60.0)
TEMPLATES = Path(__file__).parent / "serving"
TYPES = {"float32": "TYPE_FP32", "int64": "TYPE_INT64", "int32": "TYPE_INT32"}

# The first ONNX Runtime that reads an opset; container 24.08 has 1.18, 25.03 has 1.21, 25.09 has 1.23.
_ONNX_RUNTIME = {18: "1.18", 19: "1.18", 20: "1.18", 21: "1.18", 22: "1.21", 23: "1.23"}
_UNVERIFIED = (
    "\nNot yet verified on a GPU: `speechzoo client load --artifact FILE` does it, FILE being the artifact.\n"
)


@dataclass(frozen=True)
class Serving:
    """How models are to be served; what a manifest cannot know.

    Attributes:
        device: ``cpu`` or ``gpu``.
        instances: copies of a model that compute at the same time.
        max_batch_size: streams or recordings of one call.
        queue_delay: seconds that a request may wait for others to fill a batch; batches also form without,
            from what arrives while a call is being computed.
        tensorrt: on a GPU, let ONNX Runtime build TensorRT engines when the server starts.
        fp16: of those engines.
        engine: a TensorRT engine of the same graph to serve in its place; its record sets batch and seconds.
        seconds: of recordings of a speaker, that a profile is best for, and the longest that is taken.
        idle: seconds without a request after which a stream that was not ended is forgotten.
        streams: of an enhancer that one instance holds at once; more wait for a place.
        container: the server's image.
    """

    device: Device = "cpu"
    instances: int = 1
    max_batch_size: int = 0
    queue_delay: float = 0.0
    tensorrt: bool = False
    fp16: bool = False
    engine: Path | None = None
    seconds: tuple[float, float] = SECONDS
    idle: float = 60.0
    streams: int = 1024
    container: str = CONTAINER

    def __post_init__(self) -> None:
        if self.device not in get_args(Device):
            raise ValueError(f"device {self.device!r} is none of {', '.join(get_args(Device))}")
        if self.instances < 1 or self.max_batch_size < 0 or not 0 <= self.queue_delay < 60:
            raise ValueError("instances and batch size must be at least 1, the delay from 0 to 60 seconds")
        if self.streams < 1 or not 0 < self.idle <= 86400:
            raise ValueError("streams must be at least 1, and idle above 0 seconds and at most a day")
        if not 0 < self.seconds[0] <= self.seconds[1]:
            raise ValueError(f"seconds {self.seconds}: the usual, and the longest, which is not shorter")
        if (self.tensorrt or self.engine) and self.device != "gpu":
            raise ValueError('TensorRT needs device="gpu"')
        if self.tensorrt and self.engine:
            raise ValueError("an engine is finished; tensorrt=True lets the server build its own")
        if self.fp16 and not self.tensorrt:
            raise ValueError("fp16 is for engines that the server builds, with tensorrt=True")

    @property
    def backend(self) -> str:
        return "tensorrt" if self.engine else "onnxruntime"

    def batch(self, default: int) -> int:
        return self.max_batch_size or default


def new_model(name: str, serving: Serving, batch: int, manifest: Manifest) -> ModelConfig:
    """What every graph's configuration begins with."""
    config = ModelConfig(name=name, backend=serving.backend, max_batch_size=batch)
    kind = ModelInstanceGroup.KIND_GPU if serving.device == "gpu" else ModelInstanceGroup.KIND_CPU
    config.instance_group.add(kind=kind, count=serving.instances)
    config.parameters[PARAMETER].string_value = manifest.to_json()
    if serving.backend == "onnxruntime":
        config.parameters["intra_op_thread_count"].string_value = "1"
        config.parameters["inter_op_thread_count"].string_value = "1"
    return config


def accelerate(config: ModelConfig, serving: Serving, shapes: Mapping[str, Shapes]) -> None:
    """On a GPU full precision, and TensorRT if asked for, with a profile for each input."""
    if serving.device != "gpu" or serving.engine:
        return
    accelerators = config.optimization.execution_accelerators.gpu_execution_accelerator
    if serving.tensorrt:
        tensorrt = accelerators.add(name="tensorrt")
        tensorrt.parameters["precision_mode"] = "FP16" if serving.fp16 else "FP32"
        for place, kind in enumerate(("min", "opt", "max")):
            sizes = [f"{name}:{'x'.join(map(str, shape[place]))}" for name, shape in shapes.items()]
            tensorrt.parameters[f"trt_profile_{kind}_shapes"] = ",".join(sizes)
    accelerators.add(name="cuda").parameters["use_tf32"] = "0"


def dims(spec: TensorSpec) -> list[int]:
    """Without the axis of streams or recordings, which is the batch; -1 for what is free."""
    return [n if isinstance(n, int) else -1 for n in spec.shape[1:]]


def write_readme(name: str, manifest: Manifest, serving: Serving, **own: Any) -> str:
    """Fill in a README.

    Args:
        name: of the template, among ``TEMPLATES``.
        manifest: of the graph.
        serving: how it is served.
        own: what the task's template has besides what every one has.
    """
    opset = manifest.toolchain.get("opset", "")
    common: dict[str, object] = {
        "registered": manifest.model,
        **{key: manifest.weights.get(key, "unknown") for key in ("sha256", "licence")},
        "weights": manifest.weights.get("source", "unknown"),
        "instances": serving.instances,
        "device": serving.device.upper(),
        "backend": serving.backend,
        "container": serving.container,
        "opset": opset,
        "onnxruntime": _ONNX_RUNTIME.get(int(opset or 0), "1.23"),
        "gpu": " --gpus all" if serving.device == "gpu" else "",
        "unverified": _UNVERIFIED if serving.device == "gpu" else "",
        "engine": _engine_note(serving),
    }
    return Template((TEMPLATES / name).read_text()).substitute(common, **own)


def _engine_note(serving: Serving) -> str:
    if serving.engine is None:
        return ""
    built = engine_version(serving.engine)
    return (
        f"\nThe engine was built by TensorRT {built} and runs on no other version: the server's image is not "
        f"built from a container with another one (`check_tensorrt.py`).\n"
    )
