"""The tables of a study, for a terminal and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scripts.benchmarking.report import wrap
from scripts.precision_study.study import FULL, Row, Settings
from scripts.precision_study.variants import KINDS
from scripts.precision_study.verdict import LIMITS

MARK = (
    "<!-- Below this line the file is written by python -m scripts.precision; what stands above it stays. -->"
)

INTRODUCTION = "# Reduced precision\n"
COLUMNS = """\
| column | what |
|---|---|
| ms a frame | of the streaming wav2wav graph, one thread: median of the fastest round |
| ratio | of the times a frame, to `float32`: median over rounds that go through all graphs of a model in turn |
| kB | of the file |
| SI-SDR, PESQ, STOI | means over the mixtures; for a reduced graph, by how much they change |
| noise | by how many dB the mixtures' noise, without the speech, gets weaker; likewise |
| SNR | of the output for the mixtures, to that of `float32` |
| first, last minute | of a stream whose every minute is the same: SNR to `float32`, and the change of SI-SDR |

Kept is what takes at most {ratio:g} of the time, loses at most {si_sdr:g} dB of SI-SDR and {pesq:g} of PESQ, and does not drift: in the last minute it loses at most {drift_si_sdr:g} dB of SI-SDR more than in the first, and its SNR is at most {drift_snr:g} dB lower. Of a model with random weights the time alone is judged. Hidden states, all that goes in and out, and the Fourier transforms stay float32 unless it says otherwise.
"""  # noqa: E501

HEADINGS = (
    "kind", "ms a frame", "ratio", "kB", "SI-SDR", "PESQ", "STOI", "noise", "SNR", "first minute",
    "last minute", "verdict",
)  # fmt: skip


def text_table(rows: Sequence[Row]) -> str:
    """Aligned columns, model by model."""
    lines = [list(HEADINGS)]
    for row in rows:
        if row.kind == FULL:
            lines.append([row.model])
        lines.append(_cells(row))
    widths = [max(len(line[i]) for line in lines if len(line) > 1) for i in range(len(HEADINGS) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), *line[-1:]])
        if len(line) > 1
        else line[0]
        for line in lines
    )


def make_report(
    rows: Sequence[Row], machine: dict[str, str], command: str, settings: Settings, before: str = ""
) -> str:
    """Markdown of a study.

    Args:
        rows: of all models, each beginning with its 32-bit graph.
        machine: it ran on, by heading.
        command: what was typed.
        settings: how much was measured.
        before: an earlier report, of which the part above the mark stays.
    """
    prose = before.partition(MARK)[0].rstrip() if MARK in before else INTRODUCTION.rstrip()
    used = {row.kind for row in rows}
    kinds = "\n".join(f"| `{name}` | {kind.what} |" for name, kind in KINDS.items() if name in used)
    parts = [
        f"{prose}\n\n{MARK}\n",
        "## The measurement\n",
        f"| kind | how |\n|---|---|\n{kinds}\n",
        COLUMNS.format(**vars(LIMITS)),
        f"{settings.count} mixtures at -5 to 15 dB, and a stream of {settings.minutes} minutes.\n",
        "\n".join(["| | |\n|---|---|", *(f"| {name} | {value} |" for name, value in machine.items())]) + "\n",
        f"```sh\n{wrap(command)}\n```\n",
    ]
    for model in dict.fromkeys(row.model for row in rows):
        own = [row for row in rows if row.model == model]
        parts.append(f"### `{model}`\n\n{_markdown([_cells(row) for row in own])}\n")
    return "\n".join(parts)


def _markdown(lines: list[list[str]]) -> str:
    """A table without the columns in which nothing stands."""
    shown = [i for i in range(len(HEADINGS)) if any(line[i] for line in lines)]
    rules = ["---" if HEADINGS[i] in ("kind", "verdict") else "--:" for i in shown]
    rows = [[HEADINGS[i] for i in shown], rules, *([line[i] for i in shown] for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cells(row: Row) -> list[str]:
    c = row.comparison
    time = [row.kind, _number(row.frame_ms, ".3f"), _number(c.ratio, ".2f") if c else ""]
    time.append(_number(row.kilobytes, ".0f"))
    if c is None:
        figures = [row.figures.get(name, math.nan) for name in ("si_sdr", "pesq", "stoi", "noise")]
        cells = [
            _number(value, form) for value, form in zip(figures, (".2f", ".3f", ".3f", ".1f"), strict=True)
        ]
        return [*time, *cells, "", "", "", row.verdict]
    ends = [
        f"{snr:.1f} dB, {change:+.2f} dB" if math.isfinite(snr) else ""
        for snr, change in ((c.first_snr_db, c.first_si_sdr), (c.last_snr_db, c.last_si_sdr))
    ]
    changes = (c.si_sdr, "+.2f"), (c.pesq, "+.3f"), (c.stoi, "+.4f"), (c.noise, "+.1f"), (c.snr_db, ".1f")
    return [*time, *(_number(value, form) for value, form in changes), *ends, row.verdict]


def _number(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else ""
