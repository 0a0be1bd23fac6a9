"""An enhancer on a server: one model with sequence batching; the server keeps the states of each stream."""

from __future__ import annotations

import math

from tritonclient.grpc.model_config_pb2 import ModelConfig

from converters.triton.config import TYPES, Serving, Shapes, accelerate, dims, new_model, write_readme
from converters.triton.models import ServedModels
from zoo.artifact.manifest import EnhancementManifest
from zoo.errors import ArtifactError
from zoo.runtime.graph import Graph
from zoo.spec import TensorSpec
from zoo.triton.enhancement import HOPS_AT_ONCE

BATCH = 32


class EnhancerModels(ServedModels[EnhancementManifest]):
    """One model."""

    def name(self, manifest: EnhancementManifest) -> str:
        return manifest.model

    def write(
        self, graph: Graph, manifest: EnhancementManifest, serving: Serving, name: str
    ) -> tuple[tuple[ModelConfig, ...], str]:
        model = _enhancer(graph, manifest, serving, name)
        return (model,), _readme(manifest, serving, model)


def _enhancer(graph: Graph, manifest: EnhancementManifest, serving: Serving, name: str) -> ModelConfig:
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
    batch = serving.batch(BATCH)
    config = new_model(name, serving, batch, manifest)
    for spec in manifest.inputs:
        config.input.add(name=spec.name, data_type=TYPES[spec.dtype], dims=dims(spec))
    for spec in manifest.outputs:
        config.output.add(name=spec.name, data_type=TYPES[spec.dtype], dims=dims(spec))
    sequences = config.sequence_batching
    sequences.max_sequence_idle_microseconds = round(1e6 * serving.idle)
    sequences.oldest.max_candidate_sequences = serving.streams
    sequences.oldest.preferred_batch_size.append(batch)
    sequences.oldest.max_queue_delay_microseconds = round(1e6 * serving.queue_delay)
    accelerate(config, serving, {spec.name: _ranges(spec, batch, manifest) for spec in graph.inputs})
    after = graph.outputs[len(manifest.outputs) :]
    for state, following in zip(manifest.states, after, strict=True):
        entry = sequences.state.add(
            input_name=state.name,
            output_name=following.name,
            data_type=TYPES[state.dtype],
            dims=dims(state),
        )
        entry.initial_state.add(
            name=state.name, data_type=TYPES[state.dtype], dims=dims(state), zero_data=True
        )
    return config


def _ranges(spec: TensorSpec, batch: int, manifest: EnhancementManifest) -> Shapes:
    """The smallest, the usual and the largest shape of an enhancer's input."""
    unit = manifest.front_end.hop_length if manifest.form == "wav2wav" else 1
    free = [
        [hops * unit if isinstance(n, str) else n for n in spec.shape[1:]] for hops in (1, 1, HOPS_AT_ONCE)
    ]
    return tuple((streams, *rest) for streams, rest in zip((1, batch, batch), free, strict=True))


def _readme(manifest: EnhancementManifest, serving: Serving, config: ModelConfig) -> str:
    front_end = manifest.front_end
    hop = front_end.hop_length
    hops = "any number of hops" if isinstance(manifest.hops, str) else f"{manifest.hops} hop(s)"
    signal = " x ".join("n" if n < 0 else str(n) for n in config.input[0].dims)
    return write_readme(
        "README.enhancer.md",
        manifest,
        serving,
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
        idle=f"{serving.idle:g}",
        sequences=serving.streams,
    )


MODELS = EnhancerModels()
