"""Put trained weights into the package: python -m scripts.package_weights --help"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import torch

import zoo
from converters.targets.onnx import export_onnx
from scripts.training.card import Evaluation, Made, card, read_evaluations, read_made
from scripts.training.trainer import BEST, LAST
from scripts.voice import card as voice
from zoo.builtin import TAG, address_of, folder, with_packaged_weights
from zoo.checkpoint import digest, write_parameters
from zoo.errors import CheckpointError, SpeechZooError
from zoo.files import atomic, sha256_of
from zoo.registry import find_weights, get_spec
from zoo.spec import EnhancementSpec, ModelSpec, SynthesisSpec, Weights

DESCRIPTION = """Takes the best weights of a run of scripts.train and writes beside the model, under
zoo/models/<family>/packaged: the parameters, streaming wav2wav graphs for one hop and for many a call that
have passed their parity checks, a record with hashes, and a model card. Figures come from speechzoo evaluate,
whose rows name the packaged weights by the model's name alone:

  python -m scripts.package_weights --run out/fastenhancer_t
  speechzoo evaluate --speech ... --noise ... fastenhancer_t gtcrn=dns3 --alone --json figures.json
  speechzoo evaluate --corpus corpus fastenhancer_t gtcrn=dns3 --json suites.json
  python -m scripts.package_weights --run out/fastenhancer_t --figures figures.json suites.json

What the card was written from stays in docs/weights, and it can be written again from that:

  python -m scripts.package_weights --card fastenhancer_t
