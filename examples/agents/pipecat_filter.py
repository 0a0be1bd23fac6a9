"""A filter for Pipecat: what a transport hears, or plays, without noise.

from pipecat.transports.base_transport import TransportParams
from pipecat_filter import SpeechzooFilter

params = TransportParams(audio_in_enabled=True, audio_in_filter=SpeechzooFilter())
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pipecat.audio.filters.base_audio_filter import BaseAudioFilter
from pipecat.frames.frames import FilterControlFrame, FilterEnableFrame

import zoo


class SpeechzooFilter(BaseAudioFilter):
    """Enhances 16-bit mono audio of any rate; as much comes out as goes in.

    A ``FilterEnableFrame`` turns it off and on, at the same delay.

    Args:
        options: of ``zoo.Enhancer``: a model's name, ``attenuation_limit``, ...
    """

    def __init__(self, *names: str, **options: Any) -> None:
        self._enhancer = zoo.Enhancer(*names, **options)

    async def start(self, sample_rate: int) -> None:
        self._stream = self._enhancer.stream(sample_rate)
        # What a stream gives comes in hops: silence before it makes it one in, one out.
        self._waiting = np.zeros(self._stream.latency.total, np.float32)

    async def stop(self) -> None:
        self._stream.reset()

    async def process_frame(self, frame: FilterControlFrame) -> None:
        if isinstance(frame, FilterEnableFrame):
            self._stream.attenuation_limit = self._enhancer.attenuation_limit if frame.enable else 0

    async def filter(self, audio: bytes) -> bytes:
        noisy = np.frombuffer(audio, np.int16) / np.float32(32768)
        self._waiting = np.concatenate([self._waiting, self._stream.push(noisy)])
        given, self._waiting = self._waiting[: len(noisy)], self._waiting[len(noisy) :]
        return np.clip(np.rint(given * 32768), -32768, 32767).astype(np.int16).tobytes()
