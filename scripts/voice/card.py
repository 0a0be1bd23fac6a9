"""The card of the packaged voice, and the figures in it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scripts.voice.teachers import HIBARI, TEACHERS
from zoo.builtin import TAG
from zoo.errors import ArtifactError
from zoo.spec import SynthesisSpec, Weights
from zoo.tasks.describe import count

_UNSEEN = {"utterances", "mel", "mean_frame", "durations"}
_HEARD = {"words", "wrong", "cpu_seconds"}
SETS = {
    "plain": "60 plain sentences",
    "hard": "20 sentences with acronyms, numbers, contractions and words of two readings",
}
LISTENERS = {"whisper": "Whisper", "pocketsphinx": "PocketSphinx"}
OWN = "the voice"


def read_figures(path: Path) -> dict[str, Any]:
    """What ``scripts.evaluate_voice --json`` wrote, of the voice with its own vocoder.

    Raises:
        ArtifactError: it is something else.
    """
    try:
        figures = json.loads(path.read_text())
        known = set(figures["unseen"]) >= _UNSEEN
        for heard in figures.get("sentences", {}).values():
            known = known and set(heard[OWN]) >= _HEARD
    except (ValueError, KeyError, TypeError, AttributeError):
        known = False
    if not known:
        raise ArtifactError(f"{path}: expected a voice's figures from scripts.evaluate_voice --data --json")
    return figures


def metrics(figures: dict[str, Any]) -> dict[str, float]:
    """Figures by name, each with what it was measured on."""
    if not figures:
        return {}
    found = {
        "log-mel L1, unseen sentences of the teacher": round(figures["unseen"]["mel"], 3),
        "durations off (frames), unseen sentences of the teacher": round(figures["unseen"]["durations"], 2),
    }
    for kind, heard in figures.get("sentences", {}).items():
        own = heard[OWN]
        if own.get("dnsmos") is not None:
            found[f"DNSMOS OVRL, {SETS[kind]}"] = own["dnsmos"]
        for listener, wrong in own["wrong"].items():
            name = f"word errors by {LISTENERS[listener]} (%), {SETS[kind]}"
            found[name] = round(100 * wrong / own["words"], 1)
    return found


@dataclass(frozen=True)
class Made:
    """What the card is written from, besides the weights' descriptor: the record of how they were made.

    Attributes:
        bucket: tokens and frames of the graph.
        figures: of ``scripts.evaluate_voice``, or none.
        parameters: sha256 of the parameters.
        snr_db, max_error: of the graph against the training form.
        sentences, steps: of the training.
        teacher, hours: whose speech it learned from, and how much.
    """

    bucket: tuple[int, int]
    figures: dict[str, Any]
    parameters: str
    snr_db: float
    max_error: float
    sentences: int
    steps: int
    teacher: str = HIBARI
    hours: float = 20

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"


def read_made(path: Path) -> Made:
    """Read what ``Made.to_json`` wrote.

    Raises:
        ArtifactError: it is something else.
    """
    try:
        data = json.loads(path.read_text())
        return Made(**{**data, "bucket": tuple(data["bucket"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{path}: expected the record of a packaged voice ({error}); package it again"
        ) from error


def card(spec: SynthesisSpec, weights: Weights, made: Made) -> str:
    """Markdown: what the voice is, how good, from what, and how to make it again."""
    teacher = TEACHERS[made.teacher]
    made_by = teacher.made_by.format(sentences=made.sentences, steps=made.steps, hours=f"{made.hours:g}")
    parts = [
        f"# {spec.title}: a voice learned from a synthesiser",
        f"A voice made by a machine that learned from a machine: {weights.training_data}. It is no recording "
        f"of a person. This card was written from the record of its own training and figures.",
        "\n".join(
            (
                f"- **Architecture**: {spec.paper} ({spec.url}). {count(spec.parameters)} parameters, "
                f"{count(spec.macs_per_second)} multiply-adds a second of speech. [The model](../README.md).",
                f'- **Use**: `speechzoo speak "Hello." -o hello.wav`, or `zoo.Synthesizer()`, without '
                f'PyTorch; `zoo.create_model("{spec.name}", "{TAG}")` for the network. It reads phonemes: '
                f"words become those by the package's dictionary, and what that lacks is put together of its "
                f"parts, said by rule, or spelled. [Text to speech](../../../../docs/speech.md).",
                f"- **Licence**: {weights.licence}. {teacher.terms}; the dictionary's are in "
                f"`zoo/text/english.dict.txt`.",
                f"- **Graph**: texts of any size up to {made.bucket[0]} tokens and {made.bucket[1]} frames; "
                f"against the training form, SNR {made.snr_db:.1f} dB, largest difference "
                f"{made.max_error:.1e} of the peak. Parameters are stored in 16 bits and used in 32.",
                f"- **SHA-256**: `{weights.sha256}` ({spec.name}.safetensors), `{weights.artifact_sha256}` "
                f"({spec.name}.onnx), `{made.parameters}` (parameters).",
            )
        ),
    ]
    if made.figures:
        parts += ["## Figures", _figures(made.figures)]
    parts += [
        "## Training data",
        f"{weights.training_data}. {teacher.told}",
        "## Limits",
        _limits(made, spec),
        "## Made by",
        "In a clone of the project:",
        f"```sh\n{made_by}\npython -m scripts.package_voice --run voice/run\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _figures(figures: dict[str, Any]) -> str:
    unseen = figures["unseen"]
    text = (
        f"{unseen['utterances']} utterances of the teacher that training never saw, with its durations: "
        f"log-mel frames differ from the teacher's by {unseen['mel']:.3f} on average, and the mean of its "
        f"frames by {unseen['mean_frame']:.2f}. Predicted durations are off by {unseen['durations']:.2f} "
        f"frames of 11.6 ms a token."
    )
    return "\n\n".join([text, *(_table(kind, heard) for kind, heard in figures.get("sentences", {}).items())])


def _table(kind: str, heard: dict[str, Any]) -> str:
    """What recognisers get wrong of some sentences, whoever says them."""
    listeners = list(heard[OWN]["wrong"])
    asked = heard[OWN].get("dnsmos") is not None
    head = ["", *(f"{LISTENERS[name]}, words wrong" for name in listeners), "CPU seconds"]
    head += ["DNSMOS"] * asked
    rows = [head, ["---"] * len(head)]
    for speaker, told in heard.items():
        wrong = (told["wrong"][name] for name in listeners)
        shares = [f"{count} ({100 * count / told['words']:.1f} %)" for count in wrong]
        opinion = [f"{told['dnsmos']:.2f}"] if asked else []
        rows.append([speaker, *shares, f"{told['cpu_seconds']:.2f}", *opinion])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"Of {SETS[kind]} ({heard[OWN]['words']} words), which go in as text:\n\n{table}"


def _limits(made: Made, spec: SynthesisSpec) -> str:
    """What the figures themselves say against the voice, and where it ends."""
    tokens, frames = made.bucket
    seconds = frames * spec.front_end.hop_length / spec.front_end.sample_rate
    lines = [
        "One speaker and one language, those of its training data.",
        f"The graph takes {tokens} tokens to {seconds:.1f} s of speech; the synthesizer divides longer text.",
    ]
    if not made.figures:
        lines.append("It was not measured.")
    for kind, heard in made.figures.get("sentences", {}).items():
        own = heard[OWN]
        better = [
            name
            for name, told in heard.items()
            if told["wrong"].get("whisper", 0) < own["wrong"].get("whisper", 0)
        ]
        if better:
            lines.append(f"Of {SETS[kind]}, Whisper understands better: {'; '.join(better)}.")
    return "\n".join(f"- {line}" for line in lines)
