"""Writes model repositories for Triton Inference Server: every number comes from the artifact's manifest.

An enhancer becomes one model with sequence batching: the server keeps each stream's states (implicit state)
and computes what waits in several streams in one call. A speaker network becomes three: ``feature_extractor``
in Python, ``speaker_model``, and ``speaker``, which joins them.
"""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from string import Template
from typing import Literal, get_args

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

from converters.triton.serving.check_tensorrt import engine_version
from zoo.artifact.engine import read_engine_record
from zoo.artifact.manifest import EnhancementManifest, Manifest, SpeakerManifest
from zoo.errors import ArtifactError
from zoo.files import atomic_folder, sha256_of
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import Filterbank, TensorSpec
from zoo.triton.connection import PARAMETER
from zoo.triton.enhancement import HOPS_AT_ONCE
from zoo.triton.speaker import EMBEDDINGS, WAVEFORM

Device = Literal["cpu", "gpu"]
Shapes = tuple[tuple[int, ...], ...]  # smallest, usual, largest

CONTAINER = "nvcr.io/nvidia/tritonserver:26.07-py3"  # with ONNX Runtime 1.27

ENHANCER_BATCH = 32
SPEAKER_BATCH = 128
SPEAKER = "speaker"  # what clients call, unless it is given another name
PREFERRED_BATCHES = (16, 32)
SECONDS = (2.0, 60.0)
SEQUENCES = 1024  # streams at once of one instance
IDLE_SECONDS = 60.0  # after which a stream that was not ended is forgotten

# The first ONNX Runtime that reads an opset; container 24.08 has 1.18, 25.03 has 1.21, 25.09 has 1.23.
_ONNX_RUNTIME = {18: "1.18", 19: "1.18", 20: "1.18", 21: "1.18", 22: "1.21", 23: "1.23"}
_UNVERIFIED = "\nNot yet verified on a GPU: `speechzoo client load` against the server does it.\n"

_FILES = Path(__file__).parent / "serving"
_TYPES = {"float32": "TYPE_FP32", "int64": "TYPE_INT64", "int32": "TYPE_INT32"}


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
    container: str = CONTAINER

    def __post_init__(self) -> None:
        if self.device not in get_args(Device):
            raise ValueError(f"device {self.device!r} is none of {', '.join(get_args(Device))}")
        if self.instances < 1 or self.max_batch_size < 0 or not 0 <= self.queue_delay < 60:
            raise ValueError("instances and batch size must be at least 1, the delay from 0 to 60 seconds")
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


def write_repository(
    artifact: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    serving: Serving = Serving(),
    *,
    name: str | None = None,
    force: bool = False,
) -> tuple[str, ...]:
    """Write the models, a README and Dockerfiles for server and client.

    Args:
        artifact: ONNX file with our manifest: a streaming enhancer with a free number of streams, or a
            speaker network of either form.
        folder: to write; it must not exist, or be empty, unless ``force``.
        serving: how.
        name: of the model on the server; by default an enhancer's registered name, and "speaker".
        force: replace the folder.

    Returns:
        names of the models, the one that clients call first.

    Raises:
        ArtifactError: no artifact of ours, one that cannot be served like that, or a folder that is there.
        ValueError: a name that the server cannot take, or seconds that are too short.
    """
    graph = OnnxGraph(artifact)
    manifest = graph.manifest
    if manifest is None:
        raise ArtifactError(
            f"{graph.path}: it has no speechzoo manifest, so its states and rates are unknown; export it "
            f"with speechzoo"
        )
    if serving.engine:
        serving, manifest = _fitted(serving, serving.engine, graph, manifest)
    if isinstance(manifest, EnhancementManifest):
        models = (_enhancer(graph, manifest, serving, _checked_name(name or manifest.model)),)
        readme = _enhancer_readme(manifest, serving, models[0])
    elif isinstance(manifest, SpeakerManifest):
        models = _speaker(graph, manifest, serving, _checked_name(name or SPEAKER))
        readme = _speaker_readme(manifest, serving, models)
    else:
        raise ArtifactError(f"{graph.path}: there is no model repository for {manifest.task}")
    texts = {
        "README.md": readme,
        "Dockerfile.server": _server_image(models, serving),
        "Dockerfile.client": (_FILES / "Dockerfile.client").read_text(),
    }
    folder = Path(folder)
    if folder.exists() and not force and not (folder.is_dir() and not any(folder.iterdir())):
        raise ArtifactError(f"{folder} exists; name another folder, or replace it with force=True (--force)")
    with atomic_folder(folder, force=force) as temporary:
        for model in models:
            _write_model(temporary / "models" / model.name, model, graph.path, serving)
        for file, text in texts.items():
            (temporary / file).write_text(text)
        if serving.engine:
            shutil.copy(_FILES / "check_tensorrt.py", temporary)
    return tuple(model.name for model in models)


