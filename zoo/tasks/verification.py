"""Checks a finished artifact against the recording inside it."""

from __future__ import annotations

import os

from zoo.artifact.golden import golden_tolerance, unpack
from zoo.artifact.manifest import Golden, SpeakerManifest, SynthesisManifest
from zoo.artifact.parity import ParityReport, compare
from zoo.errors import ArtifactError
from zoo.runtime.artifact import load_artifact
from zoo.spec import Tolerance
from zoo.tasks.enhancement.graph import enhancement_manifest, session_over
from zoo.tasks.enhancement.session import Session
from zoo.tasks.speaker.graph import verify_speaker
from zoo.tasks.synthesis.golden import verify_synthesis


def verify(path: str | os.PathLike[str]) -> ParityReport:
    """Run an artifact on its golden recording and compare with the training form's output.

    Needs nothing but the file and what runs it: no network, and for ONNX no torch.

    Args:
        path: ONNX file, TorchScript file, exported program or engine with our manifest.

    Raises:
        ArtifactError: damaged, or without manifest or recording.
        ParityError: it computes something else than it should.
    """
    graph = load_artifact(path)
    if isinstance(graph.manifest, SynthesisManifest):
        return verify_synthesis(graph, graph.manifest, str(path))
    if isinstance(graph.manifest, SpeakerManifest):
        return verify_speaker(graph, graph.manifest)
    manifest = enhancement_manifest(graph)
    if manifest.golden is None:
        raise ArtifactError(
            f"{path}: it carries no golden recording, so it cannot be verified; export it again"
        )
    return verify_session(
        session_over(graph), manifest.golden, manifest.tolerance, str(path), tensor=manifest.outputs[0].name
    )


def verify_session(
    session: Session, golden: Golden, tolerance: Tolerance, where: str, *, tensor: str = "wav_out"
) -> ParityReport:
    """Run a session on a golden recording and compare; ``where`` and ``tensor`` are for messages.

    Raises:
        ArtifactError: the recording is damaged.
        ParityError: the session computes something else than it should.
    """
    noisy, expected = unpack(golden, where)
    return compare(
        expected,
        session.whole(noisy[None])[0],
        tensor=tensor,
        tolerance=golden_tolerance(tolerance),
        frame_length=session.front_end.hop_length,
    )
