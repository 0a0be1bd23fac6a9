"""Reduces models' graphs, times them beside the 32-bit ones, and listens to what they make of speech."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.benchmarking.exports import Exports
from scripts.benchmarking.measure import time_round, warm_up
from scripts.benchmarking.nodes import count_nodes
from scripts.benchmarking.runners import OnnxRunner
from scripts.precision_study.speech import FIGURES, Heard, hear, make_minute, mean_change, snr_db
from scripts.precision_study.variants import VariantError, make_variant, record_calls
from scripts.precision_study.verdict import Comparison, verdict
from scripts.training.pairs import Pair, mixed_pairs
from zoo.errors import SpeechZooError
from zoo.locate import locate
from zoo.registry import get_spec
from zoo.runtime.onnx import StreamingSession, open_session

FULL = "float32"
CALIBRATION_PAIRS, CALIBRATION_CALLS = 8, 400


@dataclass(frozen=True)
class Settings:
    """How much to measure.

    Attributes:
        speech, noise: folders of recordings.
        count: mixtures.
        minutes: of the stream, each of ``minute_seconds``.
        rounds, calls, seconds: of timing; a graph's turn in a round ends after ``seconds``.
        seed: of the mixtures.
    """

    speech: Path
    noise: Path
    count: int = 20
    minutes: int = 10
    minute_seconds: float = 60.0
    rounds: int = 20
    calls: int = 100
    seconds: float = 0.3
    seed: int = 0


@dataclass(frozen=True)
class Row:
    """A graph of a model. NaN where something was not measured.

    Attributes:
        model: registered name, and weights.
        kind: of reduction; ``float32`` for the graph that the others are compared with.
        verdict: in words; empty for that graph.
        frame_ms: time a frame: median of the fastest round.
        kilobytes: of the file.
        nodes: as ONNX Runtime runs the graph.
        processor_share: processor time over time while it was timed: below 1, other processes had the rest.
        figures: means over the mixtures: ``si_sdr``, ``pesq``, ``stoi``, ``noise``.
        comparison: beside the 32-bit graph; None for that graph itself, and where there is no such graph.
    """

    model: str
    kind: str
    verdict: str = ""
    frame_ms: float = float("nan")
    kilobytes: float = float("nan")
    nodes: int = 0
    processor_share: float = float("nan")
    figures: dict[str, float] = field(default_factory=dict)
    comparison: Comparison | None = None


class Subject:
    """A word of the command line: NAME, or NAME=WEIGHTS.

    Without weights a model gets the ones that come with the package, or random ones if there are none.

    Raises:
        SpeechZooError: no such model, no such weights, or a model without a stream.
    """

    def __init__(self, word: str) -> None:
        self.model, _, self.weights = word.partition("=")
        spec = get_spec(self.model)
        if not spec.streaming:
            raise SpeechZooError(
                f"{self.model} reads the whole recording and has no streaming graph, and those are reduced "
                f"here; choose another model"
            )
        if not self.weights:
            self.weights = next((own.tag for own in spec.weights if own.artifact), "")
        if self.weights:
            locate(spec, self.weights)
        self.rate = spec.front_end.sample_rate
        self.name = f"{self.model}={self.weights}" if self.weights else self.model


def study(
    subject: Subject,
    kinds: Sequence[str],
    settings: Settings,
    exports: Exports,
    say: Callable[[str], None] = lambda line: None,
) -> list[Row]:
    """Rows of one model: the 32-bit graph, then one for each kind.

    Raises:
        SpeechZooError: it cannot be exported, or there is too little speech or noise.
    """
    calibration, pairs = _mixtures(subject, settings)
    source = exports.path(subject.model, subject.weights, "wav2wav", free_streams=False, free_hops=False)
    with tempfile.TemporaryDirectory() as folder:
        paths, failures = {FULL: source}, {}
        say(f"{subject.name}: reducing")
        feeds = record_calls(_open(source), [pair.noisy for pair in calibration], CALIBRATION_CALLS)
        for kind in kinds:
            paths[kind] = Path(folder) / f"{kind}.onnx"
            try:
                make_variant(kind, source, feeds, paths[kind])
            except VariantError as failure:
                failures[kind] = str(failure)
                del paths[kind]
        say(f"{subject.name}: timing {', '.join(paths)}")
        times = time_graphs(list(paths.values()), settings)
        heard: dict[str, Heard] = {}
        for kind, path in paths.items() if subject.weights else ():
            say(f"{subject.name}: hearing {kind}")
            session = _open(path)
            minute = make_minute(pairs, session, settings.minute_seconds)
            heard[kind] = hear(session, pairs, minute, settings.minutes)
        rows = [
            _row(subject, kind, path, own, times[0], heard)
            for (kind, path), own in zip(paths.items(), times, strict=True)
        ]
    return [*rows, *(Row(subject.name, kind, f"not made: {why}") for kind, why in failures.items())]


@dataclass(frozen=True)
class Times:
    """Seconds of a graph's calls.

    Attributes:
        rounds: median of each round.
        processor_share: as in ``Row``.
    """

    rounds: NDArray[np.float64]
    processor_share: float


def time_graphs(paths: Sequence[Path], settings: Settings) -> list[Times]:
    """Time graphs on one thread in rounds that go through all of them in turn."""
    runners = [OnnxRunner(path) for path in paths]
    for runner in runners:
        warm_up(runner)
    rounds: list[list[float]] = [[] for _ in runners]
    shares: list[list[float]] = [[] for _ in runners]
    for _ in range(settings.rounds):
        for runner, own, share in zip(runners, rounds, shares, strict=True):
            processor, clock = time.process_time(), time.perf_counter()
            own.append(float(np.median(time_round(runner, settings.calls, settings.seconds))))
            share.append((time.process_time() - processor) / (time.perf_counter() - clock))
    return [Times(np.array(own), float(np.mean(share))) for own, share in zip(rounds, shares, strict=True)]


def _mixtures(subject: Subject, settings: Settings) -> tuple[list[Pair], list[Pair]]:
    """Pairs to calibrate with, and others to measure with."""
    pairs = mixed_pairs(
        settings.speech,
        settings.noise,
        subject.rate,
        seed=settings.seed,
        count=settings.count + CALIBRATION_PAIRS,
    )
    if len(pairs) < 2:
        raise SpeechZooError(
            f"{settings.speech}: it has {len(pairs)} recordings; at least two are expected, one to calibrate "
            f"with and one to measure with"
        )
    held = min(CALIBRATION_PAIRS, len(pairs) // 2)
    return pairs[:held], pairs[held:]


def _row(subject: Subject, kind: str, path: Path, own: Times, full: Times, heard: dict[str, Heard]) -> Row:
    nodes = count_nodes(path)
    comparison = None
    if kind != FULL:
        ratio = float(np.median(own.rounds / full.rounds))
        comparison = _compare(ratio, heard[FULL], heard[kind]) if heard else Comparison(ratio)
    return Row(
        subject.name,
        kind,
        verdict(comparison) if comparison else "",
        frame_ms=float(1e3 * own.rounds.min()),
        kilobytes=path.stat().st_size / 1e3,
        nodes=nodes.run if nodes else 0,
        processor_share=own.processor_share,
        figures={name: heard[kind].mean(name) for name in FIGURES} if heard else {},
        comparison=comparison,
    )


def _compare(ratio: float, full: Heard, own: Heard) -> Comparison:
    if not own.figures:
        return Comparison(ratio, heard=True, finite=False)
    return Comparison(
        ratio,
        heard=True,
        **{name: mean_change(full, own, name) for name in FIGURES},
        snr_db=snr_db(full.outputs, own.outputs),
        first_snr_db=snr_db(full.ends[:1], own.ends[:1]),
        last_snr_db=snr_db(full.ends[1:], own.ends[1:]),
        first_si_sdr=own.ends_si_sdr[0] - full.ends_si_sdr[0],
        last_si_sdr=own.ends_si_sdr[1] - full.ends_si_sdr[1],
    )


def _open(path: Path) -> StreamingSession:
    session = open_session(path)
    assert isinstance(session, StreamingSession), "the study exports streaming graphs"
    return session
