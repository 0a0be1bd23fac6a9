"""What the figures mean that commands tell of models, weights and runs; docs/glossary.md says more."""

from __future__ import annotations

import sys
from collections.abc import Iterable

# A figure is explained where one of its words occurs; those of quality say which way is better.
EXPLAINED = {
    "parameters": "trained numbers in the network; each takes 4 bytes, or 2 in half precision",
    "multiply-adds": "multiplications with an addition, the arithmetic; what it takes in time depends on the "
    "processor and on what runs it",
    "window, hop": "samples of a frame, and from one frame to the next; a stream takes a hop at once",
    "latency": "by how much a stream's output comes after its input, without computing time",
    "real-time factor": "computing time over the duration of the audio: at 0.02 a minute takes 1.2 s, one "
    "thread holds 50 streams",
    "shortest": "of the recordings that the network takes",
    "sizes": "of texts and speech at the most, for each of which there is a graph",
    "SI-SDR": "how much of the output is the clean speech, at any loudness, in dB; higher is better, and "
    "0 dB is as much speech as error",
    "PESQ": "quality as listeners would judge it, from 1 (bad) to 4.6 (as the original); ITU-T P.862.2",
    "STOI": "how much can be understood, from 0 to 1; higher is better",
    "clean (dB)": "SI-SDR of speech without noise after enhancement; higher does less harm",
    "noise (dB)": "by how much noise without speech gets weaker; higher is quieter",
    "steady (dB)": "the same of an even noise; higher is quieter",
    "DNSMOS OVRL": "quality from 1 to 5 as a network guesses that listeners would judge it; higher is better",
    "DNSMOS SIG": "the same of the speech alone",
    "DNSMOS BAK": "the same of the background alone",
    "reduction (dB)": "by how much the recording gets weaker",
    "EER %": "the part of wrong decisions, where as many speakers are wrongly taken for the same as for "
    "different ones; lower is better",
    "word errors": "words of the synthetic speech that a recogniser gets wrong; lower is better",
    "log-mel L1": "mean distance between spectra, in natural logarithms; lower is better",
    "spectral distance": "how far spectra at five resolutions, with their phases, are from the speech's; "
    "lower is better",
    "CPU seconds a second": "processor time for a second of speech, with one thread",
    "durations off": "mean error of a phoneme's length, in frames; lower is better",
    "(published)": "as its authors measured it, not this project",
}
# Headings of tables, which are known as a whole.
HEADINGS = {
    "MACs/s": "multiplications with an addition that a second of audio takes",
    "hop": "time from one frame to the next; a stream takes a hop at once",
    "RTF": "real-time factor: computing time over the audio's duration; at 0.01, 100 times faster",
    "embedding": "numbers in the vector that stands for a voice",
    "worst tenth": "mean of the worst tenth of the files, by the first figure",
    "got worse": "share of the files that are below their input, by the first figure",
    "p99": "99 % of all calls are faster",
    "best round": "median of the fastest round",
    "ratio": "of the times a frame, to the reference; below 1 is faster",
    "streams a core": "that one core computes in real time",
    "nodes": "operators in the file",
    "as run": "operators after ONNX Runtime has fused them",
    "CPU share": "processor time over time; below the number of threads, other processes had the rest",
    "cold ms": "the same with the caches emptied before each call, as a stream in real time finds them",
    "products ms": "what the multiply-adds alone would take at the core's measured peak",
    "size kB": "of the file; of native code the library, without its record",
    "compile s": "time of compiling",
    "state kB": "memory of one stream between calls",
    "minDCF": "least weighted sum of both kinds of errors over all thresholds; lower is better",
}


def explain(told: Iterable[str]) -> dict[str, str]:
    """Explanations of the figures that are told, by the words that name them.

    Args:
        told: names of figures, headings, or lines with names.
    """
    texts = list(told)
    named = {word: meaning for word, meaning in EXPLAINED.items() if any(word in text for text in texts)}
    return named | {heading: meaning for heading, meaning in HEADINGS.items() if heading in texts}


def explain_table(headings: Iterable[str]) -> None:
    """Say behind a table, on standard error, what the figures under its headings mean."""
    if sys.stdout is None:  # closed: there is no table
        return
    sys.stdout.flush()
    for word, meaning in explain(headings).items():
        print(f"  {word}: {meaning}", file=sys.stderr)
