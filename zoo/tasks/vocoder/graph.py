"""A vocoder over a graph with states, whatever computes it."""

from __future__ import annotations

import numpy as np

from zoo.arrays import Array
from zoo.artifact.manifest import VocoderManifest
from zoo.runtime.graph import Graph, as_array
from zoo.tasks.limits import record_of
from zoo.tasks.vocoder.session import State, StreamingVocoder


class GraphVocoder(StreamingVocoder):
    """Frames through a graph: its first input and output are frames and waveform, the others states.

    Args:
        graph: of ours; one for several streams gets copies.
        manifest: its record.
    """

    def __init__(self, graph: Graph, manifest: VocoderManifest) -> None:
        self.name, self.backend, self.front_end = graph.path.name, graph.backend, manifest.front_end
        self.latency = manifest.latency
        self.hops = manifest.hops if isinstance(manifest.hops, int) else None
        self._graph = graph
        self._streams = manifest.streams if isinstance(manifest.streams, int) else 1

    def initial_state(self) -> State:
        shapes = {spec.name: spec.shape[1:] for spec in self._graph.inputs[1:]}
        return {
            name: np.zeros((self._streams, *(n for n in shape if isinstance(n, int))), np.float32)
            for name, shape in shapes.items()
        }

    def run(self, mel: Array, state: State) -> tuple[Array, State]:
        """See ``StreamingVocoder``."""
        signal = np.ascontiguousarray(np.broadcast_to(mel, (self._streams, *mel.shape)), np.float32)
        wave, *following = map(as_array, self._graph(signal, *state.values()))
        return wave[0], dict(zip(state, following, strict=True))


def vocoder_manifest(graph: Graph) -> VocoderManifest:
    """The record of a graph of ours for vocoders.

    Raises:
        ArtifactError: it has none, or one of another task.
    """
    return record_of(graph, VocoderManifest, "its frames are unknown; export it with speechzoo export")