"""
ROOT = Path(__file__).resolve().parent.parent
RECORDS = ROOT / "docs/weights"  # what each card was written from


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
        metavar="FOLDER",
        help="that scripts.train wrote; several if each began with the weights of the one before",
    )
    parser.add_argument(
        "--continued",
        action="store_true",
        help="the first run began with the packaged weights: the runs of their record come before it",
    )
    parser.add_argument(
        "--figures", type=Path, nargs="*", default=[], metavar="JSON", help="that speechzoo evaluate wrote"
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
    parser.add_argument("--card", nargs="+", metavar="MODEL", help="only write the cards of packaged weights")
    arguments = parser.parse_args(argv)
    if bool(arguments.run) == bool(arguments.card):
        parser.error("either --run, to package weights, or --card, to write their cards again")
    try:
        if arguments.card:
            paths = [write_card(name) for name in arguments.card]
        else:
            paths = package(
                arguments.run,
                [evaluation for path in arguments.figures for evaluation in read_evaluations(path)],
                arguments.training_data.read_text(),
                arguments.licence,
                arguments.datasets,
                continued=arguments.continued,
            )
        for path in paths:
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
    *,
    continued: bool = False,
) -> list[Path]:
    """Write the files of one model's weights, all of them or none.

    Args:
        runs: folders of training runs, the last one's weights being those to package.
        evaluations: figures, for the record and the card.
        training_data: text with a heading, a sentence that the record repeats, and a table for the card.
        licence: SPDX identifier.
        datasets: the public sets among the recordings.
        continued: whether the runs that are on record come before these; one that went on stands once.

    Raises:
        ArtifactError: there is no record to continue.
        CheckpointError: no run, or not one of a registered model.
        ParityError: the graph does not compute what the network computes.
    """
    history = [run_settings(run) for run in runs]
    spec = get_spec(history[-1]["model"])
    if continued:
        history = joined(read_made(RECORDS / f"{spec.name}.json").history, history)
    sentence = _sentence(training_data, spec, history[0].get("weights"))
    model = zoo.create_model(spec.name, runs[-1] / BEST)
    model.provenance = {"source": TAG, "licence": licence, "training_data": sentence}
    target = folder(spec)
    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target) as beside:
        graph, many, parameters, record, text = (
            Path(beside, f"{spec.name}{ending}")
            for ending in (".onnx", ".many.onnx", ".safetensors", ".json", ".md")
        )
        say = partial(print, file=sys.stderr)
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
            many_sha256=sha256_of(many),
        )
        record.write_text(json.dumps(asdict(weights), indent=2) + "\n")
        parity = report.snr_db, report.max_error
        made = Made(history, evaluations, training_data, digest(model.state_dict()), *parity)
        text.write_text(card(spec, weights, made))
        files = [path.replace(target / path.name) for path in (graph, many, parameters, record, text)]
    keep_record(spec.name, made.to_json())
    return files


def _sentence(training_data: str, spec: ModelSpec, begun: str | None) -> str:
    """What the weights were trained on, in a sentence; before it what those had heard that they began as."""
    sentence = training_data.split("\n\n")[1].strip()
    for weights in spec.weights:
        if weights.tag == begun:
            return f"{weights.training_data} (the weights {begun}, {weights.licence}); then: {sentence}"
    return sentence


def keep_record(name: str, text: str) -> None:
    """Write what a card was written from."""
    with atomic(RECORDS / f"{name}.json") as temporary:
        temporary.write_text(text)


def write_card(name: str) -> Path:
    """Write the card of packaged weights again, from their descriptor and the record of their making.

    Raises:
        ArtifactError: there is no record.
        UnknownModelError: no such model, or none of its weights are packaged.
    """
    spec, record = get_spec(name), RECORDS / f"{name}.json"
    weights, path = find_weights(with_packaged_weights(spec), TAG), folder(spec) / f"{name}.md"
    if isinstance(spec, SynthesisSpec):
        text = voice.card(spec, weights, voice.read_made(record))
    else:
        assert isinstance(spec, EnhancementSpec)
        text = card(spec, weights, read_made(record))
    with atomic(path) as temporary:
        temporary.write_text(text)
    return path


def describe(
    provenance: Mapping[str, str], parameters: Path, graph: Path, target: Path, **more: Any
) -> Weights:
    """The descriptor of parameters and their graph, which are to lie in the folder ``target``."""
    return Weights(
        tag=provenance["source"],
        url=address_of(target / parameters.name),
        sha256=sha256_of(parameters),
        size=parameters.stat().st_size,
        licence=provenance["licence"],
        training_data=provenance["training_data"],
        artifact=address_of(target / graph.name),
        artifact_sha256=sha256_of(graph),
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
    settings = dict(content["settings"])
    if settings.get("weights"):
        settings["weights"] = named(settings["weights"])
    recorded = {name: content[name] for name in ("recipe", "folders") if content.get(name)}
    if "folders" in recorded:
        recorded["folders"] = {
            option: [named(path) for path in paths] for option, paths in recorded["folders"].items()
        }
    return {**settings, "last": content["step"], "best": best, **recorded}


def joined(recorded: list[dict[str, Any]], runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Histories one after the other; a run that is in both, because it went on, stands once."""
    ends = {"last": 0, "best": 0}
    same = bool(recorded) and {**recorded[-1], **ends} == {**runs[0], **ends}
    gone_on = same and recorded[-1]["last"] < runs[0]["last"]
    return [*(recorded[:-1] if gone_on else recorded), *runs]


def named(path: str) -> str:
    """Name a folder or a file for everyone: one outside the clone by its last three parts."""
    whole = PurePath(path)
    inside = [part for part in whole.parts if part not in ("..", whole.anchor)]
    return "/".join(inside if len(inside) == len(whole.parts) else inside[-3:])


def metrics(spec: EnhancementSpec, evaluations: list[Evaluation]) -> dict[str, float]:
    """The packaged weights' own figures, the set in each name; of suites, those of noise and no more."""
    return {
        f"{heading}, {evaluation.title}": round(value, 3)
        for evaluation in evaluations
        if evaluation.suite in ("", "unseen")
        for heading, value in evaluation.figures(spec.name).items()
    }


if __name__ == "__main__":
    sys.exit(main())
