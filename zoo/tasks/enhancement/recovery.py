"""Streams that begin anew where what came out of them, or what they remember, is not finite."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.arrays import Array
from zoo.signal.samples import all_finite
from zoo.tasks.enhancement.session import Session, State


def run_recovering(session: Session, blocks: Array, state: State) -> tuple[Array, State, list[int]]:
    """Run a session; where a stream's output or next state is not finite, run its blocks from the start.

    Args:
        session: what computes.
        blocks: (B, K x block_length), as of ``Session.run``.
        state: as of ``Session.run``.

    Returns:
        output and state, as of ``Session.run``, and the rows that began anew. The output is not finite only
        where it is not at the start of a stream either, as of a damaged graph.
    """
    output, after = session.run(blocks, state)
    if _finite(output) and all(_finite(value) for value in after.values()):
        return output, after, []
    if len(blocks) == 1:
        return *_begin(session, blocks, session.initial_state()), [0]
    healthy = [np.isfinite(value.reshape(len(blocks), -1)).all(1) for value in (output, *after.values())]
    rows = np.flatnonzero(~np.all(healthy, axis=0)).tolist()
    if not rows:
        return output, after, []
    fresh = {name: np.repeat(zeros, len(rows), axis=0) for name, zeros in session.initial_state().items()}
    output[rows], begun = _begin(session, blocks[rows], fresh)
    for name, value in begun.items():
        after[name][rows] = value
    return output, after, rows


def _begin(session: Session, blocks: Array, fresh: State) -> tuple[Array, State]:
    """Blocks from the start; what is not finite then either goes out, for the caller to refuse."""
    output, after = session.run(blocks, fresh)
    return output, after if all(_finite(value) for value in after.values()) else fresh


def _finite(value: Any) -> bool:
    """Whether all elements of an array, or of a tensor on the CPU, are."""
    return all_finite(np.asarray(value))
