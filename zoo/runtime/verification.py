"""Checks a finished artifact against the recording inside it."""

from __future__ import annotations

import os

from zoo.artifact.golden import golden_tolerance, unpack, unpack_embedding
from zoo.artifact.manifest import SpeakerManifest
from zoo.artifact.parity import ParityReport, compare
from zoo.errors import ArtifactError
from zoo.runtime.graph import Graph
from zoo.runtime.onnx import enhancement_manifest, open_session
from zoo.runtime.speaker import padded


def verify(path: str | os.PathLike[str]) -> ParityReport:
    """Run an artifact on its golden recording and compare with the training form's output.

    Needs nothing but the file: no torch, no network.

    Args:
        path: ONNX file with our manifest.

    Raises:
        ArtifactError: damaged, or without manifest or recording.
        ParityError: it computes something else than it should.
    """
    graph = Graph(path)
    if isinstance(graph.manifest, SpeakerManifest):
        return _verify_speaker(graph, graph.manifest)
    session = open_session(path)
    manifest = enhancement_manifest(graph)
    if manifest.golden is None:
        raise _no_golden(path)
    noisy, expected = unpack(manifest.golden, str(path))
    return compare(
        expected,
        session.whole(noisy[None])[0],
        tensor=manifest.outputs[0].name,
        tolerance=golden_tolerance(manifest.tolerance),
        frame_length=manifest.front_end.hop_length,
    )


def _verify_speaker(graph: Graph, manifest: SpeakerManifest) -> ParityReport:
    if manifest.golden is None:
        raise _no_golden(graph.path)
    signal, expected = unpack_embedding(
        manifest.golden, manifest.form, manifest.front_end.bins, str(graph.path)
    )
    values = padded([signal]) if manifest.form == "wav" else (signal[None],)
    return compare(
        expected, graph(*values)[0][0], tensor=manifest.outputs[0].name, tolerance=manifest.tolerance
    )


def _no_golden(path: str | os.PathLike[str]) -> ArtifactError:
    return ArtifactError(f"{path}: it carries no golden recording, so it cannot be verified; export it again")
