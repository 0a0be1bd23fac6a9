"""Files that PyTorch runs by itself, without the networks: TorchScript, and exported programs.

Both are zip archives with the manifest inside, which is read and judged before any of the rest is loaded.
An exported program is opened as data, see ``program_archive``; one that is more than that, as every compiled
one is, only where the caller trusts it.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.artifact.manifest import METADATA_KEY, Manifest
from zoo.errors import ArtifactError, MissingExtraError
from zoo.extras import extra
from zoo.runtime.graph import check_record
from zoo.runtime.program_archive import read_program

if TYPE_CHECKING:
    from torch import Tensor


RECORD_NAME = f"{METADATA_KEY}.json"  # of the manifest, among a file's extra ones
TORCH_TENSORRT = "torch_tensorrt"  # in a manifest's toolchain: such a file runs on the GPU, with that package
KINDS = {".ts": "torchscript", ".pt2": "exported program"}


class TorchGraph:
    """A TorchScript file (``.ts``) or an exported program, plain or compiled (``.pt2``), on the CPU.

    Args:
        path: the file.
        trust: open an exported program whole, with what in it is code: pickles, machine code, engines.

    Attributes:
        backend: ``torchscript``, ``torch.export`` or ``aotinductor``.
        inputs, outputs: tensors as the manifest has them: such files number theirs.
        manifest: the file's record.

    Raises:
        ArtifactError: no such file, not one of those kinds, damaged, without our manifest, or code that is
            not trusted.
        MissingExtraError: PyTorch is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], *, trust: bool = False) -> None:
        self.path = Path(path)
        self.manifest = read_record(self.path)
        self.inputs, self.outputs = self.manifest.graph_inputs, self.manifest.graph_outputs
        check_record(self.path, self.manifest, self.inputs, self.outputs)
        with extra("torch", f"{self.path}: running it", "take an .onnx artifact"):
            import torch
        self._torch, self._device = torch, "cpu"
        if TORCH_TENSORRT in self.manifest.toolchain:
            self._device = "cuda"
            _load_torch_tensorrt(self.path)
        try:
            if self.path.suffix == ".ts":
                self.backend, self._module = _load_script(self.path, self._device)
            else:
                self.backend, self._module = _load_program(self.path, trust)
        except ArtifactError:
            raise
        except Exception as error:  # whatever a damaged archive leads to
            raise ArtifactError(
                f"{self.path}: PyTorch {torch.__version__} cannot load it ({_reason(error)}); it is damaged, "
                f"or another version than {self.manifest.toolchain.get('torch')} cannot: export it again"
            ) from error

    def __call__(self, *values: NDArray[Any]) -> list[Array]:
        """Run once with values in the order of ``inputs``; the outputs are new arrays.

        Raises:
            ArtifactError: the file does not take what its manifest says.
        """
        tensors = [self._torch.from_numpy(value).to(self._device) for value in values]
        try:
            with self._torch.inference_mode():
                outputs = self._module(*tensors)
        except (RuntimeError, TypeError, AssertionError, ValueError) as error:
            shapes = ", ".join(str(value.shape) for value in values[:1])
            raise ArtifactError(
                f"{self.path}: it cannot be run with a signal {shapes} ({_reason(error)}); what it takes is "
                f"{', '.join(f'{spec.name} {spec.shape}' for spec in self.inputs[:1])}"
            ) from error
        several: Sequence[Tensor] = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
        if len(several) != len(self.outputs):
            raise ArtifactError(
                f"{self.path}: it gives {len(several)} tensors where its manifest has {len(self.outputs)}; "
                f"export it again"
            )
        taken = {tensor.data_ptr() for tensor in tensors}
        return [(t.clone() if t.data_ptr() in taken else t.contiguous()).cpu().numpy() for t in several]


def read_record(path: Path) -> Manifest:
    """The manifest inside a file, without loading anything else of it.

    Raises:
        ArtifactError: no such file, not an archive, or no manifest in it.
    """
    if not path.is_file():
        raise ArtifactError(f"{path}: there is no such file; expected a {KINDS.get(path.suffix, 'file')}")
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(f"/extra/{RECORD_NAME}")]
            _check_sizes(path, archive)
            if len(names) > 1:
                raise ArtifactError(f"{path}: it has {len(names)} manifests; export or download it again")
            text = archive.read(names[0]).decode() if names else None
    except ArtifactError:
        raise
    except Exception as error:  # readers of archives fail in many ways on damaged ones
        raise ArtifactError(
            f"{path}: it is damaged, truncated or no {KINDS.get(path.suffix, 'archive')} ({error}): "
            f"export or download it again"
        ) from error
    if text is None:
        raise ArtifactError(
            f"{path}: it has no speechzoo manifest, so its sample rate and window are unknown; export it "
            f"with converters.export_torchscript or converters.export_program"
        )
    return Manifest.from_json(text, str(path))


def _check_sizes(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse an archive that is small as a file and large once it is unpacked.

    Raises:
        ArtifactError: it is.
    """
    inside = sum(info.file_size for info in archive.infolist())
    if inside > 20 * path.stat().st_size + (1 << 20):
        raise ArtifactError(
            f"{path}: it would unpack to {inside:,} bytes, more than 20 times its own; export or download it "
            f"again"
        )


def _load_script(path: Path, device: str) -> tuple[str, Callable[..., Any]]:
    import warnings

    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # the export says it
        return "torchscript", torch.jit.load(str(path), map_location=device).eval()


def _load_program(path: Path, trust: bool) -> tuple[str, Callable[..., Any]]:
    from torch.export.pt2_archive._package import load_pt2

    contents = load_pt2(str(path) if trust else read_program(path))
    if contents.aoti_runners:
        return "aotinductor", next(iter(contents.aoti_runners.values()))
    return "torch.export", next(iter(contents.exported_programs.values())).module()


def _load_torch_tensorrt(path: Path) -> None:
    """What runs engines inside a file; it registers itself with PyTorch."""
    import importlib

    import torch

    reason = "there is no NVIDIA GPU, or this PyTorch is without CUDA"
    if torch.cuda.is_available():
        try:
            importlib.import_module("torch_tensorrt")
            return
        except Exception as error:  # it raises what it likes when something is missing
            reason = _reason(error)
    raise MissingExtraError(
        f"{path}: it holds engines and runs with torch-tensorrt on a GPU ({reason}); docs/nvidia.md says how"
    )


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1][:200]


def check_suffix(path: str | os.PathLike[str], suffix: str) -> None:
    """Refuse a name that would not be opened again as what it is.

    Raises:
        ValueError: the path ends in something else.
    """
    if Path(path).suffix != suffix:
        raise ValueError(f"{path}: a file of this kind ({KINDS[suffix]}) ends in {suffix}")
