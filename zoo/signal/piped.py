"""Samples that come through a pipe, or from a file whose header does not know how many there are."""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.errors import AudioError
from zoo.signal.cut_short import UNKNOWN
from zoo.signal.resample import check_rate

BYTES = {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}  # of a sample
MOST_CHANNELS = 1024  # as of libsndfile

_WAV = {(1, 8): "PCM_U8", (1, 16): "PCM_16", (1, 24): "PCM_24", (1, 32): "PCM_32"} | {
    (3, 32): "FLOAT",
    (3, 64): "DOUBLE",
}
_EXTENSIBLE = 0xFFFE  # the code that says: it is further behind
_LONGEST_CHUNK = 1 << 24  # bytes of what comes before the samples
# What libsndfile reads, but not from a pipe: how such files begin.
_OTHERS = (
    b"fLaC",
    b"OggS",
    b"ID3",
    b"\xff\xfb",
    b"\xff\xf3",
    b"FORM",
    b".snd",
    b"caff",
    b"RIFF",
    b"RF64",
    b"riff",
)


@dataclass(frozen=True)
class Layout:
    """How the samples of a pipe lie.

    Attributes:
        sample_rate: in Hz.
        channels: of a frame.
        subtype: the encoding in libsndfile's words, one of ``BYTES``; little-endian.
        length: bytes of all samples; None where they go on to the end.
    """

    sample_rate: int
    channels: int
    subtype: str
    length: int | None = None

    @property
    def frame(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * BYTES[self.subtype]


class PipedSamples:
    """Samples from a file descriptor, in their order.

    Args:
        descriptor: of the pipe or file, at the first sample.
        layout: of the samples.
        name: of the source, for messages.

    Raises:
        AudioError: an impossible rate or number of channels.
    """

    def __init__(self, descriptor: int, layout: Layout, name: str) -> None:
        check_rate(layout.sample_rate, f"{name}: sample rate")
        if not 1 <= layout.channels <= MOST_CHANNELS:
            raise AudioError(
                f"{name}: channels from 1 to {MOST_CHANNELS} are expected, got {layout.channels}; "
                f"say how the samples lie, or get it again"
            )
        self.layout = layout
        self._descriptor, self._left = descriptor, layout.length

    def read(self, frames: int) -> Array:
        """The next ``frames`` frames, fewer only at the end: (n, channels) float32."""
        frame = self.layout.frame
        count = frames * frame if self._left is None else min(frames * frame, self._left)
        data = read_bytes(self._descriptor, count)
        if self._left is not None:
            self._left -= len(data)
        whole = len(data) // frame * frame
        return _decode(data[:whole], self.layout.subtype).reshape(-1, self.layout.channels)

    def close(self) -> None:
        if self._descriptor:  # standard input stays open
            os.close(self._descriptor)


def read_bytes(descriptor: int, count: int) -> bytes:
    """``count`` bytes, fewer only at the end."""
    data = b""
    while len(data) < count:
        part = os.read(descriptor, min(count - len(data), 1 << 20))
        if not part:
            break
        data += part
    return data


def read_wav_header(descriptor: int) -> tuple[Layout | None, bytes]:
    """Read up to the first sample of a WAV file.

    Returns:
        how its samples lie, or None where this is not a WAV file of plain samples; and all that was read.
    """
    head, layout, long = read_bytes(descriptor, 12), None, 0
    if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        return None, head
    while True:
        start = read_bytes(descriptor, 8)
        head += start
        if len(start) < 8:
            return None, head
        name, size = struct.unpack("<4sI", start)
        if name == b"data":
            if layout is None:
                return None, head
            size = size if size < UNKNOWN else long
            return Layout(*layout, length=size or None), head
        if size > _LONGEST_CHUNK:
            return None, head
        chunk = read_bytes(descriptor, size + size % 2)
        head += chunk
        if name == b"fmt ":
            layout = _read_format(chunk)
        elif name == b"ds64" and len(chunk) >= 16:  # of RF64, whose samples may be more than 32 bits count
            (long,) = struct.unpack("<Q", chunk[8:16])


def spool(descriptor: int, head: bytes) -> IO[bytes] | None:
    """A temporary file with all that a pipe gives, if it begins as an audio file of another kind does."""
    if not head.startswith(_OTHERS):
        return None
    file = tempfile.TemporaryFile()  # noqa: SIM115, the reader closes it
    file.write(head)
    with open(descriptor, "rb", closefd=False) as source:
        shutil.copyfileobj(source, file, 1 << 20)
    file.seek(0)
    return file


def _read_format(chunk: bytes) -> tuple[int, int, str] | None:
    """Rate, channels and encoding of a chunk "fmt "; None where libsndfile has to read it."""
    if len(chunk) < 16:
        return None
    code, channels, rate, _, frame, bits = struct.unpack("<HHIIHH", chunk[:16])
    if code == _EXTENSIBLE and len(chunk) >= 26:
        code = struct.unpack("<H", chunk[24:26])[0]
    subtype = _WAV.get((code, bits))
    if subtype is None or frame != channels * BYTES[subtype]:
        return None
    return rate, channels, subtype


def _decode(data: bytes, subtype: str) -> Array:
    """Samples in [-1, 1), as float32."""
    if subtype == "PCM_24":
        words: NDArray[np.uint8] = np.zeros((len(data) // 3, 4), np.uint8)
        words[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        data, subtype = words.tobytes(), "PCM_32"
    if subtype == "PCM_U8":
        return (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / np.float32(128)
    if subtype == "PCM_16":
        return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(1 << 15)
    if subtype == "PCM_32":
        return (np.frombuffer(data, "<i4") / float(1 << 31)).astype(np.float32)
    with np.errstate(over="ignore"):
        return np.frombuffer(data, "<f4" if subtype == "FLOAT" else "<f8").astype(np.float32)
