"""Times cases in interleaved rounds, and gathers what else is to be known of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from zoo.benchmark.cases import Case
from zoo.benchmark.memory import peak_memory
from zoo.benchmark.native import compile_again, peak
from zoo.benchmark.nodes import count_nodes
from zoo.benchmark.rows import Measured, Row, Seconds, make_rows
from zoo.benchmark.runners import Runner, open_runner
from zoo.errors import ArtifactError
from zoo.runtime.native_cache import generated

WARM_UP_CALLS, WARM_UP_SECONDS = 50, 1.0  # before the first round, whichever ends first
UNTIMED_CALLS = 3  # at the start of a round: the other rows' rounds have emptied the caches
LEAST_CALLS = 3  # of a round, however long they take
COLD_CALLS = 2  # of a round
_OTHER = np.zeros(1 << 26, np.uint8)  # more than caches hold


def measure(cases: Sequence[Case], *, rounds: int, calls: int, seconds: float) -> list[Row]:
    """Time cases side by side.

    Args:
        cases: rows of the table.
        rounds: through all of them.
        calls: of a case in a round.
        seconds: after which a round of a case ends early.

    Raises:
        SpeechZooError: a case that cannot be loaded or run.
    """
    hidden = not sys.stderr.isatty()
    memory = [peak_memory(case) for case in tqdm(cases, "memory", disable=hidden, unit="row", leave=False)]
    paths = {case.path for case in cases if case.path}
    nodes = {path: count_nodes(path) for path in paths}
    runners = [open_runner(case) for case in cases]
    for runner in runners:
        warm_up(runner)
    timed: list[list[Seconds]] = [[] for _ in cases]
    cold: list[list[float]] = [[] for _ in cases]
    shares: list[list[float]] = [[] for _ in cases]
    for _ in tqdm(range(rounds), disable=hidden, unit="round"):
        for runner, own, share in zip(runners, timed, shares, strict=True):
            processor, clock = time.process_time(), time.perf_counter()
            own.append(time_round(runner, calls, seconds))
            share.append((time.process_time() - processor) / (time.perf_counter() - clock))
        for runner, times in zip(runners, cold, strict=True):
            times += time_cold(runner)
    measured = []
    for case, runner, own, share, peak_of, times in zip(
        cases, runners, timed, shares, memory, cold, strict=True
    ):
        known = nodes[case.path] if case.path else None
        found = Measured(own, float(np.mean(share)), runner.state_bytes, known, peak_of, np.array(times))
        measured.append(_with_size(case, found))
    return make_rows(cases, measured)


def _with_size(case: Case, measured: Measured) -> Measured:
    """The same with what is known of the file, or of the code made of it."""
    if case.path is None:
        return measured
    if case.backend != "native":
        return replace(measured, size=case.path.stat().st_size)
    made = compile_again(generated(case.path, case.streams))
    return replace(measured, size=made.bytes, compiling=made.seconds, products=made.multiply_adds / peak())


def warm_up(runner: Runner) -> None:
    """Call often enough for memory to be laid out and the processor awake.

    Raises:
        ArtifactError: the output is not finite, which takes another time than numbers do.
    """
    runner.prepare()
    begin = time.perf_counter()
    for _ in range(WARM_UP_CALLS):
        output = runner.call()
        if time.perf_counter() - begin > WARM_UP_SECONDS:
            break
    if not np.isfinite(output).all():
        raise ArtifactError(
            f"{runner.name}: its output for noise is not finite; export it with other weights"
        )


def time_cold(runner: Runner) -> list[float]:
    """Seconds of some calls, before each of which the processor's caches were emptied."""
    runner.prepare()
    taken = []
    for _ in range(COLD_CALLS):
        np.add(_OTHER, 1, out=_OTHER)
        before = time.perf_counter()
        runner.call()
        taken.append(time.perf_counter() - before)
    return taken


def time_round(runner: Runner, calls: int, seconds: float = float("inf")) -> Seconds:
    """Seconds of each of so many calls, of fewer once they took ``seconds`` together."""
    runner.prepare()
    for _ in range(UNTIMED_CALLS):
        runner.call()
    taken: list[float] = []
    begin = time.perf_counter()
    for _ in range(calls):
        before = time.perf_counter()
        runner.call()
        taken.append(time.perf_counter() - before)
        if len(taken) >= LEAST_CALLS and before - begin > seconds:
            break
    return np.array(taken)
