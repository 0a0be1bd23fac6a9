"""The golden recording of speaker models: speech or its features, and the training form's embedding."""

from __future__ import annotations

from zoo.artifact.golden import unpack_embedding
from zoo.artifact.parity import ParityReport, compare
from zoo.errors import ArtifactError
from zoo.runtime.graph import Graph
from zoo.tasks.speaker.graph import speaker_manifest
from zoo.tasks.speaker.session import padded


def verify_graph(graph: Graph) -> ParityReport:
    """Run a graph on its golden recording; see ``Task.verify``."""
    manifest, where = speaker_manifest(graph), str(graph.path)
    if manifest.golden is None:
        raise ArtifactError(
            f"{where}: it carries no golden recording, so it cannot be verified; export it again"
        )
    signal, expected = unpack_embedding(manifest.golden, manifest.form, manifest.front_end, where)
    values = padded([signal]) if manifest.form == "wav" else (signal[None],)
    found = graph(*values)[0][0]
    return compare(expected, found, tensor=manifest.outputs[0].name, tolerance=manifest.tolerance)
