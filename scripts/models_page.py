"""Write docs/models.md, every model with its weights: python -m scripts.models_page

What a descriptor says comes from the registry, speed from zoo/speeds.json, and quality from
docs/quality.json, which is made of what `speechzoo evaluate --corpus --json FILE` wrote:

    speechzoo evaluate --corpus corpus/ --suites unseen ROW ... --json figures.json
    python -m scripts.models_page --figures figures.json

A row is a model, for the weights that come with the package, or MODEL=TAG.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from scripts.training.card import read_evaluations
from zoo.builtin import TAG
from zoo.errors import AudioError, SpeechZooError
from zoo.files import atomic
from zoo.registry import get_spec, list_models
from zoo.spec import EnhancementSpec, ModelSpec, SpeakerSpec, Weights
from zoo.speeds import speeds
from zoo.tasks.describe import count, row, shortened

DOCS = Path(__file__).parent.parent / "docs"
PAGE, QUALITY = DOCS / "models.md", DOCS / "quality.json"
SUITE = "unseen"
INTRODUCTION = """# Models and weights

Written by `python -m scripts.models_page` from what the package knows of each model \
(`speechzoo info MODEL`), from measured speed and from measured quality. To fetch weights ahead: \
`speechzoo download MODEL:TAG`. What the figures mean: [glossary](glossary.md).
"""


@dataclass(frozen=True)
class Quality:
    """Figures of enhancers on one set of recordings, measured in one run.

    Attributes:
        title: what was measured on.
        files: how many recordings.
        measured: the day.
        rows: means by metric, by ``noisy``, MODEL or MODEL=TAG.
    """

    title: str
    files: int
    measured: str
    rows: Mapping[str, Mapping[str, float]]

    def cells(self, key: str) -> tuple[str, str, str]:
        """SI-SDR in dB, PESQ and STOI of a row; empty where it was not measured."""
        found = self.rows.get(key)
        if found is None:
            return "", "", ""
        return f"{found['si_sdr']:.1f}", f"{found['pesq']:.2f}", f"{found['stoi']:.3f}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--figures", type=Path, metavar="FILE", help=f"of speechzoo evaluate; kept in {QUALITY.name}"
    )
    arguments = parser.parse_args()
    try:
        if arguments.figures:
            _write(QUALITY, json.dumps(asdict(measured(arguments.figures)), indent=1, sort_keys=True) + "\n")
        _write(PAGE, page(Quality(**json.loads(QUALITY.read_text()))))
    except SpeechZooError as error:
        print(f"models_page: error: {error}", file=sys.stderr)
        return 1
    print(PAGE)
    return 0


def measured(figures: Path) -> Quality:
    """Take the one suite that the page shows out of an evaluation.

    Raises:
        AudioError: it has no such suite, or rows that are no registered weights.
    """
    found = [evaluation for evaluation in read_evaluations(figures) if evaluation.suite == SUITE]
    if not found:
        raise AudioError(f"{figures}: no figures of the suite {SUITE}; pass --suites {SUITE} to evaluate")
    known = {"noisy", *(_key(spec, weights) for spec in _specs() for weights in spec.weights)}
    if unknown := sorted(found[0].rows.keys() - known):
        raise AudioError(f"{figures}: {', '.join(unknown)}: expected MODEL or MODEL=TAG of known weights")
    rows = {
        name: {metric: round(value, 3) for metric, value in means.items()}
        for name, means in found[0].rows.items()
    }
    return Quality(found[0].title, found[0].files, date.today().isoformat(), rows)


def page(quality: Quality) -> str:
    """The whole page as Markdown."""
    parts = [INTRODUCTION]
    for task, heading in (
        ("enhancement", "Speech enhancement"),
        ("speaker", "Speaker embeddings"),
        ("synthesis", "Text to speech"),
        ("vocoder", "Vocoders"),
    ):
        specs = [spec for spec in _specs() if spec.task == task]
        parts += [f"## {heading}\n", *_weights_of(specs, quality), _architectures(specs)]
    parts.append(_notes(quality))
    return "\n".join(parts)


def _specs() -> list[ModelSpec]:
    return [get_spec(name) for name in list_models()]


def _weights_of(specs: Sequence[ModelSpec], quality: Quality) -> Iterator[str]:
    """The table of trained weights, and what each may not be used for."""
    enhancers = isinstance(specs[0], EnhancementSpec)
    headings = ["model", "weights", "trained on", "licence"]
    headings += ["SI-SDR dB", "PESQ", "STOI"] if enhancers else []
    rows, restrictions = [], {}
    if enhancers:
        rows.append(["(noisy input)", "", "", "", *quality.cells("noisy"), "", ""])
    for spec in specs:
        for weights in spec.weights:
            licence = weights.licence
            if weights.restriction:
                mark = restrictions.setdefault(weights.restriction, len(restrictions) + 1)
                licence += f" [{mark}]"
            cells = [f"`{spec.name}`", f"`{weights.tag}`", shortened(weights.training_data), licence]
            cells += quality.cells(_key(spec, weights)) if enhancers else ()
            rows.append([*cells, _published(weights), "yes" if weights.seen else "no"])
    if not rows:
        yield "No trained weights are known.\n"
        return
    yield from _table([*headings, "published figures", "tried here"], rows)
    for restriction, mark in restrictions.items():
        yield f"[{mark}] {restriction}\n"


def _architectures(specs: Sequence[ModelSpec]) -> str:
    """The table of networks, with or without weights."""
    columns = [name for name in row(specs[0]) if name not in ("name", "parameters", "weights")]
    rows = [
        [f"`{spec.name}`", spec.title, count(spec.parameters), *(row(spec)[name] for name in columns)]
        for spec in specs
    ]
    return "\n".join(_table(["model", "title", "parameters", *columns], rows))


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield "|---" * len(headings) + "|"
    for cells in rows:
        yield f"| {' | '.join(cells)} |"
    yield ""


def _published(weights: Weights) -> str:
    """Figures that somebody published, by test set."""
    found: dict[str, list[str]] = {}
    for name, value in weights.metrics.items():
        if name.endswith(" (published)"):
            test, _, what = name.removesuffix(" (published)").rpartition(", ")
            found.setdefault(test, []).append(f"{what} {value:g}")
    return "; ".join(f"{test}: {', '.join(figures)}" for test, figures in found.items())


def _notes(quality: Quality) -> str:
    speaker = any(isinstance(spec, SpeakerSpec) and spec.weights for spec in _specs())
    notes = [
        "## How these were found\n",
        f"Quality: {quality.title}, {quality.files} recordings, measured at 16 kHz in one run on "
        f"{quality.measured}, of the corpus that `python -m scripts.prepare_corpus` makes from public "
        "sources ([training-data.md](training-data.md)); none of these voices and noises was in the "
        "training of this project. What others trained on is what they say; some voices of this set read "
        "for LibriVox, as many do in the data of the DNS challenges. SI-SDR is of the enhanced "
        "recordings, in dB; PESQ is wide-band. Models at 48 kHz hear the same recordings resampled, which "
        "hold nothing above 8 kHz. Where the figures are empty the weights could not be had here, and the "
        "published figures are what there is.\n",
        f"Speed: RTF is computing time over the audio's duration, {speeds()}. Latency is that of a stream at "
        "the model's own rate, the wait for a whole hop included. Parameters and multiply-adds are those "
        "of the training form.\n",
        "Tried here: whether this project has had the file, so that what the page says of it was seen. "
        "Of the others address and SHA-256 are known from independent catalogues; "
        "`speechzoo download --all --check` tries every address.\n",
    ]
    if speaker:
        notes.append(
            "Speaker models: no set of trials could be had here that says anything of their quality; the "
            "published figures are equal error rates as their authors report them.\n"
        )
    return "\n".join(notes).rstrip() + "\n"


def _key(spec: ModelSpec, weights: Weights) -> str:
    return spec.name if weights.tag == TAG else f"{spec.name}={weights.tag}"


def _write(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
