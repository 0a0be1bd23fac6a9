"""The golden recording of vocoders: speech whose frames go in, and the waveform that comes out."""

from __future__ import annotations

from zoo.artifact import golden
from zoo.artifact.parity import ParityReport, compare
from zoo.errors import ArtifactError
from zoo.runtime.graph import Graph
from zoo.signal.mel import log_mel
from zoo.tasks.vocoder.graph import GraphVocoder, vocoder_manifest


def verify_graph(graph: Graph) -> ParityReport:
    """Run a graph on its golden recording; see ``Task.verify``."""
    manifest, where = vocoder_manifest(graph), str(graph.path)
    if manifest.golden is None:
        raise ArtifactError(
            f"{where}: it carries no golden recording, so it cannot be verified; export it again"
        )
    front_end = manifest.front_end
    speech, expected = golden.unpack(manifest.golden, where, front_end.sample_rate)
    if len(speech) <= front_end.n_fft // 2:
        raise ArtifactError(f"{where}: its golden recording is too short for a frame; export it again")
    made = GraphVocoder(graph, manifest).waveform(log_mel(speech, front_end))[: len(expected)]
    tolerance = golden.golden_tolerance(manifest.tolerance)
    return compare(
        expected,
        made,
        tensor=manifest.outputs[0].name,
        tolerance=tolerance,
        frame_length=front_end.hop_length,
    )
