"""The report of runs, in Markdown."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from zoo.benchmark.rows import Run
from zoo.benchmark.tables import markdown_table, references_table, warning

INTRODUCTION = """# Speed

Written by `speechzoo benchmark`. Every graph gets noise and its own states back, as in a stream, and the rounds go through all rows in turn, so that a change of the machine's speed meets them all. Compare times within a run only.

| column | what |
|---|---|
| graph | streams x hops of a call as the graph has them, `any` where it leaves them free; `eager`: PyTorch, not compiled |
| median ms, p99, best round | milliseconds a call: median and 99th percentile over all rounds, median of the fastest round |
| ms a frame | the median over streams x hops |
| ratio | of the times a frame, to the reference: below 1 is faster |
| RTF | real-time factor of a stream: time a frame over the hop |
| streams a core | 1 / RTF, where a call has one thread |
| nodes, as run | of the file; after ONNX Runtime's own fusions on this machine |
| CPU share | processor time over time, where rounds were timed: below 1, with one thread, other processes had the rest |
| state kB | memory of one stream between calls |
| memory MB | by how much a process grows at most that loads the row and runs it, its packages being imported |
"""  # noqa: E501


def make_report(runs: Sequence[Run], path: Path, picture: Path | None = None) -> str:
    """The Markdown of some runs.

    Args:
        runs: with the machine, command and rows of each.
        path: where the report will be, for its link to the picture.
        picture: of all rows, or None.
    """
    parts = [INTRODUCTION]
    if picture is not None:
        link = Path(os.path.relpath(picture, path.parent)).as_posix()
        parts.append(f"![Milliseconds a frame of every row]({link})\n")
    for number, run in enumerate(runs, 1):
        if len(runs) > 1:
            parts.append(f"## Run {number}\n")
        parts += ["| | |\n|---|---|", *(f"| {name} | {value} |" for name, value in run.machine.items()), ""]
        parts.append(f"```sh\n{wrap(run.command)}\n```\n")
        if busy := warning(run):
            parts.append(f"**{busy}**\n")
        if beside := references_table(run.rows):
            parts += [f"### Beside their references\n\n{beside}\n", "### All rows\n"]
        parts.append(f"{markdown_table(run.rows)}\n")
    return "\n".join(parts)


def wrap(command: str, width: int = 100) -> str:
    """A command on lines that the shell takes for one."""
    lines, line = [], ""
    for word in shlex.split(command):
        quoted = shlex.quote(word)
        if line and len(line) + len(quoted) > width:
            lines.append(line)
            line = "   "
        line = f"{line} {quoted}" if line else quoted
    return " \\\n".join([*lines, line])
