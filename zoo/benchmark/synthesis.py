"""Times networks from text to frames: every size and batch, in rounds that go through all of them in turn."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from zoo.benchmark.machine import describe_machine
from zoo.errors import SpeechZooError
from zoo.registry import get_spec, list_models
from zoo.spec import SynthesisSpec
from zoo.tasks.synthesis.golden import parity_texts
from zoo.tasks.synthesis.session import Utterance
from zoo.tasks.synthesis.synthesizer import Synthesizer

_HEADINGS = (
    "model", "backend", "threads", "texts", "tokens", "frames", "median ms", "p99", "ms a text",
    "texts a second", "RTF",
)  # fmt: skip


@dataclass(frozen=True)
class SynthesisRow:
    """Figures of one network at one size.

    Attributes:
        name: the subject.
        backend: what computes.
        threads: of a call, where ONNX Runtime computes.
        texts: of a call, each of so many tokens.
        tokens: of a text: as many as the size holds.
        frames: of a text, on average.
        calls: timed.
        median_ms: of a call.
        p99_ms: of a call.
        real_time_factor: time of a call over the seconds of speech that its frames are, without the vocoder.
    """

    name: str
    backend: str
    threads: int
    texts: int
    tokens: int
    frames: float
    calls: int
    median_ms: float
    p99_ms: float
    real_time_factor: float


@dataclass
class _Case:
    name: str
    synthesizer: Synthesizer
    threads: int
    utterances: list[Utterance]
    size: tuple[int, int]
    taken: list[float]
    frames: float = 0.0

    def call(self) -> float:
        """Seconds of a call."""
        session = self.synthesizer.session
        bucket = session.buckets.index(self.size)
        begin = time.perf_counter()
        found = session.run(self.utterances, bucket)
        seconds = time.perf_counter() - begin
        self.frames = float(np.mean([len(one.mel) for one in found]))
        return seconds


def is_synthesis(word: str) -> bool:
    """Whether a subject is a network from text to frames: its name, a folder of graphs or a YAML file."""
    name = word.partition("=")[0]
    if name in list_models():
        return isinstance(get_spec(name), SynthesisSpec)
    return Path(word).is_dir() or Path(word).suffix in (".yaml", ".yml", ".engine", ".trt")


def measure_synthesis(
    words: Sequence[str],
    *,
    threads: Sequence[int],
    texts: Sequence[int],
    rounds: int,
    calls: int,
    seconds: float,
) -> list[SynthesisRow]:
    """Time subjects side by side, every text as long as its size.

    Args:
        words: models, MODEL=WEIGHTS, or artifacts.
        threads: of a call.
        texts: of a call.
        rounds: through all cases.
        calls: of a case in a round.
        seconds: after which a round of a case ends early.

    Raises:
        SpeechZooError: a subject that is none.
    """
    cases = [case for word in words for n in threads for case in _cases(word, n, texts)]
    for case in cases:
        case.call()  # memory is laid out
    for _ in range(rounds):
        for case in cases:
            begin = time.perf_counter()
            for _ in range(calls):
                case.taken.append(case.call())
                if time.perf_counter() - begin > seconds:
                    break
    return [_row(case) for case in cases]


def _cases(word: str, threads: int, texts: Sequence[int]) -> list[_Case]:
    name, _, weights = word.partition("=")
    if name not in list_models():
        name, weights = word, ""
    synthesizer = Synthesizer(name, weights or None, threads=threads)
    symbols = synthesizer.session.symbols
    found = []
    for count in texts:
        for tokens, frames in synthesizer.session.buckets:
            size = min(tokens, _LONGEST), min(frames, _LONGEST * _FRAMES_A_TOKEN)
            (longest, *_) = parity_texts(symbols, 1, *size)
            found.append(_Case(word, synthesizer, threads, [longest] * count, (tokens, frames), []))
    return found


_LONGEST, _FRAMES_A_TOKEN = 256, 8  # of a text for a network that takes any length, as in PyTorch


def _row(case: _Case) -> SynthesisRow:
    session = case.synthesizer.session
    median = float(np.median(case.taken))
    speech = case.frames * session.front_end.hop_length / session.front_end.sample_rate * len(case.utterances)
    return SynthesisRow(
        name=case.name,
        backend=session.backend,
        threads=case.threads,
        texts=len(case.utterances),
        tokens=len(case.utterances[0].ids),
        frames=case.frames,
        calls=len(case.taken),
        median_ms=1e3 * median,
        p99_ms=1e3 * float(np.percentile(case.taken, 99)),
        real_time_factor=median / speech,
    )


def synthesis_table(rows: Sequence[SynthesisRow]) -> str:
    """A table with aligned columns."""
    cells = [_HEADINGS]
    for row in rows:
        each = row.median_ms / row.texts
        cells.append(
            (
                row.name, row.backend, str(row.threads), str(row.texts), str(row.tokens), f"{row.frames:.0f}",
                f"{row.median_ms:.2f}", f"{row.p99_ms:.2f}", f"{each:.2f}", f"{1e3 / each:.1f}",
                f"{row.real_time_factor:.4f}",
            )
        )  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]
        )
        for line in cells
    )


def synthesis_record(rows: Sequence[SynthesisRow]) -> str:
    """All figures and the machine, as JSON."""
    return json.dumps({"machine": describe_machine(), "rows": [asdict(row) for row in rows]}, indent=1)


def check_synthesis_options(**given: bool) -> None:
    """Refuse what only streaming models have.

    Raises:
        SpeechZooError: one was given.
    """
    if wrong := [name for name, value in given.items() if value]:
        raise SpeechZooError(
            f"--{wrong[0].replace('_', '-')} is for streaming models; of text to speech --threads, --streams "
            f"(texts of a call), --rounds, --calls, --seconds and --json are known"
        )
