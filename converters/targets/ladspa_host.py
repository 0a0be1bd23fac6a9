"""Runs LADSPA plug-ins, to hold them against what they are made from.

The interface is that of LADSPA 1.1: a library's ``ladspa_descriptor(index)`` describes its plug-ins, whose
functions a host calls.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_float, c_int, c_ulong, c_void_p
from itertools import cycle
from pathlib import Path

import numpy as np

from zoo.arrays import Array
from zoo.errors import ArtifactError

INPUT, OUTPUT, CONTROL, AUDIO = 1, 2, 4, 8  # what a port is


class _Descriptor(ctypes.Structure):
    """A plug-in, as its library describes it."""

    _fields_ = (
        ("unique_id", c_ulong),
        ("label", c_char_p),
        ("properties", c_int),
        *((name, c_char_p) for name in ("name", "maker", "copyright")),
        ("port_count", c_ulong),
        ("ports", POINTER(c_int)),
        ("port_names", POINTER(c_char_p)),
        ("port_ranges", c_void_p),
        ("implementation", c_void_p),
        ("instantiate", CFUNCTYPE(c_void_p, c_void_p, c_ulong)),
        ("connect_port", CFUNCTYPE(None, c_void_p, c_ulong, c_void_p)),
        ("activate", CFUNCTYPE(None, c_void_p)),
        ("run", CFUNCTYPE(None, c_void_p, c_ulong)),
        *((name, c_void_p) for name in ("run_adding", "set_run_adding_gain", "deactivate")),
        ("cleanup", CFUNCTYPE(None, c_void_p)),
    )


class Plugin:
    """A plug-in at work.

    Args:
        path: the library.
        index: of the plug-in in it.
        sample_rate: of the host, in Hz.

    Attributes:
        label, unique_id: what it is called.
        channels: that it reads and writes.
        latency: what its port says, in samples; 0 before the first run.
        limit: of the attenuation, in dB; 100 is none.

    Raises:
        ArtifactError: there is no such plug-in, or it does not run at that rate.
    """

    def __init__(self, path: Path, index: int, sample_rate: int) -> None:
        self._library = ctypes.CDLL(str(path.resolve()))
        describe = self._library.ladspa_descriptor
        describe.argtypes, describe.restype = [c_ulong], POINTER(_Descriptor)
        found = describe(index)
        if not found:
            raise ArtifactError(f"{path}: it has no plug-in of the number {index}")
        self._d = found.contents
        self.label, self.unique_id = self._d.label.decode(), self._d.unique_id
        self._kinds = self._d.ports[: self._d.port_count]
        self._names = [name.decode() for name in self._d.port_names[: self._d.port_count]]
        self.channels = self._kinds.count(INPUT | AUDIO)
        self._handle = self._d.instantiate(ctypes.addressof(self._d), sample_rate)
        if not self._handle:
            raise ArtifactError(f"{path}: {self.label} does not run at {sample_rate} Hz")
        self._latency, self._limit = c_float(0), c_float(100)
        for name, value in (("latency", self._latency), ("Attenuation limit (dB)", self._limit)):
            self._d.connect_port(self._handle, self._names.index(name), ctypes.addressof(value))

    @property
    def latency(self) -> int:
        return int(self._latency.value)

    @property
    def limit(self) -> float:
        return self._limit.value

    @limit.setter
    def limit(self, limit: float) -> None:
        self._limit.value = limit

    def reset(self) -> None:
        """Begin anew."""
        self._d.activate(self._handle)

    def __call__(self, signal: Array, blocks: Sequence[int] = (64, 1, 1024, 333)) -> Array:
        """Run, in place: (channels, N) -> (channels, N), late by ``latency``.

        Args:
            signal: what comes next.
            blocks: samples of the calls, again and again.
        """
        result = np.array(signal, np.float32, order="C")
        start, sizes = 0, cycle(blocks)
        while start < result.shape[1]:
            count = min(next(sizes), result.shape[1] - start)
            for kind in (INPUT | AUDIO, OUTPUT | AUDIO):
                ports = [port for port, found in enumerate(self._kinds) if found == kind]
                for port, row in zip(ports, result, strict=True):
                    self._d.connect_port(self._handle, port, row[start:].ctypes.data)
            self._d.run(self._handle, count)
            start += count
        return result

    def close(self) -> None:
        """Give its memory back."""
        self._d.cleanup(self._handle)
