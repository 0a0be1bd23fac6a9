"""Put the trained small voice into the package: python -m scripts.package_voice --help"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import zoo
from converters import export_synthesis
from scripts.package_weights import describe, keep_record
from scripts.voice.card import Made, card, metrics, read_figures
from scripts.voice.teachers import TEACHERS, read_record
from scripts.voice.training import MODEL, fill_in
from zoo.builtin import TAG, folder
from zoo.checkpoint import digest, write_parameters
from zoo.errors import CheckpointError, SpeechZooError
from zoo.hub.folder import newest_checkpoint
from zoo.networks.synthesis import SynthesisNetwork

DESCRIPTION = """Takes the newest checkpoint of a run of scripts.train_voice and writes beside the model,
under zoo/models/fastspeech/packaged: the parameters in 16 bits, one graph that has passed its parity check,
a record with hashes, and a card. Figures come from scripts.evaluate_voice:

  python -m scripts.package_voice --run voice/run
  python -m scripts.evaluate_voice --data voice/data --json voice.json --mos \\
      --vocoder griffin-lim --listeners whisper pocketsphinx --beside hibari flite espeak-ng
  python -m scripts.package_voice --run voice/run --figures voice.json

Parameters and graph hold the same numbers, of which the package needs one copy; in the end,

  python -m scripts.share_parameters fastspeech_small

What the card was written from stays in docs/weights; package_weights --card fastspeech_small writes it again.
"""
TOKENS = 128  # of a text at most


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
        figures = read_figures(arguments.figures) if arguments.figures else {}
        for path in package(arguments.run, figures):
            print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")
    except (SpeechZooError, OSError) as error:
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
    if not isinstance(model, SynthesisNetwork):
        raise CheckpointError(f"{run}: expected checkpoints of {MODEL}")
    spec = model.spec
    steps = int(newest_checkpoint(run).stem.rpartition("_")[2])
    found = read_record(run)
    fill_in(model, found.symbols)
    model.half().float()  # all that is stored has 16 bits, so all forms are equal
    teacher = TEACHERS[found.teacher]
    data = teacher.training_data.format(sentences=f"{found.sentences:,}", hours=f"{found.hours:g}")
    model.provenance = {"source": TAG, "licence": teacher.licence, "training_data": data}
    target = folder(spec)
    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target) as beside:
        graph, parameters, record, text = (
            Path(beside, f"{spec.name}{ending}") for ending in (".onnx", ".safetensors", ".json", ".md")
        )
        report = export_synthesis(model, graph, tokens=TOKENS, free=True, half_weights=True)
        write_parameters(model, spec, model.provenance, parameters, half=True)
        weights = describe(model.provenance, parameters, graph, target, metrics=metrics(figures))
        record.write_text(json.dumps(asdict(weights), indent=2) + "\n")
        made = Made(
            bucket=(TOKENS, model.longest),
            figures=figures,
            parameters=digest(model.state_dict()),
            snr_db=report.snr_db,
            max_error=report.max_error,
            sentences=found.sentences,
            steps=steps,
            teacher=found.teacher,
            hours=found.hours,
        )
        text.write_text(card(spec, weights, made))
        files = [path.replace(target / path.name) for path in (graph, parameters, record, text)]
    keep_record(spec.name, made.to_json())
    return files


if __name__ == "__main__":
    sys.exit(main())