def _fitted(serving: Serving, engine: Path, graph: OnnxGraph, manifest: Manifest) -> tuple[Serving, Manifest]:
    """What an engine's record leaves of the choices: the batch and the lengths of its profile.

    Raises:
        ArtifactError: no engine with a record, of another graph, or one that no server can use as asked.
    """
    record = read_engine_record(engine)
    if record.flavour != "tensorrt":
        raise ArtifactError(f"{engine}: it is of {record.title}; a server runs engines of TensorRT")
    if record.onnx_sha256 != sha256_of(graph.path):
        raise ArtifactError(
            f"{engine}: it was built from another graph than {graph.path}; build it from this"
        )
    name = manifest.inputs[0].name
    least, best, most = record.profiles.get(name, ((0,), (0,), (0,)))
    if least[0] != 1 or serving.max_batch_size > most[0]:
        raise ArtifactError(
            f"{engine}: its profile takes {least[0]} to {most[0]} rows of {name}; 1 to "
            f"{serving.max_batch_size or 'any number'} are needed, so build it with another --profile"
        )
    serving = replace(serving, max_batch_size=serving.max_batch_size or most[0])
    if isinstance(manifest, SpeakerManifest):
        front_end = manifest.front_end
        frames = [n if manifest.form == "feats" else front_end.frames(n) for _, n, *_ in (least, best, most)]
        usual, longest = (front_end.samples(n) / front_end.sample_rate for n in frames[1:])
        serving = replace(serving, seconds=(usual, longest))
        manifest = replace(manifest, least_frames=max(manifest.least_frames, frames[0]))
    return serving, manifest


def _enhancer(graph: OnnxGraph, manifest: EnhancementManifest, serving: Serving, name: str) -> ModelConfig:
    """One model with sequences, whose states the server keeps."""
    if not manifest.streaming:
        raise ArtifactError(
            f"{graph.path}: it takes whole recordings and has no stream; export it with streaming=True and "
            f'streams="streams"'
        )
    if not isinstance(manifest.streams, str):
        raise ArtifactError(
            f"{graph.path}: it takes {manifest.streams} stream(s) a call, and the server puts together as "
            f'many as there are; export it with streams="streams" (--streams 0)'
        )
    batch = serving.batch(ENHANCER_BATCH)
    config = _model(name, serving, batch, manifest)
    for spec in manifest.inputs:
        config.input.add(name=spec.name, data_type=_TYPES[spec.dtype], dims=_dims(spec))
    for spec in manifest.outputs:
        config.output.add(name=spec.name, data_type=_TYPES[spec.dtype], dims=_dims(spec))
    sequences = config.sequence_batching
    sequences.max_sequence_idle_microseconds = round(1e6 * IDLE_SECONDS)
    sequences.oldest.max_candidate_sequences = SEQUENCES
    sequences.oldest.preferred_batch_size.append(batch)
    sequences.oldest.max_queue_delay_microseconds = round(1e6 * serving.queue_delay)
    _accelerate(config, serving, {spec.name: _ranges(spec, batch, manifest) for spec in graph.inputs})
    after = graph.outputs[len(manifest.outputs) :]
    for state, following in zip(manifest.states, after, strict=True):
        entry = sequences.state.add(
            input_name=state.name,
            output_name=following.name,
            data_type=_TYPES[state.dtype],
            dims=_dims(state),
        )
        entry.initial_state.add(
            name=state.name, data_type=_TYPES[state.dtype], dims=_dims(state), zero_data=True
        )
    return config


def _speaker(
    graph: OnnxGraph, manifest: SpeakerManifest, serving: Serving, name: str
) -> tuple[ModelConfig, ...]:
    """From a waveform to an embedding: a graph that takes waveforms, or features and graph joined."""
    batch = serving.batch(SPEAKER_BATCH)
    alone = manifest.form == "wav"
    core = _model(name if alone else f"{name}_model", serving, batch, manifest)
    core.dynamic_batching.preferred_batch_size.extend(n for n in PREFERRED_BATCHES if n <= batch)
    core.dynamic_batching.max_queue_delay_microseconds = round(1e6 * serving.queue_delay)
    for spec in manifest.inputs:
        entry = core.input.add(name=spec.name, data_type=_TYPES[spec.dtype], dims=_dims(spec) or [1])
        if len(spec.shape) == 1:  # one number a row: the server has no tensors without dimensions
            entry.reshape.SetInParent()
    (embs,) = manifest.outputs
    core.output.add(name=embs.name, data_type=_TYPES[embs.dtype], dims=_dims(embs))
    frames = _profile_frames(manifest, serving)
    times = [manifest.front_end.samples(n) for n in frames] if alone else frames
    _accelerate(core, serving, {spec.name: _speaker_shapes(spec, batch, times) for spec in manifest.inputs})
    if alone:
        return (core,)
    prefix = "" if name == SPEAKER else f"{name}_"
    features = _feature_extractor(f"{prefix}feature_extractor", manifest, serving, batch, frames[-1])
    whole = ModelConfig(name=name, platform="ensemble", max_batch_size=batch)
    whole.parameters[PARAMETER].CopyFrom(core.parameters[PARAMETER])
    whole.input.add(name=WAVEFORM, data_type="TYPE_FP32", dims=[-1])
    whole.output.add(name=EMBEDDINGS, data_type="TYPE_FP32", dims=[manifest.embedding])
    for model, source, target in ((features, WAVEFORM, "SPEECH"), (core, "SPEECH", EMBEDDINGS)):
        step = whole.ensemble_scheduling.step.add(model_name=model.name, model_version=-1)
        step.input_map[model.input[0].name] = source
        step.output_map[model.output[0].name] = target
    return whole, core, features


