"""Exports LADSPA plug-ins: a shared library that audio programs load, compiled from generated C.

It only appears under its name once the plug-ins in it, run as a host runs them, give what the training form,
or the ONNX file that they are made from, gives.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from converters.c.compiler import compile_graph
from converters.c.wrappers import SYMBOL, ladspa_source
from converters.targets.c import check_library, export_reference
from converters.targets.ladspa_host import Plugin
from zoo.artifact.golden import parity_speech
from zoo.artifact.parity import ParityReport, compare
from zoo.errors import ArtifactError
from zoo.files import atomic
from zoo.runtime.compiler import ENDING, build, find_compiler
from zoo.runtime.native import NativeGraph
from zoo.runtime.onnx import OnnxGraph
from zoo.tasks.enhancement.graph import enhancement_manifest, session_over

if TYPE_CHECKING:
    from converters.subjects.subject import Progress
    from zoo.networks.base import Network


def export_ladspa(
    model: Network | str | os.PathLike[str],
    out: str | os.PathLike[str],
    form: str | None = None,
    *,
    march: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> ParityReport:
    """Export a streaming enhancer to LADSPA plug-ins, mono and stereo, in one library.

    Args:
        model: training form, or an ONNX file of ours that takes waveforms, for one stream and a fixed number
            of hops, for which PyTorch is not needed.
        out: the library to write; its folder is made.
        form: ``wav2wav``, which is all that a plug-in can have.
        march: as of ``zoo.runtime.compiler.build``: ``native``, the default, ``portable``, or a name.
        progress: called with a line for each step.
        options: of the graph, as of ``export_onnx``: ``hops``, of each call.

    Returns:
        how close the compiled code comes to the training form, or to the file.

    Raises:
        ArtifactError: it cannot be made or compiled, and why; nothing is left.
        MissingExtraError: there is no compiler.
        ParityError: it does not compute what it should; nothing is left.
        ValueError: arguments that contradict each other or the model.
    """
    if form not in (None, "wav2wav"):
        raise ValueError(f"a plug-in takes waveforms, so its form is wav2wav, not {form}; leave the form out")
    find_compiler()
    say, out = progress or (lambda line: None), Path(out)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reference = None
        if isinstance(model, (str, os.PathLike)):
            if options:
                raise ValueError(f"{os.fspath(model)}: a file has its own sizes; leave {options} out")
            graph = OnnxGraph(model)
        else:
            reference = export_reference(model, folder / "graph.onnx", "wav2wav", options, say)
            graph = OnnxGraph(folder / "graph.onnx")
        if enhancement_manifest(graph).form != "wav2wav":
            raise ArtifactError(f"{graph.path}: a plug-in takes waveforms; export it with the form wav2wav")
        with atomic(out) as temporary:
            say(f"{out.stem}: writing C and compiling it")
            _build(graph, folder, temporary, march or "native")
            say(f"{out.stem}: checking it")
            report = check_library(temporary, graph, reference)
            _check_plugins(temporary)
    return report


def _build(graph: OnnxGraph, folder: Path, out: Path, march: str) -> None:
    """Compile the model's C and the wrapper to one library."""
    source, wrapper = folder / "model.c", folder / "ladspa.c"
    source.write_text(compile_graph(graph.path, SYMBOL))
    wrapper.write_text(ladspa_source(source.read_text(), enhancement_manifest(graph)))
    # A host may load several, whose functions have the same names: each calls its own.
    own = ("-Wl,-Bsymbolic",) if ENDING == ".so" else ()
    build(source, out, march, more=(str(wrapper), *own, "-lm"))


def _check_plugins(path: Path) -> None:
    """Hold what the plug-ins give, moved by their latency, against what the model inside gives.

    Raises:
        ParityError: it is something else.
    """
    native = NativeGraph(path)
    manifest, session = native.manifest, session_over(native)
    rate = manifest.front_end.sample_rate
    speech = parity_speech(rate)[None]
    signals = np.concatenate([speech, np.roll(speech, rate, axis=1)])
    expected = np.concatenate([session.whole(signal[None]) for signal in signals])
    for index, channels in enumerate((1, 2)):
        plugin = Plugin(path, index, rate)
        plugin(signals[:channels, :1])
        plugin.reset()
        found = plugin(np.pad(signals[:channels], ((0, 0), (0, plugin.latency))))[:, plugin.latency :]
        plugin.close()
        compare(
            expected[:channels], found, tensor=f"the plug-in {plugin.label}", tolerance=manifest.tolerance
        )
