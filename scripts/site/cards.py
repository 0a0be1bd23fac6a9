"""Pages of the models: the card of each family, its models and weights, and what those sound like."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import soundfile

import zoo
from zoo.builtin import packaged_artifact
from zoo.registry import get_spec, list_models
from zoo.spec import EnhancementSpec, ModelSpec, SynthesisSpec
from zoo.tasks.describe import row, weights_row

ROOT = Path(__file__).resolve().parents[2]
NOISY = "examples/noisy.wav"
SENTENCE = "The train to the coast leaves at half past nine."


@cache
def pages() -> dict[str, tuple[str, str]]:
    """Headings and texts by the pages' names, a page a family."""
    families: dict[str, list[ModelSpec]] = {}
    for name in list_models():
        spec = get_spec(name)
        families.setdefault(spec.family, []).append(spec)
    made = {}
    for family, specs in families.items():
        card = (ROOT / "zoo/models" / family / "README.md").read_text()
        heading = card.partition("\n")[0].removeprefix("# ")
        made[f"models/{family}.md"] = (heading, "\n".join([card, *_models(specs), *_weights(specs)]))
    return made


@cache
def sounds() -> dict[str, bytes]:
    """What the weights in the package make of a recording, or of a sentence, by the files' names."""
    noisy, rate = soundfile.read(ROOT / NOISY, dtype="float32")
    made = {}
    for spec in _packaged():
        if isinstance(spec, EnhancementSpec):
            made[_sound(spec)] = _vorbis(zoo.Enhancer(spec.name)(noisy, rate), rate)
        elif isinstance(spec, SynthesisSpec):
            speech = zoo.Synthesizer(spec.name)(SENTENCE)
            made[_sound(spec)] = _vorbis(speech.waveform, speech.sample_rate)
    return made


def _packaged() -> list[ModelSpec]:
    specs = map(get_spec, list_models())
    heard = (EnhancementSpec, SynthesisSpec)
    return [spec for spec in specs if isinstance(spec, heard) and packaged_artifact(spec)]


def _sound(spec: ModelSpec) -> str:
    return f"models/sounds/{spec.name}.ogg"


def _vorbis(samples: object, rate: int) -> bytes:
    written = io.BytesIO()
    soundfile.write(written, samples, rate, format="OGG", subtype="VORBIS")
    return written.getvalue()


def _models(specs: Sequence[ModelSpec]) -> Iterator[str]:
    """The family's models, and what those sound like whose weights are in the package."""
    yield "\n## Models of this family\n"
    rows = []
    for spec in specs:
        told = row(spec)
        rows.append({"model": f"`{told.pop('name')}`", "": spec.title, **told})
        rows[-1].pop("weights")
    yield _table(rows)
    yield "The [glossary](../../../docs/glossary.md) explains the headings.\n"
    for spec in specs:
        if spec in _packaged():
            yield from _player(spec)


def _player(spec: ModelSpec) -> Iterator[str]:
    """The sounds of a model, as made when this site was built."""
    src = f"sounds/{spec.name}.ogg"
    what = f"with the weights in the package says “{SENTENCE}”:"
    if isinstance(spec, EnhancementSpec):
        what = f"enhances [a noisy recording](../../../{NOISY}) with the weights in the package to this:"
    yield f'\n`{spec.name}` {what}\n\n<audio controls preload="none" src="{src}"></audio>\n'
    yield f"[The card of these weights](packaged/{spec.name}.md) has their making and figures.\n"


def _weights(specs: Sequence[ModelSpec]) -> Iterator[str]:
    """All tags of a family, with licence and training data."""
    rows = [weights_row(spec, weights) for spec in specs for weights in spec.weights]
    yield "\n## All weights of this family\n"
    if not rows:
        yield "None are published. Train your own, or convert a checkpoint.\n"
        return
    marked = [{**cells, "model": f"`{cells['model']}`", "tag": f"`{cells['tag']}`"} for cells in rows]
    yield _table(marked)
    yield (
        "`speechzoo download MODEL:TAG` fetches one, `speechzoo info MODEL` tells all that is known of it. "
        "*Tried*: whether this project has had the file.\n"
    )
    if isinstance(specs[0], EnhancementSpec):
        yield "\n[The gallery](../../../docs/gallery/index.md) has them side by side, to be heard.\n"


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    headings = list(rows[0])
    body = [headings, ["---"] * len(headings), *([cells[heading] for heading in headings] for cells in rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in body)
