"""Rows as a table, for a terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from zoo.benchmark.rows import Row, Run

BUSY = 0.1  # of the time, from where on a run is warned of
Columns = list[tuple[str, list[str]]]

# What a row is; a column that says the same of all rows is left out.
SIZES: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("form", lambda row: row.form),
    ("backend", lambda row: row.backend),
    ("graph", lambda row: row.graph),
    ("threads", lambda row: str(row.threads)),
    ("streams", lambda row: str(row.streams)),
    ("hops", lambda row: str(row.hops)),
)
FIGURES: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("median ms", lambda row: f"{row.median_ms:.3f}"),
    ("p99", lambda row: f"{row.p99_ms:.3f}"),
    ("best round", lambda row: f"{row.best_round_ms:.3f}"),
    ("ms a frame", lambda row: f"{row.frame_ms:.4f}"),
    ("cold ms", lambda row: _or_dash(row.cold_ms, ".4f")),
    ("products ms", lambda row: _or_dash(row.products_ms, ".4f")),
    ("ratio", lambda row: _or_dash(row.ratio, ".2f")),
    ("RTF", lambda row: f"{row.real_time_factor:.4f}"),
    ("streams a core", lambda row: _or_dash(row.streams_a_core, ".0f")),
    ("nodes", lambda row: _or_dash(row.nodes, "d")),
    ("as run", lambda row: _or_dash(row.nodes_run, "d")),
    ("CPU share", lambda row: f"{row.processor_share:.2f}"),
    ("state kB", lambda row: f"{row.state_bytes / 1e3:.1f}"),
    ("memory MB", lambda row: _or_dash(row.memory_mb, ".1f")),
    ("size kB", lambda row: _or_dash(row.size_bytes and row.size_bytes / 1e3, ".0f")),
    ("compile s", lambda row: _or_dash(row.compile_s, ".1f")),
)


def text_table(rows: Sequence[Row]) -> str:
    """A table with aligned columns, and above it what all rows have in common."""
    columns = _columns(rows)
    lines = [_in_common(rows)] if _in_common(rows) else []
    widths = [max(len(heading), *map(len, cells)) for heading, cells in columns]
    for cells in ([heading for heading, _ in columns], *zip(*(cells for _, cells in columns), strict=True)):
        first, *rest = cells
        aligned = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *aligned]))
    return "\n".join(lines)


def markdown_table(rows: Sequence[Row]) -> str:
    """The same in Markdown."""
    common = _in_common(rows)
    return (f"All rows: {common}.\n\n" if common else "") + markdown(_columns(rows))


def markdown(columns: Columns) -> str:
    """A Markdown table whose first column is a name; columns of numbers are aligned to the right."""
    first, *rest = columns
    rules = ["--:" if all(map(_numeric, cells)) else "---" for _, cells in rest]
    names = [f"`{name}`" for name in first[1]]
    bodies = zip(names, *(cells for _, cells in rest), strict=True)
    lines = [[heading for heading, _ in columns], ["---", *rules], *bodies]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def references_table(rows: Sequence[Row]) -> str:
    """Markdown: every row beside the one that it is compared with; empty if none is."""
    pairs = [(row, rows[row.reference]) for n, row in enumerate(rows) if row.reference not in (None, n)]
    columns: Columns = [
        ("", [row.name for row, _ in pairs]),
        ("form", [row.form for row, _ in pairs]),
        ("run with", [how(row) for row, _ in pairs]),
        ("ms a frame", [f"{row.frame_ms:.4f}" for row, _ in pairs]),
        ("ratio", [_or_dash(row.ratio, ".2f") for row, _ in pairs]),
        ("reference's ms", [f"{other.frame_ms:.4f}" for _, other in pairs]),
        ("reference", [f"`{other.name}`" for _, other in pairs]),
    ]
    return markdown(columns) if pairs else ""


def warning(run: Run) -> str:
    """What to think of a run on a machine that was busy; empty if it was not."""
    if run.disturbed < BUSY:
        return ""
    return (
        f"Other processes had the processor for up to {100 * run.disturbed:.0f} % of a row's time: medians "
        f"of short calls may stand, 99th percentiles and long calls do not."
    )


def how(row: Row) -> str:
    """What distinguishes a row from the plainest one: PyTorch, threads, streams and hops beyond one."""
    words = ["PyTorch"] if row.backend == "torch" else []
    for number, unit in ((row.threads, "threads"), (row.streams, "streams"), (row.hops, "hops")):
        words += [f"{number} {unit}"] if number > 1 else []
    return ", ".join(words)


def _columns(rows: Sequence[Row]) -> Columns:
    columns = [("", [row.name for row in rows])]
    columns += [(heading, [cell(row) for row in rows]) for heading, cell in SIZES]
    columns = [columns[0], *(column for column in columns[1:] if len(set(column[1])) > 1)]
    frames = any(row.streams * row.hops > 1 for row in rows)
    for heading, cell in FIGURES:
        cells = [cell(row) for row in rows]
        if set(cells) != {"-"} and (frames or heading != "ms a frame"):
            columns.append((heading, cells))
    return columns


def _in_common(rows: Sequence[Row]) -> str:
    words = []
    for heading, cell in SIZES:
        if len({cell(row) for row in rows}) == 1:
            value = cell(rows[0])
            unit = heading.removesuffix("s") if value == "1" else heading
            words.append(f"{value} {unit}" if heading in ("threads", "streams", "hops") else value)
    return ", ".join(words)


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _numeric(cell: str) -> bool:
    return cell == "-" or cell.replace(".", "").isdigit()
