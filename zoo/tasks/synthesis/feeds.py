"""What a graph for synthesis is fed with, to calibrate it and to hold one graph against another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from zoo.runtime.graph import Graph
from zoo.tasks.synthesis.golden import parity_texts
from zoo.tasks.synthesis.graph import synthesis_manifest
from zoo.tasks.synthesis.session import inputs


def make_feeds(
    graph: Graph, *, exact: bool = False, shapes: Mapping[str, tuple[int, ...]] = {}
) -> list[dict[str, NDArray[Any]]]:
    """Take calls on the package's own text; see ``Task.feeds``.

    Args:
        graph: of one size.
        exact: only calls with forced durations; else each is made with predicted ones too.
        shapes: of inputs with a free batch.
    """
    manifest = synthesis_manifest(graph)
    rows = manifest.batch
    if isinstance(rows, str):
        rows = shapes["ids"][0] if "ids" in shapes else 3
    texts = parity_texts(manifest.symbols, max(3, rows), manifest.tokens, manifest.frames)
    names = [spec.name for spec in graph.inputs]
    feeds = []
    for start in range(0, len(texts), rows):
        call = [texts[(start + row) % len(texts)] for row in range(rows)]
        predicted = [] if exact else [[replace(text, forced=()) for text in call]]
        for each in (call, *predicted):
            width = manifest.width(max(len(text.ids) for text in each))
            feeds.append(dict(zip(names, inputs(each, width), strict=True)))
    return feeds
