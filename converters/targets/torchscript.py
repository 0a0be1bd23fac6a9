"""Exports TorchScript: what many C++ programs load.

PyTorch has deprecated TorchScript and says so at every call; ``converters.targets.program`` is its successor.
The file is traced, its manifest is an extra file inside.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from converters.flow import export_graph, exportable
from converters.subjects.subject import Progress, Traceable
from converters.targets.quiet import reason_of
from converters.targets.torch_target import TorchTarget, Traced
from zoo.artifact.manifest import Form, Manifest, SpeakerForm
from zoo.artifact.parity import ParityReport
from zoo.errors import ArtifactError
from zoo.networks.base import Network
from zoo.runtime.torch_files import RECORD_NAME, check_suffix

DEPRECATED = (
    "PyTorch has deprecated TorchScript; for new programs take export_program (.pt2) or export_onnx (.onnx)"
)


def export_torchscript(
    model: Network,
    out: str | os.PathLike[str],
    form: Form | SpeakerForm | None = None,
    *,
    progress: Progress | None = None,
    **options: Any,
) -> ParityReport:
    """Export a model of any task to one TorchScript file (``.ts``), on the CPU.

    Its ``forward`` takes and gives tensors in the manifest's order, of an enhancer the signal and every
    state: shapes as in ``export_onnx``. ``torch.jit.load`` in Python or C++ is all it takes.

    Args: as ``converters.export_onnx``.

    Returns:
        how close the file comes to the training form.

    Raises:
        ArtifactError: it cannot be traced.
        ParityError: it does not compute what the training form computes; no file is left.
        ValueError: arguments that contradict each other or the model, or a model in training mode.
    """
    check_suffix(out, ".ts")
    if progress:
        progress(DEPRECATED)
    return export_graph(exportable(model, form=form, **options), out, TorchScript(), progress)


_OF_THE_WRITER = (".data/version", "version", ".data/serialization_id", "byteorder")


class TorchScript(TorchTarget[torch.jit.ScriptModule]):
    """TorchScript files."""

    name = f"TorchScript of PyTorch {torch.__version__}"

    def trace(self, given: Traceable) -> Traced[torch.jit.ScriptModule]:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # deprecation, which the docstring says, and traced constants
            try:
                module = torch.jit.trace(given.module, given.arguments, check_trace=False, strict=True)
                return Traced(torch.jit.freeze(module), given)
            except RuntimeError as error:
                raise ArtifactError(f"{self.name} cannot trace {given.name} ({reason_of(error)})") from error

    def toolchain(self, program: Traced[torch.jit.ScriptModule]) -> dict[str, str]:
        return {}

    def save(
        self,
        program: Traced[torch.jit.ScriptModule],
        manifest: Manifest,
        path: Path,
        metadata: Mapping[str, str],
    ) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = io.BytesIO()
            torch.jit.save(program.module, content, _extra_files={RECORD_NAME: manifest.to_json()})
        _without_sources(content, path)


def _without_sources(content: io.BytesIO, path: Path) -> None:
    """Write a TorchScript file without where on the maker's machine the code of each node is."""
    content.seek(0)
    source = torch._C.PyTorchFileReader(content)
    copy = torch._C.PyTorchFileWriter(str(path))
    copy.set_min_version(int(source.get_record("version")))  # of the operators
    for name in source.get_all_records():
        if not name.endswith(".debug_pkl") and name not in _OF_THE_WRITER:
            record = source.get_record(name)
            copy.write_record(name, record, len(record))
    copy.write_end_of_file()
