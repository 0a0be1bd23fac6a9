"""What the figures mean that are told of models and weights."""

from __future__ import annotations

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
    "SI-SDR": "how much of the output is the clean speech, at any loudness, in dB; higher is better, 0 dB "
    "is as much speech as error",
    "PESQ": "quality as listeners would judge it, from 1 (bad) to 4.6 (as the original); ITU-T P.862.2",
    "STOI": "how much can be understood, from 0 to 1; higher is better",
    "clean (dB)": "SI-SDR of speech without noise after enhancement; higher does less harm",
    "noise (dB)": "by how much noise without speech gets weaker; higher is quieter",
    "steady (dB)": "the same of an even noise; higher is quieter",
    "DNSMOS OVRL": "quality from 1 to 5 as a network guesses that listeners would judge it; higher is better",
    "EER %": "the part of wrong decisions, where as many speakers are wrongly taken for the same as for "
    "different ones; lower is better",
    "word errors": "words of the synthetic speech that a recogniser gets wrong; lower is better",
    "log-mel L1": "mean distance between spectra, in natural logarithms; lower is better",
    "durations off": "mean error of a phoneme's length, in frames; lower is better",
    "(published)": "as its authors measured it, not this project",
}


def explain(told: Iterable[str]) -> dict[str, str]:
    """Explanations of the figures that are told, by the words that name them.

    Args:
        told: names of figures, or lines with them.
    """
    texts = list(told)
    return {word: meaning for word, meaning in EXPLAINED.items() if any(word in text for text in texts)}
