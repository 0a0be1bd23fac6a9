"""The golden recording of enhancers: noisy speech, and what the training form makes of it."""

from __future__ import annotations

from zoo.artifact.golden import golden_tolerance, unpack
from zoo.artifact.manifest import Golden
from zoo.artifact.parity import ParityReport, compare
from zoo.errors import ArtifactError
from zoo.spec import Tolerance
from zoo.tasks.enhancement.session import Session


def verify_session(
    session: Session, golden: Golden | None, tolerance: Tolerance, where: str, *, tensor: str = "wav_out"
) -> ParityReport:
    """Run a session on a golden recording and compare; ``where`` and ``tensor`` are for messages.

    Raises:
        ArtifactError: there is no recording, or it is damaged.
        ParityError: the session computes something else than it should.
    """
    if golden is None:
        raise ArtifactError(
            f"{where}: it carries no golden recording, so it cannot be verified; export it again"
        )
    noisy, expected = unpack(golden, where, session.front_end.sample_rate)
    return compare(
        expected,
        session.whole(noisy[None])[0],
        tensor=tensor,
        tolerance=golden_tolerance(tolerance),
        frame_length=session.front_end.hop_length,
    )