def _feature_extractor(
    name: str, manifest: SpeakerManifest, serving: Serving, batch: int, most_frames: int
) -> ModelConfig:
    """The model in Python before the graph: ``serving/feature_extractor.py`` with the manifest's numbers."""
    front_end = manifest.front_end
    config = ModelConfig(name=name, backend="python", max_batch_size=batch)
    config.input.add(name="wav", data_type="TYPE_FP32", dims=[-1])
    config.output.add(name="speech", data_type="TYPE_FP32", dims=[-1, front_end.bins])
    config.instance_group.add(kind=ModelInstanceGroup.KIND_CPU, count=serving.instances)
    config.dynamic_batching.SetInParent()
    numbers = {**asdict(front_end), "least_frames": manifest.least_frames, "most_frames": most_frames}
    for key, number in numbers.items():
        config.parameters[key].string_value = str(number)
    return config


def frames_of(seconds: float, front_end: Filterbank) -> int:
    """Frames of a recording of so many seconds, for a profile: 2 s are 198, 30.02 s are 3000."""
    return front_end.frames(round(seconds * front_end.sample_rate))


def _profile_frames(manifest: SpeakerManifest, serving: Serving) -> list[int]:
    """The fewest, the usual and the most frames of a recording."""
    usual, longest = (frames_of(seconds, manifest.front_end) for seconds in serving.seconds)
    if usual < manifest.least_frames:
        least = manifest.front_end.samples(manifest.least_frames) / manifest.front_end.sample_rate
        raise ValueError(f"seconds {serving.seconds}: {manifest.model} needs at least {least:g} s")
    return [manifest.least_frames, usual, longest]


def _speaker_shapes(spec: TensorSpec, batch: int, times: Sequence[int]) -> Shapes:
    """The smallest, the usual and the largest shape of an input of a speaker graph."""
    usual = min(PREFERRED_BATCHES[0], batch)
    shapes = []
    for rows, time in zip((1, usual, batch), times, strict=True):
        shapes.append((rows, *(n if isinstance(n, int) else time for n in spec.shape[1:])))
    return tuple(shapes)


def _model(name: str, serving: Serving, batch: int, manifest: Manifest) -> ModelConfig:
    """What every graph's configuration begins with."""
    config = ModelConfig(name=name, backend=serving.backend, max_batch_size=batch)
    kind = ModelInstanceGroup.KIND_GPU if serving.device == "gpu" else ModelInstanceGroup.KIND_CPU
    config.instance_group.add(kind=kind, count=serving.instances)
    if isinstance(manifest, (EnhancementManifest, SpeakerManifest)):
        manifest = replace(manifest, golden=None)
    config.parameters[PARAMETER].string_value = manifest.to_json()
    if serving.backend == "onnxruntime":
        config.parameters["intra_op_thread_count"].string_value = "1"
        config.parameters["inter_op_thread_count"].string_value = "1"
    return config


def _ranges(spec: TensorSpec, batch: int, manifest: EnhancementManifest) -> Shapes:
    """The smallest, the usual and the largest shape of an enhancer's input."""
    unit = manifest.front_end.hop_length if manifest.form == "wav2wav" else 1
    free = [
        [hops * unit if isinstance(n, str) else n for n in spec.shape[1:]] for hops in (1, 1, HOPS_AT_ONCE)
    ]
    return tuple((streams, *rest) for streams, rest in zip((1, batch, batch), free, strict=True))


def _accelerate(config: ModelConfig, serving: Serving, shapes: Mapping[str, Shapes]) -> None:
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


