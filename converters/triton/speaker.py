"""A speaker network on a server: ``feature_extractor`` in Python, ``speaker_model``, and ``speaker``, which
joins them; or one model, of a graph that takes waveforms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

from converters.triton.config import TYPES, Serving, Shapes, accelerate, dims, new_model, write_readme
from converters.triton.models import ServedModels
from zoo.artifact.manifest import SpeakerManifest
from zoo.runtime.graph import Graph
from zoo.spec import Filterbank, TensorSpec
from zoo.triton.connection import PARAMETER
from zoo.triton.speaker import EMBEDDINGS, LONGEST, WAVEFORM

BATCH = 128
SPEAKER = "speaker"  # what clients call, unless it is given another name
PREFERRED_BATCHES = (16, 32)
_OTHERWISE = {  # what is said of other inputs, by whether a model in Python checks them
    True: "Anything else is an error, not NaN.",
    False: "A graph cannot refuse one row of a call: for a shorter recording, for samples that are not "
    "finite and for `lengths` beyond the samples every element is NaN, which the client here reports; longer "
    "recordings are computed all the same, so let what stands in front of the server refuse them.",
}


class SpeakerModels(ServedModels[SpeakerManifest]):
    """One model, or three."""

    def name(self, manifest: SpeakerManifest) -> str:
        return SPEAKER

    def fit(
        self, serving: Serving, manifest: SpeakerManifest, profile: Shapes
    ) -> tuple[Serving, SpeakerManifest]:
        """See ``ServedModels``; the lengths are the profile's, too."""
        front_end = manifest.front_end
        frames = [n if manifest.form == "feats" else front_end.frames(n) for _, n, *_ in profile]
        usual, longest = (front_end.samples(n) / front_end.sample_rate for n in frames[1:])
        least = max(manifest.least_frames, frames[0])
        return replace(serving, seconds=(usual, longest)), replace(manifest, least_frames=least)

    def write(
        self, graph: Graph, manifest: SpeakerManifest, serving: Serving, name: str
    ) -> tuple[tuple[ModelConfig, ...], str]:
        models = _speaker(manifest, serving, name)
        return models, _readme(manifest, serving, models)


def _speaker(manifest: SpeakerManifest, serving: Serving, name: str) -> tuple[ModelConfig, ...]:
    """From a waveform to an embedding: a graph that takes waveforms, or features and graph joined."""
    batch = serving.batch(BATCH)
    alone = manifest.form == "wav"
    core = new_model(name if alone else f"{name}_model", serving, batch, manifest)
    core.dynamic_batching.preferred_batch_size.extend(n for n in PREFERRED_BATCHES if n <= batch)
    core.dynamic_batching.max_queue_delay_microseconds = round(1e6 * serving.queue_delay)
    for spec in manifest.inputs:
        entry = core.input.add(name=spec.name, data_type=TYPES[spec.dtype], dims=dims(spec) or [1])
        if len(spec.shape) == 1:  # one number a row: the server has no tensors without dimensions
            entry.reshape.SetInParent()
    (embs,) = manifest.outputs
    core.output.add(name=embs.name, data_type=TYPES[embs.dtype], dims=dims(embs))
    frames = _profile_frames(manifest, serving)
    core.parameters[LONGEST].string_value = f"{serving.seconds[1]:g}"
    times = [manifest.front_end.samples(n) for n in frames] if alone else frames
    accelerate(core, serving, {spec.name: _speaker_shapes(spec, batch, times) for spec in manifest.inputs})
    if alone:
        return (core,)
    prefix = "" if name == SPEAKER else f"{name}_"
    features = _feature_extractor(f"{prefix}feature_extractor", manifest, serving, batch, frames[-1])
    whole = ModelConfig(name=name, platform="ensemble", max_batch_size=batch)
    for key in (PARAMETER, LONGEST):
        whole.parameters[key].CopyFrom(core.parameters[key])
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


def _readme(manifest: SpeakerManifest, serving: Serving, models: Sequence[ModelConfig]) -> str:
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
    return write_readme(
        "README.speaker.md",
        manifest,
        serving,
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
        otherwise=_OTHERWISE[len(models) > 1],
        profile=f"{manifest.inputs[0].name}:{'/'.join('x'.join(map(str, shape)) for shape in shapes)}",
    )


MODELS = SpeakerModels()
