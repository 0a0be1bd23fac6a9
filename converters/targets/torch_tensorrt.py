"""Compiles models with torch-tensorrt: programs and TorchScript files with TensorRT's engines inside.

torch-tensorrt comes from NVIDIA's own index, in pairs with PyTorch (docs/nvidia.md); what runs the files
needs it too, and the GPU.
"""

from __future__ import annotations

import dataclasses
import os
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

from converters.flow import export_graph, exportable
from converters.subjects.subject import Progress, Traceable
from converters.targets.program import LOGGERS, trace_program
from converters.targets.quiet import quiet, reason_of
from converters.targets.torch_target import TorchTarget, Traced
from zoo.artifact.engine import TOLERANCES
from zoo.artifact.manifest import Form, Manifest, SpeakerForm
from zoo.artifact.parity import ParityReport
from zoo.errors import ArtifactError, MissingExtraError
from zoo.networks.base import Network
from zoo.runtime.torch_files import RECORD_NAME, TORCH_TENSORRT, check_suffix

Precision = Literal["fp32", "fp16"]
Compiled = tuple[Any, tuple[torch.Tensor, ...]]  # a module, and the example that it was compiled with
FORMATS = {".pt2": "exported_program", ".ts": "torchscript"}


def compile_torch_tensorrt(
    model: Network,
    out: str | os.PathLike[str],
    form: Form | SpeakerForm | None = None,
    *,
    precision: Precision = "fp32",
    workspace: int = 0,
    progress: Progress | None = None,
    **options: Any,
) -> ParityReport:
    """Compile a model of any task for the GPU at hand and save it, as a program (``.pt2``) or as TorchScript.

    States are inputs and outputs, as in every other file. TF32 is off.

    Args:
        precision: ``fp16`` lets torch-tensorrt's own rules choose what is computed in 16 bits.
        workspace: bytes that a layer may take; 0: TensorRT's own limit.
        model, out, form, progress, options: as ``converters.export_program``.

    Returns:
        how close the file comes to the training form, run on the GPU.

    Raises:
        ArtifactError: it cannot be compiled.
        MissingExtraError: torch-tensorrt is not installed, or there is no GPU.
        ParityError: it does not compute what the training form computes; no file is left.
        ValueError: arguments that contradict each other or the model.
    """
    suffix = Path(out).suffix
    if suffix not in FORMATS:
        check_suffix(out, ".pt2")
    target = TorchTensorRT(load_torch_tensorrt(), FORMATS[suffix], precision, workspace)
    return export_graph(exportable(model, form=form, **options), out, target, progress)


def load_torch_tensorrt() -> Any:
    """The module, on a machine where it can be used.

    Raises:
        MissingExtraError: it is not installed or does not fit this PyTorch, or there is no GPU.
    """
    if not torch.cuda.is_available():
        raise MissingExtraError(
            f"torch-tensorrt needs an NVIDIA GPU and PyTorch with CUDA; this PyTorch "
            f"{torch.__version__} finds none"
        )
    try:
        import torch_tensorrt
    except Exception as error:  # it raises what it likes when something is missing
        raise MissingExtraError(
            f"torch-tensorrt is not installed ({reason_of(error)}); docs/nvidia.md says how, and which goes "
            f"with PyTorch {torch.__version__}"
        ) from error
    return torch_tensorrt


class TorchTensorRT(TorchTarget[Compiled]):
    """Files with TensorRT's engines inside.

    Args:
        library: torch-tensorrt.
        kind: of file, of ``FORMATS``.
        precision, workspace: see ``compile_torch_tensorrt``.
    """

    def __init__(self, library: Any, kind: str, precision: Precision, workspace: int) -> None:
        self.name = f"torch-tensorrt {library.__version__}"
        self.tolerance = TOLERANCES[precision]
        self._library, self._kind = library, kind
        self._precision, self._workspace = precision, workspace

    def trace(self, given: Traceable) -> Traced[Compiled]:
        arguments = tuple(argument.cuda() for argument in given.arguments)
        try:
            program = trace_program(replace(given, module=given.module.cuda(), arguments=arguments))
            compiled = self._compile(program, arguments, given.name)
        finally:
            given.module.cpu()
        return Traced((compiled, arguments), given)

    def toolchain(self, program: Traced[Compiled]) -> dict[str, str]:
        return {TORCH_TENSORRT: self._library.__version__, "precision": self._precision}

    def save(
        self, program: Traced[Compiled], manifest: Manifest, path: Path, metadata: Mapping[str, str]
    ) -> None:
        compiled, arguments = program.module
        with quiet(*LOGGERS), torch.no_grad():
            self._library.save(compiled, str(path), output_format=self._kind, arg_inputs=list(arguments))
        with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
            root = archive.namelist()[0].partition("/")[0]
            archive.writestr(f"{root}/extra/{RECORD_NAME}", manifest.to_json())

    def _compile(self, program: Any, arguments: tuple[torch.Tensor, ...], name: str) -> Any:
        try:
            with quiet(*LOGGERS), torch.no_grad():
                return self._library.dynamo.compile(program, arg_inputs=arguments, **self._settings())
        except Exception as error:  # compilers fail in their own ways
            raise ArtifactError(f"{self.name} cannot compile {name} ({reason_of(error)})") from error

    def _settings(self) -> dict[str, Any]:
        """What this version knows of what is wanted; the names have changed over time."""
        half = self._precision == "fp16"
        wanted: dict[str, Any] = {
            "disable_tf32": True,
            "min_block_size": 1,
            "workspace_size": self._workspace,
            "use_explicit_typing": True,
            "enable_autocast": half,
            "low_precision_type": torch.float16 if half else None,
            "autocast_low_precision_type": torch.float16 if half else None,
        }
        known = {field.name for field in dataclasses.fields(self._library.dynamo.CompilationSettings)}
        settings = {name: value for name, value in wanted.items() if name in known}
        if half and "enable_autocast" not in known:
            settings |= {"use_explicit_typing": False, "enabled_precisions": {torch.float32, torch.float16}}
        return {name: value for name, value in settings.items() if name in known}
