"""The layers between two lengths as quick-deployable plugins of TensorRT, computed by PyTorch.

An engine in which they run just in time calls these functions, so it loads only where TensorRT knows them.
One in which they were compiled ahead of time holds their kernels, and needs none of this file.

TensorRT reads annotations and takes no names in their place, so they are not postponed here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from zoo.errors import MissingExtraError

NAMESPACE = "speechzoo"
ADD_POSITIONS, REPEAT = "AddPosEnc", "Repeat"
ADD_POSITIONS_ID, REPEAT_ID = f"{NAMESPACE}::{ADD_POSITIONS}", f"{NAMESPACE}::{REPEAT}"


@cache
def register_plugins() -> None:
    """Make the plugins known to TensorRT, for as long as the process lives.

    ``AddPosEnc``: x (B, T, C), code (T, C) and mask (B, T) bool -> (B, T, C), as ``add_code``.
    ``Repeat``: x (B, T, C), counts (B, T) float32, and ``frames`` -> (B, frames, C), as ``Repeat``.
    Both in ``zoo.layers.length``; x, and what goes with it, float32 or half precision.

    Raises:
        MissingExtraError: there is no TensorRT, or none with such plugins.
    """
    try:
        import tensorrt.plugin as trtp
    except ImportError as error:
        raise MissingExtraError(
            f"plugins need TensorRT 10.6 or later with its Python package tensorrt.plugin ({error}); "
            f"docs/nvidia.md says how to install it"
        ) from error

    @trtp.register(ADD_POSITIONS_ID)
    def describe_sum(x: trtp.TensorDesc, code: trtp.TensorDesc, mask: trtp.TensorDesc) -> trtp.TensorDesc:
        return x.like()

    @trtp.impl(ADD_POSITIONS_ID)
    def add_positions(
        x: trtp.Tensor, code: trtp.Tensor, mask: trtp.Tensor, outputs: tuple[trtp.Tensor], stream: int
    ) -> None:
        from zoo.layers.length import add_code

        with _tensors(stream, outputs[0], x, code, mask) as (y, *values):
            y.copy_(add_code(*values))

    @trtp.register(REPEAT_ID)
    def describe_frames(x: trtp.TensorDesc, counts: trtp.TensorDesc, frames: int) -> trtp.TensorDesc:
        return trtp.from_shape_expr((x.shape_expr[0], frames, x.shape_expr[2]), x.dtype)

    @trtp.impl(REPEAT_ID)
    def repeat(
        x: trtp.Tensor, counts: trtp.Tensor, frames: int, outputs: tuple[trtp.Tensor], stream: int
    ) -> None:
        from zoo.layers.length import Repeat

        with _tensors(stream, outputs[0], x, counts) as (y, *values):
            y.copy_(Repeat()(*values, frames))


@contextmanager
def _tensors(stream: int, *values: Any) -> Iterator[list[Any]]:
    """TensorRT's buffers as PyTorch's tensors, on TensorRT's stream."""
    import torch

    with torch.inference_mode(), torch.cuda.stream(torch.cuda.ExternalStream(stream)):
        yield [torch.as_tensor(value, device="cuda") for value in values]
