"""A filter for LiveKit: participants' audio without noise, in an agent or any program of livekit's.

    from livekit import rtc
    from livekit_filter import SpeechzooFilter

    stream = rtc.AudioStream.from_track(track=track, noise_cancellation=SpeechzooFilter())

In an agent of livekit-agents it is the ``noise_cancellation`` of ``RoomInputOptions``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from livekit import rtc

import zoo


class SpeechzooFilter(rtc.FrameProcessor[rtc.AudioFrame]):
    """Enhances frames of any rate and any number of channels; each comes out as long as it went in.

    Args:
        options: of ``zoo.Enhancer``: a model's name, ``attenuation_limit``, ...

    Attributes:
        enabled: whether frames are enhanced.
    """

    def __init__(self, *names: str, **options: Any) -> None:
        self._enhancer = zoo.Enhancer(*names, **options)
        self._enabled, self._format = True, (0, 0)

    @property
    def enabled(self) -> bool:
        return self._enabled

    @enabled.setter
    def enabled(self, value: bool) -> None:
        self._enabled = value

    def _process(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
        if self._format != (frame.sample_rate, frame.num_channels):
            self._begin(frame.sample_rate, frame.num_channels)
        noisy = np.frombuffer(frame.data, np.int16).reshape(-1, frame.num_channels) / np.float32(32768)
        enhanced = [stream.push(row) for stream, row in zip(self._streams, noisy.T, strict=True)]
        self._waiting = np.concatenate([self._waiting, enhanced], axis=1)
        count = len(noisy)
        given, self._waiting = self._waiting[:, :count], self._waiting[:, count:]
        data = np.clip(np.rint(given.T * 32768), -32768, 32767).astype(np.int16).tobytes()
        return rtc.AudioFrame(
            data, frame.sample_rate, frame.num_channels, count, userdata=dict(frame.userdata)
        )

    def _close(self) -> None:
        self._format = (0, 0)

    def _begin(self, rate: int, channels: int) -> None:
        """Fresh streams. What a stream gives comes in hops: silence before it makes it one in, one out."""
        self._format = (rate, channels)
        self._streams = [self._enhancer.stream(rate) for _ in range(channels)]
        self._waiting = np.zeros((channels, self._streams[0].latency.total), np.float32)
