"""Finds how long a recording should be by its own header, where libsndfile quietly reads what is there."""

from __future__ import annotations

import re

UNKNOWN = 0x7FFFF000  # bytes from which on, as 0, a header was written before the end was known
SLACK = 0.1  # seconds by which the length of a compressed file may be an estimate

# What libsndfile's log says of the chunk with the samples: bytes by the header, and bytes that are there.
_SIZES = re.compile(r"^\s*(?:data|SSND|BODY|Data Size|riff)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_RF64 = re.compile(r"Calculated frame count (\d+) does not match value from 'ds64' chunk of (\d+)")


def promised_frames(log: str, frames: int) -> int:
    """The samples a channel that a file's header promises, at least those that are there.

    Args:
        log: what libsndfile tells of the file (``soundfile.SoundFile.extra_info``).
        frames: samples a channel that it found.
    """
    if counts := _RF64.search(log):
        return max(frames, int(counts[2]))
    for declared, found in _SIZES.findall(log):
        if int(found) < int(declared) < UNKNOWN:
            return max(frames, round(frames * int(declared) / max(1, int(found))))
    return frames
