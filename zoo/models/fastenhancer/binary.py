"""Reads FastEnhancer's parameters from the files of fastenhancer-web, a port to browsers, at 48 kHz.

https://github.com/ryyr-ry/fastenhancer-web: ``FEW1``, then four little-endian integers of 32 bits (version,
size, number of values, CRC-32 of what follows), then the values, 32-bit reals in the order of the network.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.errors import CheckpointError
from zoo.merged import TrainingForm
from zoo.models.fastenhancer.widths import Widths

MAGIC = b"FEW1"
_HEADER = struct.Struct("<4s4I")
_VERSION = 1
_SIZES = "tbs"  # by number


def read_values(path: Path, widths: Widths) -> dict[str, NDArray[Any]]:
    """Parameters of the training form.

    Args:
        path: the file.
        widths: of the model.

    Raises:
        CheckpointError: no such file, another version or size, cut short, damaged, or values that are not
            finite.
    """
    values = _Values(path, widths)
    parameters = _parameters(values, widths)
    values.end()
    return parameters


class _Values:
    """The values of a file, one tensor after the other; all errors are told here.

    Args:
        path: the file.
        widths: that the header's size must have.
    """

    def __init__(self, path: Path, widths: Widths) -> None:
        self.path, self.place = path, 0
        content = path.read_bytes()
        if len(content) < _HEADER.size or not content.startswith(MAGIC):
            raise self.error(f"it does not begin with {MAGIC.decode()} and a header")
        _, version, size, count, expected = _HEADER.unpack_from(content)
        if version != _VERSION:
            raise self.error(f"it has version {version}, and version {_VERSION} is read")
        payload = content[_HEADER.size :]
        if len(payload) != 4 * count:
            raise self.error(f"its header tells of {count} values, and it holds {len(payload) / 4:g}")
        found = zlib.crc32(payload)
        if found != expected:
            raise self.error(f"its CRC-32 is {found:08x}, and its header says {expected:08x}")
        self.size = f"FastEnhancer-{_SIZES[size].upper()}" if size < len(_SIZES) else f"size {size}"
        self.values = np.frombuffer(payload, "<f4").astype(np.float32)

    def error(self, problem: str) -> CheckpointError:
        return CheckpointError(f"{self.path}: {problem}; download it again")

    def take(self, name: str, *shape: int) -> Array:
        """The next tensor.

        Raises:
            CheckpointError: too few values are left, or one of these is not finite.
        """
        begin, self.place = self.place, self.place + int(np.prod(shape))
        if self.place > len(self.values):
            raise self._other(f"it ends before {name}")
        tensor = self.values[begin : self.place].reshape(shape)
        if not np.isfinite(tensor).all():
            raise self.error(f"its values of {name} are not finite")
        return tensor

    def end(self) -> None:
        """Refuse what has more.

        Raises:
            CheckpointError: it has.
        """
        if self.place != len(self.values):
            raise self._other(f"{self.place} of its {len(self.values)} values are expected")

    def _other(self, problem: str) -> CheckpointError:
        return CheckpointError(
            f"{self.path}: {problem}; its header says {self.size}: name the model of that size"
        )


def _parameters(values: _Values, widths: Widths) -> dict[str, NDArray[Any]]:
    """All parameters, in the order of the file."""
    form, take = TrainingForm(), values.take
    c, block, (kernel, stride) = widths.channels, widths.block_channels, widths.first

    def conv(name: str, norm: str, *shape: int) -> None:
        weight = take(name, *shape)
        scale, offset = take(f"{norm} (scale)", shape[0]), take(f"{norm} (offset)", shape[0])
        form.layer(name, norm, _cut(weight, stride) if name == "enc_pre.0" else weight, offset, scale)

    conv("enc_pre.0", "enc_pre.1", c, 2, kernel)
    for i, size in enumerate(widths.kernels):
        conv(f"encoder.{i}.0", f"encoder.{i}.1", c, c, size)
    form.plain("rf_pre.0.weight", take("rf_pre.0", widths.block_bins, widths.bins))
    conv("rf_pre.1", "rf_pre.2", block, c, 1)
    for i in range(widths.blocks):
        _block(values, form, widths, f"rf_block.{i}", first=i == 0)
    conv("rf_post.1", "rf_post.2", c, block, 1)
    form.plain("rf_post.0.weight", take("rf_post.0", widths.bins, widths.block_bins))
    for i, size in enumerate(reversed(widths.kernels)):
        conv(f"decoder.{i}.0", f"decoder.{i}.1", c, 2 * c, 1)
        conv(f"decoder.{i}.3", f"decoder.{i}.4", c, c, size)
    conv("dec_post.0", "dec_post.1", c, 2 * c, 1)
    form.scaled("dec_post.3", take("dec_post.3", c, 2, kernel), take("dec_post.3 (bias)", 2))
    return form.parameters


def _block(values: _Values, form: TrainingForm, widths: Widths, name: str, *, first: bool) -> None:
    """Take a block: GRU, projection, perhaps the embedding of frequencies, attention, projection."""
    c, take = widths.block_channels, values.take

    def linear(what: str) -> tuple[Array, Array]:
        return take(f"{name}.{what}", c, c), take(f"{name}.{what} (bias)", c)

    def gate(what: str) -> tuple[Array, Array, Array]:
        return (
            take(f"{name}.rnn {what}", c, c),
            take(f"{name}.rnn {what}", c, c),
            take(f"{name}.rnn {what}", c),
        )

    update, reset, new = gate("update"), gate("reset"), gate("new")
    recurrent_bias = np.concatenate([np.zeros(2 * c, np.float32), take(f"{name}.rnn new", c)])
    own, recurrent, bias = (np.concatenate(parts) for parts in zip(reset, update, new, strict=True))
    form.gru(f"{name}.rnn", own, recurrent, bias, recurrent_bias)
    form.layer(f"{name}.rnn_fc", f"{name}.rnn_post_norm", *linear("rnn_fc"))
    if first:
        form.plain(f"{name}.pe", take(f"{name}.pe", widths.block_bins, c))
    kinds = [linear(f"attn {kind}") for kind in ("query", "key", "value")]
    if any(bias.any() for _, bias in kinds):
        raise values.error(f"its attention in {name} has a bias, which the network has not")
    rows = np.stack([weight.reshape(widths.heads, -1, c) for weight, _ in kinds], axis=1)  # by head
    form.directed(f"{name}.attn.qkv.weight", rows.reshape(3 * c, c))
    form.layer(f"{name}.attn_fc", f"{name}.attn_post_norm", *linear("attn_fc"))


def _cut(weight: Array, stride: int) -> Array:
    """A strided convolution (out, in, K) as one over cut input: (out, stride x in, K / stride)."""
    out, channels, kernel = weight.shape
    cut = weight.reshape(out, channels, kernel // stride, stride).transpose(0, 3, 1, 2)
    return cut.reshape(out, stride * channels, kernel // stride)
