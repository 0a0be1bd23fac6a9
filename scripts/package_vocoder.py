"""Put the trained small vocoder into the package: python -m scripts.package_vocoder --help"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import zoo
from converters import export
from scripts.package_weights import describe
from scripts.train_vocoder import MODEL
from scripts.voice.teachers import TEACHERS
from zoo.artifact.parity import ParityReport
from zoo.builtin import TAG, folder
from zoo.checkpoint import write_parameters
from zoo.errors import ArtifactError, SpeechZooError
from zoo.spec import ModelSpec, Weights
from zoo.tasks.describe import count

DESCRIPTION = """Takes vocoder.pt of a run of scripts.train_vocoder and writes beside the model, under
zoo/models/vocos/packaged: the parameters in 16 bits, one graph that has passed its parity check, a record
with hashes, and a card. Figures come from scripts.evaluate_vocoder:

  python -m scripts.package_vocoder --run vocoder/run --sentences 30000 --hours 20 --figures vocoders.json
"""
ROW = "griffin-lim"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.package_vocoder",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--run", type=Path, required=True, metavar="FOLDER", help="of scripts.train_vocoder")
    add(
        "--teacher",
        choices=tuple(TEACHERS),
        default="hibari",
        help="whose speech it learned (default hibari)",
    )
    add("--sentences", type=int, required=True, help="that were spoken")
    add("--hours", type=float, required=True, help="of speech")
    add("--figures", type=Path, required=True, metavar="JSON", help="of Griffin-Lim and of this one")
    arguments = parser.parse_args(argv)
    try:
        data = TEACHERS[arguments.teacher].training_data.format(
            sentences=f"{arguments.sentences:,}", hours=f"{arguments.hours:g}"
        )
        figures = read_figures(arguments.figures)
        for path in package(arguments.run, TEACHERS[arguments.teacher].licence, data, figures):
            print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")
    except (SpeechZooError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def read_figures(path: Path) -> dict[str, dict[str, float]]:
    """Read what ``scripts.evaluate_vocoder --json`` wrote: of Griffin-Lim, and of one other.

    Raises:
        ArtifactError: it is something else.
    """
    try:
        found = json.loads(path.read_text())
        (own,) = (name for name in found if name != ROW)
        return {ROW: dict(found[ROW]), MODEL: dict(found[own])}
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: expected figures of {ROW} and one vocoder ({error!r})") from error


def package(run: Path, licence: str, data: str, figures: dict[str, dict[str, float]]) -> list[Path]:
    """Write the files of the vocoder, all of them or none.

    Args:
        run: of scripts.train_vocoder.
        licence: SPDX identifier.
        data: what it was trained on.
        figures: as ``read_figures`` gives them.

    Raises:
        CheckpointError: no checkpoint, or one of another model.
        ParityError: the graph does not compute what the network computes.
    """
    model = zoo.create_model(MODEL, run / "vocoder.pt")
    for value in model.parameters():  # but no window; so what is stored in 16 bits and the network are equal
        value.data = value.data.half().float()
    model.provenance = {"source": TAG, "licence": licence, "training_data": data}
    target = folder(model.spec)
    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target) as beside:
        graph, parameters, record, text = (
            Path(beside, f"{MODEL}{ending}") for ending in (".onnx", ".safetensors", ".json", ".md")
        )
        report = export(model, graph, half_weights=True)
        write_parameters(model, model.spec, model.provenance, parameters, half=True)
        metrics = {f"{name}, unseen speech of the teacher": value for name, value in figures[MODEL].items()}
        weights = describe(model.provenance, parameters, graph, target, metrics=metrics)
        record.write_text(json.dumps(asdict(weights), indent=2) + "\n")
        text.write_text(card(model.spec, weights, report, figures))
        return [path.replace(target / path.name) for path in (graph, parameters, record, text)]


def card(
    spec: ModelSpec, weights: Weights, report: ParityReport, figures: dict[str, dict[str, float]]
) -> str:
    """Markdown: what the vocoder is, how good beside Griffin-Lim, from what, and how to make it again."""
    names = list(figures[ROW])
    rows = [[name, *(f"{figures[name][figure]:.3g}" for figure in names)] for name in figures]
    table = [["", *names], ["---"] * (1 + len(names)), *rows]
    lines = [
        f"# {spec.title}: a vocoder learned from a synthesiser",
        f"It learned from a machine's voice: {weights.training_data}. Other voices it was not made for.",
        f"- **Architecture**: {spec.paper} ({spec.url}). {count(spec.parameters)} parameters, "
        f"{count(spec.macs_per_second)} multiply-adds a second of speech. [The model](../README.md).\n"
        f'- **Use**: `speechzoo speak "Hello." --vocoder {spec.name} -o hello.wav`.\n'
        f"- **Licence**: {weights.licence}.\n"
        f"- **Graph**: any number of frames, streaming; against the training form, SNR {report.snr_db:.1f} "
        f"dB, largest difference {report.max_error:.1e} of the peak.\n"
        f"- **SHA-256**: `{weights.sha256}` ({spec.name}.safetensors), `{weights.artifact_sha256}` "
        f"({spec.name}.onnx).",
        "## Figures",
        "\n".join(f"| {' | '.join(row)} |" for row in table),
        "## Made by",
        "`scripts.make_voice_data`, `scripts.train_vocoder`, `scripts.evaluate_vocoder` and "
        "`scripts.package_vocoder`, in a clone of the project: `docs/voice.md`.",
    ]
    return "\n\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
