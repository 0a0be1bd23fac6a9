"""What the figures mean that commands print, in a line each; docs/glossary.md says more."""

from __future__ import annotations

import sys
from collections.abc import Iterable

MEANINGS = {
    "MACs/s": "multiply-adds a second of audio",
    "hop": "time between two frames; the network runs once a hop",
    "latency": "by how much a stream's output comes after its input, computing time not included",
    "RTF": "real-time factor: computing time over the audio's duration; at 0.01, 100 times faster",
    "embedding": "numbers in the vector that stands for a voice",
    "SI-SDR": "scale-invariant signal-to-distortion ratio in dB: how much of the output is the clean speech; "
    "higher is better",
    "PESQ": "what listeners would say of the sound, 1 (bad) to 4.64 (wide band, ITU-T P.862.2)",
    "STOI": "how well the words could be understood, 0 to 1",
    "DNSMOS": "a network's guess at listeners' marks, 1 to 5: overall, speech (SIG), background (BAK)",
    "clean": "SI-SDR of clean speech after enhancement: how much it leaves alone",
    "noise": "by how much noise without speech gets weaker",
    "steady": "by how much pink noise without speech gets weaker",
    "reduction": "by how much the recording gets weaker",
    "worst tenth": "mean of the worst tenth of the files, by the first figure",
    "got worse": "share of the files that are below their input, by the first figure",
    "p99": "99 % of all calls are faster",
    "best round": "median of the fastest round",
    "ratio": "of the times a frame, to the reference; below 1 is faster",
    "streams a core": "that one core computes in real time",
    "nodes": "operators in the file, and as ONNX Runtime runs them",
    "CPU share": "processor time over time; below the number of threads, other processes had the rest",
    "state kB": "memory of one stream between calls",
    "EER": "equal error rate: where as many strangers are accepted as owners are rejected; lower is better",
    "minDCF": "least weighted sum of both errors over all thresholds; lower is better",
}


def explain(headings: Iterable[str]) -> None:
    """Say on standard error what the figures under these headings mean, those that have a meaning here.

    Args:
        headings: of columns; ``SI-SDR (dB)`` and ``DNSMOS SIG`` are found by how they begin.
    """
    told = {}
    for heading in headings:
        for name in sorted(MEANINGS, key=len, reverse=True):
            if heading == name or heading.startswith(f"{name} "):
                told[name] = MEANINGS[name]
                break
    print("".join(f"  {name}: {meaning}\n" for name, meaning in told.items()), end="", file=sys.stderr)
