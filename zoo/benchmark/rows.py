"""What was measured: a row for every case, and the record of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.benchmark.cases import Case
from zoo.benchmark.nodes import Nodes
from zoo.errors import SpeechZooError

VERSION = 1
Seconds = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """Figures of a case. What cannot be known is None.

    Attributes:
        name, group, form, backend, graph, threads, streams, hops: of the case.
        sample_rate, hop_length: in Hz and samples.
        calls: timed.
        median_ms, p99_ms: of a call, over all rounds.
        best_round_ms: median of the fastest round.
        frame_ms: median over streams x hops.
        reference: index of the row that it is compared with, its own if others are compared with it.
        ratio: of the times a frame, to the reference.
        real_time_factor: of a stream: time a frame over the hop.
        streams_a_core: how many streams one thread can serve so.
        nodes: of the file.
        nodes_run: as ONNX Runtime runs it, after its own fusions.
        processor_share: processor time of its rounds over their duration; below 1, with one thread, another
            process had the rest.
        state_bytes: of a stream.
        memory_mb: by how much a process grows at most that loads and runs it.
        cold_ms: median of a frame before which the caches were emptied, as a stream in real time finds them.
        size_bytes: of the file; of native code the library, without its record.
        compile_s: of native code.
        products_ms: of native code, what its multiply-adds of a frame take at the rate that the core can do.
    """

    name: str
    group: str
    form: str
    backend: str
    graph: str
    threads: int
    streams: int
    hops: int
    sample_rate: int
    hop_length: int
    calls: int
    median_ms: float
    p99_ms: float
    best_round_ms: float
    frame_ms: float
    reference: int | None
    ratio: float | None
    real_time_factor: float
    streams_a_core: float | None
    nodes: int | None
    nodes_run: int | None
    processor_share: float
    state_bytes: int
    memory_mb: float | None
    cold_ms: float | None = None
    size_bytes: int | None = None
    compile_s: float | None = None
    products_ms: float | None = None


@dataclass(frozen=True)
class Run:
    """A run of the benchmark.

    Attributes:
        command: what was typed.
        machine: what it ran on, by heading.
        rows: in the table's order.
    """

    command: str
    machine: dict[str, str]
    rows: list[Row]

    @property
    def disturbed(self) -> float:
        """The most of a row's time that other processes had, of rows with one thread; 0 to 1."""
        return max((1 - row.processor_share for row in self.rows if row.threads == 1), default=0.0)


@dataclass(frozen=True)
class Measured:
    """What was found out of one case.

    Attributes:
        rounds: seconds of every call, by round.
        processor_share: as in ``Row``.
        state_bytes: of a stream.
        nodes: of its graph; None in PyTorch, or without the package onnx.
        memory_mb: as in ``Row``.
        cold: seconds of every call before which the caches were emptied.
        size: bytes, as in ``Row``.
        compiling: seconds, of native code.
        products: seconds of a call's multiply-adds at the core's peak, of native code.
    """

    rounds: list[Seconds]
    processor_share: float
    state_bytes: int
    nodes: Nodes | None
    memory_mb: float | None
    cold: Seconds | None = None
    size: int | None = None
    compiling: float | None = None
    products: float | None = None


def make_rows(cases: Sequence[Case], measured: Sequence[Measured]) -> list[Row]:
    """The figures, with the ratios to the cases' references."""
    frames = [
        float(1e3 * np.median(np.concatenate(m.rounds))) / (case.streams * case.hops)
        for case, m in zip(cases, measured, strict=True)
    ]
    index = {id(case): number for number, case in enumerate(cases)}
    references = {id(case.reference) for case in cases}
    rows = []
    for number, (case, m) in enumerate(zip(cases, measured, strict=True)):
        of_frame = 1e3 / (case.streams * case.hops)
        reference = None if case.reference is None else index[id(case.reference)]
        if id(case) in references:
            reference = number
        together, factor = 1e3 * np.concatenate(m.rounds), frames[number] / _hop_ms(case)
        rows.append(
            Row(
                case.name, case.group, case.form, case.backend, case.graph,
                case.threads, case.streams, case.hops,
                sample_rate=case.front_end.sample_rate,
                hop_length=case.front_end.hop_length,
                calls=len(together),
                median_ms=float(np.median(together)),
                p99_ms=float(np.percentile(together, 99)),
                best_round_ms=float(1e3 * min(np.median(seconds) for seconds in m.rounds)),
                frame_ms=frames[number],
                reference=reference,
                ratio=None if reference is None else frames[number] / frames[reference],
                real_time_factor=factor,
                streams_a_core=1 / factor if case.threads == 1 else None,
                nodes=m.nodes.file if m.nodes else None,
                nodes_run=m.nodes.run if m.nodes else None,
                processor_share=m.processor_share,
                state_bytes=m.state_bytes,
                memory_mb=m.memory_mb,
                cold_ms=None if m.cold is None else float(np.median(m.cold)) * of_frame,
                size_bytes=m.size,
                compile_s=m.compiling,
                products_ms=None if m.products is None else m.products * of_frame,
            )
        )  # fmt: skip
    return rows


def to_json(run: Run) -> str:
    """The record of a run, for ``read_run`` and for programs."""
    return json.dumps({"version": VERSION, **asdict(run)}, indent=1, allow_nan=False) + "\n"


def read_run(path: Path) -> Run:
    """A record that ``--json`` wrote.

    Raises:
        SpeechZooError: no such file, or another one.
    """
    try:
        data: dict[str, Any] = json.loads(path.read_text())
        if data["version"] != VERSION:
            raise ValueError(f"version {data['version']!r} instead of {VERSION}")
        rows = [Row(**row) for row in data["rows"]]
        if not rows:
            raise ValueError("no rows")
        return Run(str(data["command"]), dict(data["machine"]), rows)
    except OSError as error:
        raise SpeechZooError(f"{path}: it cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, KeyError) as error:
        raise SpeechZooError(
            f"{path}: not a record of speechzoo benchmark ({type(error).__name__}: {error}); make one with "
            f"--json"
        ) from error


def _hop_ms(case: Case) -> float:
    return 1e3 * case.front_end.hop_length / case.front_end.sample_rate
