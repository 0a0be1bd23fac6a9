"""Put trained weights into the package: python -m scripts.package_weights --help"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

import zoo
from converters.onnx import export_onnx
from scripts.training.card import Evaluation, card, read_evaluation
from scripts.training.trainer import BEST, LAST
from zoo.checkpoint import digest, write_parameters
from zoo.errors import CheckpointError, SpeechZooError
from zoo.packaged import TAG, address_of, folder
from zoo.registry import get_spec
from zoo.spec import EnhancementSpec, Weights

DESCRIPTION = """Takes the best weights of a run of scripts.train and writes beside the model, under
zoo/models/<family>/packaged: the parameters, streaming wav2wav graphs for one hop and for many a call that
have passed their parity checks, a record with hashes, and a model card. Figures come from scripts.evaluate,
whose rows name the packaged weights by the model's name alone:

  python -m scripts.package_weights --run out/fastenhancer_t
  python -m scripts.evaluate --speech ... --noise ... fastenhancer_t gtcrn=dns3 --alone --json figures.json
  python -m scripts.package_weights --run out/fastenhancer_t --figures figures.json
"""
ROOT = Path(__file__).resolve().parent.parent


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.package_weights",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--run",
        type=Path,
        nargs="+",
        required=True,
        metavar="FOLDER",
        help="that scripts.train wrote; several if each began with the weights of the one before",
    )
    parser.add_argument(
        "--figures", type=Path, nargs="*", default=[], metavar="JSON", help="that scripts.evaluate wrote"
    )
    parser.add_argument(
        "--training-data",
        type=Path,
        default=ROOT / "docs/training-data.md",
        metavar="FILE",
        help="what the recordings are: a heading, a sentence, a table (default docs/training-data.md)",
    )
    parser.add_argument(
        "--datasets",
        nargs="*",
        default=["picovoice-speech-to-intent", "esc-10"],
        metavar="NAME",
        help="the public sets among the recordings, for the card on the Hub",
    )
    parser.add_argument("--licence", default="MIT", metavar="SPDX", help="of the weights (default MIT)")
    arguments = parser.parse_args(argv)
    try:
        for path in package(
            arguments.run,
            [read_evaluation(path) for path in arguments.figures],
            arguments.training_data.read_text(),
            arguments.licence,
            arguments.datasets,
        ):
            print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")
    except (SpeechZooError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def package(
    runs: list[Path],
    evaluations: list[Evaluation],
    training_data: str,
    licence: str,
    datasets: Sequence[str],
) -> list[Path]:
    """Write the files of one model's weights, all of them or none.

    Args:
        runs: folders of training runs, the last one's weights being those to package.
        evaluations: figures, for the record and the card.
        training_data: text with a heading, a sentence that the record repeats, and a table for the card.
        licence: SPDX identifier.
        datasets: the public sets among the recordings.

    Raises:
        CheckpointError: no run, or not one of a registered model.
        ParityError: the graph does not compute what the network computes.
    """
    history = [run_settings(run) for run in runs]
    spec = get_spec(history[-1]["model"])
    sentence = training_data.split("\n\n")[1].strip()
    model = zoo.create_model(spec.name, runs[-1] / BEST)
    model.provenance = {"source": TAG, "licence": licence, "training_data": sentence}
    target = folder(spec)
    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target) as made:
        graph, many, parameters, record, text = (
            Path(made, f"{spec.name}{ending}")
            for ending in (".onnx", ".many.onnx", ".safetensors", ".json", ".md")
        )

        def say(line: str) -> None:
            print(line, file=sys.stderr)

        report = export_onnx(model, graph, "wav2wav", progress=say)
        export_onnx(model, many, "wav2wav", streams="streams", hops="hops", progress=say)
        write_parameters(model, spec, model.provenance, parameters)
        weights = describe(
            model.provenance,
            parameters,
            graph,
            target,
            datasets=datasets,
            metrics=metrics(spec, evaluations),
            many=address_of(target / many.name),
            many_sha256=sha256(many),
        )
        record.write_text(json.dumps(asdict(weights), indent=2) + "\n")
        text.write_text(
            card(spec, weights, history, evaluations, training_data, digest(model.state_dict()), report)
        )
        files = [path.replace(target / path.name) for path in (graph, many, parameters, record, text)]
    return files


def describe(
    provenance: Mapping[str, str], parameters: Path, graph: Path, target: Path, **more: Any
) -> Weights:
    """The descriptor of parameters and their graph, which are to lie in the folder ``target``."""
    return Weights(
        tag=provenance["source"],
        url=address_of(target / parameters.name),
        sha256=sha256(parameters),
        size=parameters.stat().st_size,
        licence=provenance["licence"],
        training_data=provenance["training_data"],
        artifact=address_of(target / graph.name),
        artifact_sha256=sha256(graph),
        **more,
    )


def run_settings(run: Path) -> dict[str, Any]:
    """The settings of a training run, its last step, and the one of its best weights.

    Raises:
        CheckpointError: the folder holds no run.
    """
    if not (run / LAST).is_file() or not (run / BEST).is_file():
        raise CheckpointError(f"{run}: expected {BEST} and {LAST}, as scripts.train writes them")
    from safetensors import safe_open

    content = torch.load(run / LAST, map_location="cpu", weights_only=True)
    with safe_open(run / BEST, "pt") as file:
        best = (file.metadata() or {}).get("step", "")
    folders = content.get("folders", {})
    return {**content["settings"], "last": content["step"], "best": best, "folders": folders}


def metrics(spec: EnhancementSpec, evaluations: list[Evaluation]) -> dict[str, float]:
    """The packaged weights' own figures, the set in each name."""
    return {
        f"{heading}, {evaluation.title}": round(value, 3)
        for evaluation in evaluations
        for heading, value in evaluation.figures(spec.name).items()
    }


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
