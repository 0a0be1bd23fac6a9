"""Exports programs of ``torch.export`` (``.pt2``), plain, or compiled ahead of time for such a machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from converters.flow import export_graph, exportable
from converters.subjects.subject import Progress, Traceable
from converters.targets.quiet import quiet, reason_of
from converters.targets.torch_target import TorchTarget, Traced
from zoo.artifact.manifest import Form, Manifest, SpeakerForm
from zoo.artifact.parity import ParityReport
from zoo.errors import ArtifactError
from zoo.networks.base import Network
from zoo.runtime.torch_files import RECORD_NAME, check_suffix

LOGGERS = ("torch.export", "torch._export", "torch._inductor")  # which tell of their own insides


def export_program(
    model: Network,
    out: str | os.PathLike[str],
    form: Form | SpeakerForm | None = None,
    *,
    compiled: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> ParityReport:
    """Export a model of any task to one program of ``torch.export`` (``.pt2``), on the CPU.

    It takes and gives tensors in the manifest's order, of an enhancer the signal and every state: shapes as
    in ``export_onnx``.

    Args:
        compiled: hold machine code instead of the graph, made by AOTInductor and a C++ compiler, for
            processors like this machine's; ``torch._inductor.aoti_load_package`` or C++ loads it.
        model, out, form, progress, options: as ``converters.export_onnx``.

    Returns:
        how close the file comes to the training form.

    Raises:
        ArtifactError: it cannot be traced or compiled.
        ParityError: it does not compute what the training form computes; no file is left.
        ValueError: arguments that contradict each other or the model, a model in training mode, or of one
            with recurrent layers over time free ``hops``, or whole recordings without ``frames``.
    """
    check_suffix(out, ".pt2")
    return export_graph(exportable(model, form=form, **options), out, ExportedProgram(compiled), progress)


@dataclass(frozen=True)
class Program:
    """A program, and its machine code if there is some.

    Attributes:
        program: the graph.
        code: files of machine code.
    """

    program: torch.export.ExportedProgram
    code: tuple[Any, ...] = ()


class ExportedProgram(TorchTarget[Program]):
    """Files of ``torch.export``.

    Args:
        compiled: see ``export_program``.
    """

    def __init__(self, compiled: bool = False) -> None:
        self._compiled = compiled
        self.name = f"{'AOTInductor' if compiled else 'torch.export'} of PyTorch {torch.__version__}"

    def trace(self, given: Traceable) -> Traced[Program]:
        program = trace_program(given)
        return Traced(Program(program, _compile(program) if self._compiled else ()), given)

    def toolchain(self, program: Traced[Program]) -> dict[str, str]:
        return {"compiled": torch.backends.cpu.get_cpu_capability()} if program.module.code else {}

    def save(
        self, program: Traced[Program], manifest: Manifest, path: Path, metadata: Mapping[str, str]
    ) -> None:
        from torch.export.pt2_archive._package import package_pt2

        code = list(program.module.code)
        _forget_sources(program.module.program)
        with quiet(*LOGGERS):
            package_pt2(
                str(path),
                exported_programs=None if code else program.module.program,
                aoti_files=code or None,
                extra_files={RECORD_NAME: manifest.to_json()},
            )


def _forget_sources(program: torch.export.ExportedProgram) -> None:
    """Take out of a program where on the maker's machine the code of each node is."""
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                node.meta.pop("stack_trace", None)


def trace_program(given: Traceable) -> torch.export.ExportedProgram:
    """The program of a module, with its free dimensions.

    Raises:
        ArtifactError: ``torch.export`` cannot trace it.
        ValueError: it cannot leave a dimension free, and what to do then.
    """
    with quiet(*LOGGERS), torch.no_grad():
        for deferred in (False, True):  # what is only sure for some sizes is then looked at in every call
            try:
                return torch.export.export(
                    given.module,
                    given.arguments,
                    dynamic_shapes=given.shapes,
                    prefer_deferred_runtime_asserts_over_guards=deferred,
                )
            except Exception as error:  # its own errors share no base
                if given.unrolled:
                    raise ValueError(given.unrolled) from error
                reason = reason_of(error)
    raise ArtifactError(f"torch.export cannot trace {given.name} ({reason})")


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
        raise ArtifactError(
            f"the program cannot be compiled ahead of time ({reason_of(error)}); it takes a C++ compiler "
            f"(g++ or clang++), or export it with compiled=False"
        ) from error
    assert isinstance(files, list)
    return tuple(files)
