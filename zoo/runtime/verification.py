"""Checks a finished artifact against the recording inside it."""

from __future__ import annotations

import os

from zoo.artifact.golden import golden_tolerance, unpack
from zoo.artifact.parity import ParityReport, compare
from zoo.errors import ArtifactError
from zoo.runtime.artifact import open_artifact
from zoo.runtime.enhancement import enhancement_manifest


def verify(path: str | os.PathLike[str]) -> ParityReport:
    """Run an artifact on its golden recording and compare with the training form's output.

    Needs nothing but the file and what runs it: no network, and for ONNX no torch.

    Args:
        path: ONNX file, TorchScript file or exported program with our manifest.

    Raises:
        ArtifactError: damaged, or without manifest or recording.
        ParityError: it computes something else than it should.
    """
    session = open_artifact(path)
    manifest = enhancement_manifest(session.graph)
    if manifest.golden is None:
        raise ArtifactError(
            f"{path}: it carries no golden recording, so it cannot be verified; export it again"
        )
    noisy, expected = unpack(manifest.golden, str(path))
    return compare(
        expected,
        session.whole(noisy[None])[0],
        tensor=manifest.outputs[0].name,
        tolerance=golden_tolerance(manifest.tolerance),
        frame_length=manifest.front_end.hop_length,
    )
