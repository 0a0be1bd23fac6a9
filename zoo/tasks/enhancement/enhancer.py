"""The shortest way from noisy audio to enhanced audio, whatever the model is stored as."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoo.arrays import Array
from zoo.errors import ArtifactError, AudioError
from zoo.signal.resample import Resampler, check_rate, resample
from zoo.signal.samples import check_samples, rows_of
from zoo.tasks.copies import Reopenable
from zoo.tasks.enhancement.limit import check_limit, gain_of, mixed
from zoo.tasks.enhancement.native import BACKEND, has_weights_beside, open_native
from zoo.tasks.enhancement.session import Session, check_output
from zoo.tasks.enhancement.stream import Latency, Stream
from zoo.tasks.enhancement.task import TASK
from zoo.tasks.open import open_source
from zoo.tasks.public import Told

if TYPE_CHECKING:
    from torch import nn

Source = Union[str, "os.PathLike[str]", Session, "nn.Module"]

DEFAULT_MODEL = "ulunas"
_SECONDS_AT_ONCE = 10  # of a channel, between two reports of progress


class Enhancer(Reopenable):
    """Removes noise from recordings and running streams.

    Pickling keeps what it was made from, and unpickling opens that again.

    Attributes:
        session: what computes; shared by all streams.
        name: the model or file.
        sample_rate: the model's own, in Hz; other rates are converted to it and back.
        backend: ``onnxruntime``, ``torch``, ...
        public: what is known of a graph that others published, in a line; empty of our own.
        streaming: whether ``stream`` works; an offline artifact or model takes whole recordings only.
        attenuation_limit: of recordings, and of streams from their start, in dB, or None.
    """

    def __init__(
        self,
        source: Source = DEFAULT_MODEL,
        weights: str | os.PathLike[str] | None = None,
        *,
        threads: int = 1,
        providers: Sequence[str] = (),
        trust: bool = False,
        sample_rate: int | None = None,
        hop_length: int | None = None,
        window: str | None = None,
        backend: Literal["native"] | None = None,
        attenuation_limit: float | None = None,
    ) -> None:
        """
        Args:
            source: the name of a registered model; the path of an artifact (``.onnx``, ``.ts``, ``.pt2``,
                ``.engine``, ``.c``, ``.so``, ``.wasm``), of a streaming ONNX graph that others published, or
                of a public training folder; a network in its training or streaming form; or a session.
            weights: for a model's name, a tag, or the path of a checkpoint or public graph. By default those
                in the package, which run in ONNX Runtime; if there are none, the tag ``default``, which is
                downloaded. A tag that names a public graph runs as it is, in ONNX Runtime. A tag that names
                a checkpoint runs in PyTorch; without PyTorch, or with ``providers``, the public graph beside
                it runs, if there is one. For native code without weights inside, the file of its weights.
            threads: of ONNX Runtime; PyTorch keeps its own setting.
            providers: of ONNX Runtime: ``cuda``, ``tensorrt``, ... in the order of preference; by default the
                CPU. One that does not start is an error.
            trust: open exported programs (``.pt2``) that are code, as every compiled one is: docs/trust.md.
            sample_rate, hop_length, window: what neither hash nor metadata tell of a public graph in
                ``source``. The rate is in Hz. If the graph takes spectra, the hop is in samples (by default
                half the window), and the window is ``hann``, ``sqrt_hann``, ``sine`` or ``rectangular``.
            backend: ``native``: make C of the model's or the artifact's graph and compile it, which is done
                once and kept; needs a C compiler.
            attenuation_limit: dB by which noise is made quieter at the most: the noisy signal, aligned, is
                left in at that level, ``enhanced + (noisy - enhanced) * 10 ** (-limit / 20)``. 0 changes
                nothing, None takes away what the network can.

        Raises:
            ArtifactError: an artifact that cannot be read, or was given weights besides; a public graph of
                which too little is known, or something else than what was given.
            UnknownModelError: no such model or tag, or nothing that can be enhanced with.
            CheckpointError: no weights, where none come with the package, or weights that do not fit.
            MissingExtraError: PyTorch is needed and not installed.
            ValueError: threads that are no whole number from 1 to 1024, or a limit that is no number of dB
                from 0 on.
        """
        self.attenuation_limit = check_limit(attenuation_limit)
        options: dict[str, Any] = {"threads": threads, "providers": providers, "trust": trust}
        said = {"sample_rate": sample_rate, "hop_length": hop_length, "window": window}
        limit = {"attenuation_limit": self.attenuation_limit}
        self._remember(source, weights=weights, backend=backend, **options, **said, **limit)
        if backend is not None or has_weights_beside(source, weights):
            source, weights = open_native(source, weights, backend or BACKEND), None
        told = Told(sample_rate, hop_length, window)
        self.session: Session = open_source(TASK, source, weights, told=told, **options)
        self.public: str = getattr(self.session, "public", "")
        self.name, self.backend = self.session.name, self.session.backend
        self.sample_rate = self.session.front_end.sample_rate
        self.streaming = self.session.streaming

    def __call__(
        self,
        waveform: ArrayLike,
        sample_rate: int | None = None,
        progress: Callable[[float], object] | None = None,
    ) -> Array:
        """Enhance a recording, each channel on its own.

        Args:
            waveform: (N,) or (channels, N), float32 or float64 in [-1, 1].
            sample_rate: of the waveform in Hz; default the model's.
            progress: called with the part that is done, up to 1.

        Returns:
            float32 of the waveform's shape; sample i of it is sample i of the waveform, enhanced.

        Raises:
            AudioError: another shape or type, an impossible rate, samples that are NaN, infinite or beyond
                ``samples.LARGEST``, or an output of the model that is not finite.
        """
        array = np.asarray(waveform)
        rows = rows_of(array)
        rate = self.sample_rate if sample_rate is None else check_rate(sample_rate)
        output = np.empty(rows.shape, np.float32)
        for channel, row in enumerate(rows):
            try:
                done = 0
                for part in self._parts(row, rate):
                    output[channel, done : done + len(part)] = part
                    done += len(part)
                    if progress is not None:
                        progress((channel + done / max(1, len(row))) / len(rows))
            except AudioError as error:
                raise AudioError(f"channel {channel}: {error}") from error
        return output.reshape(array.shape)

    def stream(self, sample_rate: int | None = None) -> Stream:
        """Begin a stream of one channel, by default at the model's rate.

        Raises:
            ArtifactError: the artifact or model takes whole recordings only.
            AudioError: an impossible rate.
        """
        if not self.streaming:
            raise ArtifactError(
                f"{self.name} takes whole recordings and has no stream; call the enhancer on the waveform, "
                f"or take a model with a streaming form, exported with streaming=True"
            )
        return Stream(self.session, sample_rate, self.attenuation_limit)

    def latency(self, sample_rate: int | None = None) -> Latency:
        """Tell how late a stream's output is.

        Raises:
            ArtifactError, AudioError: as ``stream``.
        """
        return self.stream(sample_rate).latency

    def _parts(self, row: NDArray[Any], rate: int) -> Iterator[Array]:
        """Enhanced pieces that make up one channel."""
        if not self.streaming:
            noisy = check_samples(row)
            samples = resample(noisy[0], rate, self.sample_rate)
            after = Resampler(self.sample_rate, rate)
            enhanced = after.push(self.session.whole(samples[None]))
            output = check_output(np.concatenate([enhanced, after.flush(len(row))], axis=1), self.name)
            yield mixed(output, noisy, gain_of(self.attenuation_limit))[0]
            return
        stream, step = self.stream(rate), _SECONDS_AT_ONCE * rate
        for start in range(0, max(1, len(row)), step):
            yield stream.push(row[start : start + step])
        yield stream.flush()
        if stream.resets:
            warnings.warn(
                f"{self.name}: resets of the network: {stream.resets} (it gave no finite values)",
                RuntimeWarning,
                stacklevel=3,
            )
