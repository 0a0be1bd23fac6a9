"""The card of the packaged voice, and the figures in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zoo.artifact.parity import ParityReport
from zoo.builtin import TAG
from zoo.errors import ArtifactError
from zoo.spec import SynthesisSpec, Weights
from zoo.tasks.describe import count

_UNSEEN = {"utterances", "mel", "half_frame", "mean_frame", "durations"}
_ERRORS = {"recogniser", "words", "teacher", "teacher through the vocoder", "voice"}


def read_figures(path: Path) -> dict[str, Any]:
    """What ``scripts.evaluate_voice --json`` wrote.

    Raises:
        ArtifactError: it is something else.
    """
    try:
        figures = json.loads(path.read_text())
        known = set(figures["unseen"]) >= _UNSEEN
        known = known and set(figures.get("word_errors", _ERRORS)) >= _ERRORS
    except (ValueError, KeyError, TypeError, AttributeError):
        known = False
    if not known:
        raise ArtifactError(f"{path}: expected a voice's figures from scripts.evaluate_voice --json")
    return figures


def metrics(figures: dict[str, Any]) -> dict[str, float]:
    """Figures by name, each with what it was measured on."""
    if not figures:
        return {}
    found = {
        "log-mel L1, unseen sentences of the teacher": round(figures["unseen"]["mel"], 3),
        "durations off (frames), unseen sentences of the teacher": round(figures["unseen"]["durations"], 2),
    }
    if errors := figures.get("word_errors"):
        found["word errors (%), 40 plain sentences"] = round(100 * errors["voice"] / errors["words"], 1)
    return found


def card(
    spec: SynthesisSpec,
    bucket: tuple[int, int],
    weights: Weights,
    figures: dict[str, Any],
    parameters: str,
    report: ParityReport,
    steps: str,
) -> str:
    """Markdown: what the voice is, how good, from what, and how to make it again."""
    parts = [
        f"# {spec.title}: a voice learned from a synthesiser",
        "An American woman's voice, made by a machine that learned from a machine: plain, even, and clear "
        "enough for prompts and tests. It is no recording of a person, and no match for a trained vocoder "
        "and hours of a speaker. This card was written by `scripts/package_voice.py`.",
        "\n".join(
            (
                f"- **Architecture**: {spec.paper} ({spec.url}). {count(spec.parameters)} parameters, "
                f"{count(spec.macs_per_second)} multiply-adds a second of speech. [The model](../README.md).",
                f'- **Use**: `speechzoo speak "Hello." -o hello.wav`, or `zoo.Synthesizer()`, without '
                f'PyTorch; `zoo.create_model("{spec.name}", "{TAG}")` for the network. It reads phonemes: '
                f"words become those by the package's dictionary, and what that lacks is spelled, or said by "
                f"rule with `--g2p espeak`.",
                f"- **Licence**: {weights.licence}. The teacher's terms are free of conditions on what it "
                f"says; the dictionary's are in `zoo/text/english.dict.txt`.",
                f"- **Graph**: {bucket[0]} tokens to {bucket[1]} frames; against the "
                f"training form, SNR {report.snr_db:.1f} dB, largest difference {report.max_error:.1e} of "
                f"the peak. Parameters are stored in 16 bits and computed with in 32.",
                f"- **SHA-256**: `{weights.sha256}` ({spec.name}.safetensors), `{weights.artifact_sha256}` "
                f"({spec.name}.onnx), `{parameters}` (parameters).",
            )
        ),
    ]
    if figures:
        parts += ["## Figures", _figures(figures)]
    parts += [
        "## Training data",
        f"{weights.training_data}. Words from a list of 45,000, common ones more often, with commas and end "
        f"marks; phonemes and their times are Flite's own.",
        "## Limits",
        "English. The melody is Flite's, which is flat; questions hardly rise. Words of two pronunciations "
        "(read, record) always get the first. Griffin-Lim gives it a hollow sound; the frames are those of "
        "Tacotron 2 and WaveGlow, whose vocoders can be put in (`--vocoder`); none was tried.",
        "## Made by",
        "```sh\napt install libflite1 wamerican-small\npython -m scripts.train_voice --data voice/data "
        "--words /usr/share/dict/american-english-small \\\n    --sentences 9940 --output voice/run --steps "
        f"{steps}\npython -m scripts.package_voice --run voice/run\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _figures(figures: dict[str, Any]) -> str:
    unseen, errors = figures["unseen"], figures.get("word_errors")
    text = (
        f"{unseen['utterances']} sentences that training never saw, with the teacher's durations: log-mel "
        f"frames differ from the teacher's by {unseen['mel']:.3f} on average. The teacher differs from "
        f"itself half a frame later by {unseen['half_frame']:.3f}, and from the mean of its frames by "
        f"{unseen['mean_frame']:.2f}. Predicted durations are off by {unseen['durations']:.2f} frames of "
        f"11.6 ms a token."
    )
    if errors:
        share = {
            name: 100 * errors[name] / errors["words"]
            for name in ("teacher", "teacher through the vocoder", "voice")
        }
        text += (
            f"\n\nWhat {errors['recogniser']}, gets wrong of 40 plain sentences ({errors['words']} words), "
            f"which go in as text: "
            + ", ".join(f"{name} {value:.1f} %" for name, value in share.items())
            + ". It is an old recogniser; what counts is how they compare."
        )
    return text