def _dims(spec: TensorSpec) -> list[int]:
    """Without the axis of streams or recordings, which is the batch; -1 for what is free."""
    return [n if isinstance(n, int) else -1 for n in spec.shape[1:]]


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name) or name.startswith("."):
        raise ValueError(f"a model cannot be named {name!r} on a server; use letters, digits, _ and -")
    return name


def _write_model(folder: Path, config: ModelConfig, artifact: Path, serving: Serving) -> None:
    (folder / "1").mkdir(parents=True)
    header = "# Written by speechzoo from the artifact's manifest; write it again rather than edit it.\n"
    (folder / "config.pbtxt").write_text(header + text_format.MessageToString(config, as_utf8=True))
    if config.backend == "python":
        shutil.copy(_FILES / "feature_extractor.py", folder / "1/model.py")
    elif config.backend == "tensorrt" and serving.engine:
        shutil.copy(serving.engine, folder / "1/model.plan")
    elif config.backend == "onnxruntime":
        shutil.copy(artifact, folder / "1/model.onnx")
        (folder / "1/model.onnx").chmod(0o644)


def _server_image(models: Sequence[ModelConfig], serving: Serving) -> str:
    steps = []
    if any(model.backend == "python" for model in models):
        steps.append(f"RUN pip install --no-cache-dir {_requirement('kaldi-native-fbank')}")
    steps.append("COPY models /models")
    if serving.engine:
        steps.append("COPY check_tensorrt.py /opt/check_tensorrt.py")
        steps.append("RUN python3 /opt/check_tensorrt.py /models")
    text = Template((_FILES / "Dockerfile.server").read_text())
    return text.substitute(container=serving.container, steps="\n".join(steps))


def _requirement(package: str) -> str:
    try:
        return f"{package}=={version(package)}"
    except PackageNotFoundError:
        return package


def _enhancer_readme(manifest: EnhancementManifest, serving: Serving, config: ModelConfig) -> str:
    front_end = manifest.front_end
    hop = front_end.hop_length
    hops = "any number of hops" if isinstance(manifest.hops, str) else f"{manifest.hops} hop(s)"
    signal = " x ".join("n" if n < 0 else str(n) for n in config.input[0].dims)
    return Template((_FILES / "README.enhancer.md").read_text()).substitute(
        _common(manifest, serving),
        model=config.name,
        rate=front_end.sample_rate,
        hop=hop,
        hop_ms=f"{1e3 * hop / front_end.sample_rate:g}",
        latency=manifest.latency,
        latency_ms=f"{1e3 * manifest.latency / front_end.sample_rate:g}",
        form=manifest.form,
        input=config.input[0].name,
        output=config.output[0].name,
        signal=signal,
        hops=hops,
        states=len(config.sequence_batching.state),
        kilobytes=f"{sum(4 * math.prod(s.dims) for s in config.sequence_batching.state) / 1e3:.1f}",
        batch=config.max_batch_size,
        idle=f"{IDLE_SECONDS:g}",
        sequences=SEQUENCES,
    )


def _speaker_readme(manifest: SpeakerManifest, serving: Serving, models: Sequence[ModelConfig]) -> str:
    whole, core = models[0], models[min(1, len(models) - 1)]
    least = manifest.front_end.samples(manifest.least_frames) / manifest.front_end.sample_rate
    usual, longest = serving.seconds
    shapes = _speaker_shapes(manifest.inputs[0], core.max_batch_size, _profile_frames(manifest, serving))
    subtracted = (
        "The graph subtracts the mean of a cohort: scoring must not do it again."
        if manifest.mean_subtracted
        else "No mean of a cohort is subtracted."
    )
    roles = "Three models, of which clients call the first" if len(models) > 1 else "One model"
    return Template((_FILES / "README.speaker.md").read_text()).substitute(
        _common(manifest, serving),
        model=whole.name,
        models=f"{roles}: {', '.join(f'`{model.name}`' for model in models)}",
        python="" if len(models) == 1 else " and its Python has NumPy and kaldi-native-fbank",
        input=whole.input[0].name,
        output=whole.output[0].name,
        rate=manifest.front_end.sample_rate,
        embedding=manifest.embedding,
        least=f"{least:g}",
        usual=f"{usual:g}",
        longest=f"{longest:g}",
        batch=core.max_batch_size,
        mean=subtracted,
        profile=f"{manifest.inputs[0].name}:{'/'.join('x'.join(map(str, shape)) for shape in shapes)}",
    )


def _common(manifest: Manifest, serving: Serving) -> dict[str, object]:
    """What every README says."""
    opset = manifest.toolchain.get("opset", "")
    return {
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


def _engine_note(serving: Serving) -> str:
    if serving.engine is None:
        return ""
    built = engine_version(serving.engine)
    return (
        f"\nThe engine was built by TensorRT {built} and runs on no other version: the server's image is not "
        f"built from a container with another one (`check_tensorrt.py`).\n"
    )
