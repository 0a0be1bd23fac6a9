"""Put the trained small voice into the package: python -m scripts.package_voice --help"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

import zoo
from converters.synthesis import export_synthesis
from scripts.package_weights import sha256
from scripts.voice.training import MODEL, fill_in
from zoo.artifact.parity import ParityReport
from zoo.checkpoint import digest, write_parameters
from zoo.cli.list import count
from zoo.errors import CheckpointError, SpeechZooError
from zoo.models.fastspeech.model import FastSpeech
from zoo.packaged import TAG, address_of, folder
from zoo.spec import SynthesisSpec, Weights

DESCRIPTION = """Takes the newest checkpoint of a run of scripts.train_voice and writes beside the model,
under zoo/models/fastspeech/packaged: the parameters in 16 bits, one graph that has passed its parity check,
a record with hashes, and a card. Figures come from scripts.evaluate_voice:

  python -m scripts.package_voice --run voice/run
  python -m scripts.evaluate_voice --recognise --json voice.json
  python -m scripts.package_voice --run voice/run --figures voice.json
"""
LICENCE = "MIT"
BUCKET = (128, 1024)  # tokens and frames of the graph
TRAINING_DATA = "10,000 sentences of random English words, 7 hours, spoken by Flite with its voice cmu_us_slt"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.package_voice",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", type=Path, required=True, metavar="FOLDER", help="of checkpoints")
    parser.add_argument("--figures", type=Path, metavar="JSON", help="that scripts.evaluate_voice wrote")
    arguments = parser.parse_args(argv)
    try:
        figures = json.loads(arguments.figures.read_text()) if arguments.figures else {}
        for path in package(arguments.run, figures):
            print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")
    except (SpeechZooError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def package(run: Path, figures: dict[str, Any]) -> list[Path]:
    """Write the files of the voice, all of them or none.

    Args:
        run: of scripts.train_voice.
        figures: of scripts.evaluate_voice, for the record and the card.

    Raises:
        CheckpointError: no checkpoint, or one of another model.
        ParityError: the graph does not compute what the network computes.
    """
    model = zoo.create_model(MODEL, run)
    if not isinstance(model, FastSpeech):
        raise CheckpointError(f"{run}: expected checkpoints of {MODEL}")
    spec = model.spec
    fill_in(model)
    model.half().float()  # all that is stored has 16 bits, so all forms are equal
    model.provenance = {"source": TAG, "licence": LICENCE, "training_data": TRAINING_DATA}
    target = folder(spec)
    target.mkdir(exist_ok=True)
    tokens, frames = BUCKET
    with tempfile.TemporaryDirectory(dir=target) as made:
        graph, parameters, record, text = (
            Path(made, f"{spec.name}{ending}") for ending in (".onnx", ".safetensors", ".json", ".md")
        )
        report = export_synthesis(model, graph, tokens=tokens, frames=frames, half_weights=True)
        write_parameters(model, spec, model.provenance, parameters, half=True)
        weights = Weights(
            tag=TAG,
            url=address_of(target / parameters.name),
            sha256=sha256(parameters),
            size=parameters.stat().st_size,
            licence=LICENCE,
            training_data=TRAINING_DATA,
            metrics=metrics(figures),
            artifact=address_of(target / graph.name),
            artifact_sha256=sha256(graph),
        )
        record.write_text(json.dumps(asdict(weights), indent=2) + "\n")
        text.write_text(card(spec, weights, figures, digest(model.state_dict()), report, step(run)))
        return [path.replace(target / path.name) for path in (graph, parameters, record, text)]


def step(run: Path) -> int:
    """Of the newest checkpoint."""
    content = torch.load(sorted(run.glob("checkpoint_*.pt"))[-1], weights_only=True)
    return int(content["step"])


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
    weights: Weights,
    figures: dict[str, Any],
    parameters: str,
    report: ParityReport,
    steps: int,
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
                f"- **Graph**: {BUCKET[0]} tokens to {BUCKET[1]} frames; against the "
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
        f"{TRAINING_DATA}. Words from a list of 45,000, common ones more often, with commas and end marks; "
        f"phonemes and their times are Flite's own.",
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


if __name__ == "__main__":
    sys.exit(main())
