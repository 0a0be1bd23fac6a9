"""Exports C: a file that stands alone, and its header. They only appear under their names once what a
compiler makes of them computes what the training form, or the ONNX file that they are made from, computes."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from converters.c.compiler import compile_apart, compile_graph
from converters.c.interface import header_of
from converters.c.interleaving import check_streams
from zoo.artifact.manifest import Form
from zoo.artifact.parity import ParityReport
from zoo.errors import ArtifactError
from zoo.files import atomic
from zoo.runtime.compiler import ENDING, build, find_compiler
from zoo.runtime.native import NativeGraph
from zoo.runtime.onnx import OnnxGraph
from zoo.tasks import task_of

if TYPE_CHECKING:
    from converters.subjects.subject import Progress
    from zoo.networks.base import Network

COMPARED = "waveform of the compiled C"


def export_c(
    model: Network | str | os.PathLike[str],
    out: str | os.PathLike[str],
    form: Form | None = None,
    *,
    symbol: str | None = None,
    weights_file: str | os.PathLike[str] | None = None,
    streams: int = 1,
    progress: Progress | None = None,
    **options: Any,
) -> ParityReport:
    """Export what runs as a stream, an enhancer or a vocoder, to C: ``out`` and, beside it, its header.

    Args:
        model: training form, or an ONNX file of ours for one stream and a fixed number of hops, for which
            PyTorch is not needed.
        out: the file to write, ``.c``; its folder is made.
        form: of an enhancer ``wav2wav`` or ``spec2spec``, by default the second; a file has its own.
        symbol: what all public names of the C begin with; by default the model's name.
        weights_file: write the weights, with the record and its recording, to this file, which the code loads
            at run time; the C is then the same for all weights of the model.
        streams: that a call computes side by side, as the lanes of vectors: 1, or a multiple of 16.
        progress: called with a line for each step.
        options: of the graph, as of ``export_onnx``: ``hops``, of each call, by default one.

    Returns:
        how close the compiled code comes to the training form, or to the file.

    Raises:
        ArtifactError: C cannot be made of it, or compiled, and why; nothing is left.
        MissingExtraError: there is no compiler to check it with.
        ParityError: it does not compute what it should; nothing is left.
        ValueError: arguments that contradict each other or the model.
    """
    if symbol is not None and not symbol.isidentifier():
        raise ValueError(f"{symbol!r} is no name that C can have")
    if Path(out).suffix != ".c":
        raise ValueError(f"{out}: a file of C ends in .c")
    check_streams(streams)
    weights = None if weights_file is None else Path(weights_file)
    if weights in (Path(out), Path(out).with_suffix(".h")):
        raise ValueError(f"{weights}: the weights need a file of their own")
    find_compiler()
    say = progress or (lambda line: None)
    if isinstance(model, (str, os.PathLike)):
        if form is not None or options:
            raise ValueError(
                f"{os.fspath(model)}: a file has its own form and sizes; leave {form or options} out"
            )
        return _export_file(Path(model), Path(out), (symbol, streams), weights, say)
    with TemporaryDirectory() as folder:
        graph = Path(folder) / "graph.onnx"
        reference = export_reference(model, graph, form, options, say)
        return _export_file(graph, Path(out), (symbol, streams), weights, say, reference)


def export_reference(
    model: Any, path: Path, form: Form | None, options: dict[str, Any], say: Progress
) -> Any:
    """Export a network to ONNX, through its own gate.

    Returns:
        the training form's output, which the C is to be held against.
    """
    from converters.subjects import get_subject
    from converters.targets.onnx import export_onnx

    subject, training = get_subject(model.spec.task), model
    if model.converted_from:
        (training,) = model.converted_from
    reference = subject.reference(training)
    if not options.get("streaming", True):
        raise ValueError(f"{model.spec.name}: C is made of streaming graphs; leave offline out")
    export_onnx(model, path, form, progress=say, **{"hops": 1, **options})
    return reference


def _export_file(
    path: Path,
    out: Path,
    how: tuple[str | None, int],
    weights: Path | None,
    say: Progress,
    reference: Any = None,
) -> ParityReport:
    """C of a file, compiled and held against a network's reference, or against the file in ONNX Runtime.

    ``how`` is its symbol and its number of streams.
    """
    with ExitStack() as stack:
        temporary, folder = stack.enter_context(atomic(out)), stack.enter_context(TemporaryDirectory())
        apart = None if weights is None else stack.enter_context(atomic(weights))
        say(f"{out.stem}: writing C")
        if apart is None:
            text = compile_graph(path, *how)
        else:
            text, data = compile_apart(path, *how)
            apart.write_bytes(data)
        temporary.write_text(text)
        say(f"{out.stem}: compiling it")
        library = Path(folder) / f"{out.stem}{ENDING}"
        try:
            build(temporary, library)
        except ArtifactError as error:
            raise ArtifactError(str(error).replace(str(temporary), str(out))) from error
        say(f"{out.stem}: checking it")
        report = check_library(library, OnnxGraph(path), reference, apart)
    with atomic(out.with_suffix(".h")) as temporary:
        temporary.write_text(header_of(text))
    return report


def check_library(
    library: Path, graph: OnnxGraph, reference: Any = None, weights: Path | None = None
) -> ParityReport:
    """Hold compiled C against a network's reference, or against the file that it was made from.

    Args:
        library: the compiled C.
        graph: that file.
        reference: of the network, if there is one.
        weights: the file of its weights, where they are not inside.

    Raises:
        ParityError: it does not compute what it should.
    """
    task, native = task_of(graph), NativeGraph(library, weights)
    task.verify(native)
    assert graph.manifest is not None, "what a task was found for has a record"
    report: ParityReport
    if reference is None:
        report = task.compare(graph, native, (), graph.manifest.tolerance)
        return replace(report, tensor=COMPARED)
    report = reference.check_graph(native, COMPARED, graph.manifest.tolerance)
    return report
