"""Exports programs of ``torch.export`` (``.pt2``), plain, or compiled ahead of time for such a machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch._dynamo.exc import UserError

from converters.export import Layout, Progress, Traceable, export_graph, traceable
from converters.targets.quiet import quiet
from zoo.artifact.manifest import Form, Manifest
from zoo.artifact.parity import ParityReport
from zoo.errors import ArtifactError
from zoo.networks.base import Network
from zoo.networks.streaming import StreamingModule
from zoo.runtime.torch_files import RECORD_NAME, TorchGraph, check_suffix
from zoo.spec import TensorSpec

LOGGERS = ("torch.export", "torch._export", "torch._inductor")  # which tell of their own insides


def export_program(
    model: Network,
    out: str | os.PathLike[str],
    form: Form = "spec2spec",
    *,
    streaming: bool = True,
    streams: int | Literal["streams"] = 1,
    hops: int = 1,
    frames: int | None = None,
    compiled: bool = False,
    progress: Progress | None = None,
) -> ParityReport:
    """Export a model to one program of ``torch.export`` (``.pt2``), on the CPU.

    It takes the signal and every state and gives the signal and every next state, float32, in the manifest's
    order: shapes as in ``export_onnx``.

    Args:
        compiled: hold machine code instead of the graph, made by AOTInductor and a C++ compiler, for
            processors like this machine's; ``torch._inductor.aoti_load_package`` or C++ loads it.
        model, out, form, streaming, streams, hops, frames, progress: as ``converters.export_onnx``; the
            number of hops is fixed.

    Returns:
        how close the file comes to the training form.

    Raises:
        ArtifactError: it cannot be compiled.
        ParityError: it does not compute what the training form computes; no file is left.
        ValueError: arguments that contradict each other or the model, a model in training mode, or an
            offline program without ``frames`` of a model with recurrent layers over time.
    """
    check_suffix(out, ".pt2")
    return export_graph(
        model, out, Layout(form, streaming, streams, hops, frames), _Program(compiled), progress
    )


@dataclass(frozen=True)
class _Traced:
    program: torch.export.ExportedProgram
    traced: Traceable
    code: tuple[Any, ...] = ()  # files of machine code


class _Program:
    def __init__(self, compiled: bool) -> None:
        self._compiled = compiled
        self.name = f"{'AOTInductor' if compiled else 'torch.export'} of PyTorch {torch.__version__}"

    def trace(self, core: StreamingModule, layout: Layout) -> _Traced:
        given = traceable(core, layout)
        with quiet(*LOGGERS), torch.no_grad():
            try:
                program = torch.export.export(given.module, given.arguments, dynamic_shapes=given.shapes)
            except UserError as error:
                if layout.streaming or layout.frames is not None:
                    raise
                raise ValueError(
                    f"torch.export cannot leave the length of {core.spec.name}'s recordings free, since it "
                    f"unrolls recurrent layers; pass frames (--frames), or export it streaming, or as "
                    f"ONNX or TorchScript"
                ) from error
            return _Traced(program, given, _compile(program) if self._compiled else ())

    def tensors(self, program: _Traced) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        return program.traced.inputs, program.traced.outputs

    def toolchain(self, program: _Traced) -> dict[str, str]:
        return {"compiled": torch.backends.cpu.get_cpu_capability()} if program.code else {}

    def save(self, program: _Traced, manifest: Manifest, path: Path) -> None:
        from torch.export.pt2_archive._package import package_pt2

        with quiet(*LOGGERS):
            package_pt2(
                str(path),
                exported_programs=None if program.code else program.program,
                aoti_files=list(program.code) or None,
                extra_files={RECORD_NAME: manifest.to_json()},
            )

    def load(self, path: Path) -> TorchGraph:
        return TorchGraph(path)


def _compile(program: torch.export.ExportedProgram) -> tuple[Any, ...]:
    """Files of machine code for a program.

    Raises:
        ArtifactError: there is no compiler, or it fails.
    """
    import torch._inductor

    try:
        files = torch._inductor.aot_compile(
            program.module(), *program.example_inputs, options={"aot_inductor.package": True}
        )
    except Exception as error:  # compilers fail in their own ways
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise ArtifactError(
            f"the program cannot be compiled ahead of time ({reason}); it takes a C++ compiler (g++ or "
            f"clang++), or export it with compiled=False"
        ) from error
    assert isinstance(files, list)
    return tuple(files)
