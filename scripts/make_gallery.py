"""Write docs/gallery, noisy recordings through every model with weights: python -m scripts.make_gallery

The recordings are those of docs/gallery/recordings.json. Enhanced are those weights of each enhancer that
come with the package, and the first of the others that is in the cache (speechzoo download MODEL:TAG); the
page names those that are not there. It needs the dev extra. --checkouts mixes the recordings anew, of the
repositories that scripts.prepare_corpus takes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

import zoo
from zoo.arrays import Array
from zoo.builtin import TAG
from zoo.evaluation.metrics import RATE, measure
from zoo.files import atomic
from zoo.hub import client
from zoo.registry import get_spec, list_models
from zoo.signal.plot import RANGE_DB, spectrum_levels
from zoo.signal.resample import resample
from zoo.spec import EnhancementSpec, Weights

ROOT = Path(__file__).parent.parent
GALLERY = ROOT / "docs/gallery"
METRICS = ("si_sdr", "pesq", "stoi")
PEAK = 0.5  # of a mixture
COMPRESSION = 0.9  # of Opus, from 0 to 1: about 30 kbit/s
COLUMNS = 3  # of a picture
INTRODUCTION = """# Gallery

Five noisy recordings, and what each model with trained weights makes of them. Written by \
`python -m scripts.make_gallery`. But for the first, the packaged weights have heard neither these voices \
nor these noises in training. What is heard here is compressed (Opus); the figures are of the signals before \
that, at 16 kHz: they need the clean voice, and do not say everything that an ear does. One recording says \
little of a model; [many](../quality.md) say more.
"""


@dataclass(frozen=True)
class Recording:
    """A voice in noise; see recordings.json.

    Attributes:
        name: of its files.
        title: what is heard.
        credits: who made its parts, and their licences.
        snr_db: of the voice, over the whole.
        noisy, clean: (N,) at ``rate``.
    """

    name: str
    title: str
    credits: Sequence[str]
    snr_db: float
    rate: int
    noisy: Array
    clean: Array


@dataclass(frozen=True)
class Choice:
    """Some weights of a model."""

    model: str
    weights: Weights

    @property
    def title(self) -> str:
        """What --model and --weights take."""
        return f"{self.model} {self.weights.tag}"

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.model}-{self.weights.tag}"


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, default=GALLERY, help="the folder to write (default: docs/gallery)"
    )
    parser.add_argument("--checkouts", type=Path, help="folder of repositories, to mix the recordings anew")
    args = parser.parse_args(words)
    described = json.loads((GALLERY / "recordings.json").read_text())
    if args.checkouts:
        for record in described:
            mix(record, args.checkouts)
    here, missing = choices()
    write(args.out, [read(record) for record in described], here, missing)
    return 0


def choices() -> tuple[list[Choice], list[Choice]]:
    """Weights of enhancers that are at hand, and the first others of models that are not."""
    here, missing = [], []
    for name in list_models(EnhancementSpec.task):
        spec = get_spec(name, EnhancementSpec)
        here += [Choice(name, weights) for weights in spec.weights if weights.tag == TAG]
        others = [Choice(name, weights) for weights in spec.weights if weights.tag != TAG]
        found = next((other for other in others if at_hand(other.weights)), None)
        if found:
            here.append(found)
        elif others:
            missing.append(others[0])
    return sorted(here, key=lambda choice: choice.weights.tag != TAG), missing


def at_hand(weights: Weights) -> bool:
    """Whether all files of published weights are in the cache."""
    return all(client.cached(file).is_file() for file in weights.files)


def mix(record: dict[str, Any], checkouts: Path) -> None:
    """Write a recording's noisy and clean FLAC files; nothing of one that is elsewhere in the project."""
    if "speech" not in record:
        return
    rate, length = record["rate"], round(record["seconds"] * record["rate"])
    speech = _excerpt(checkouts / record["speech"], rate, 0, length)
    noise = _excerpt(checkouts / record["noise"], rate, record["noise_begin"], length)
    if not noise[-1]:
        raise SystemExit(f"{record['name']}: its noise ends before {record['seconds']} s")
    noise *= np.sqrt(np.mean(speech**2) / np.mean(noise**2)) * 10 ** (-record["snr_db"] / 20)
    scale = PEAK / np.abs(speech + noise).max()
    for name, signal in (("noisy", speech + noise), ("clean", speech)):
        soundfile.write(_path(record, name), scale * signal, rate, subtype="PCM_16")


def _excerpt(path: Path, rate: int, begin: float, length: int) -> Array:
    """(length,) of a file at a rate, of all its channels; zeros behind its end."""
    samples, own = soundfile.read(path, dtype="float32", always_2d=True)
    mono = resample(samples.mean(axis=1), own, rate)[round(begin * rate) :][:length]
    return np.pad(mono, (0, length - len(mono)))


def _path(record: dict[str, Any], kind: str) -> Path:
    given = record.get(kind)
    return ROOT / given if given else GALLERY / "recordings" / f"{record['name']}-{kind}.flac"


def read(record: dict[str, Any]) -> Recording:
    """A recording of recordings.json."""
    noisy, clean = (soundfile.read(_path(record, kind), dtype="float32")[0] for kind in ("noisy", "clean"))
    fields = {name: record[name] for name in ("name", "title", "credits", "snr_db", "rate")}
    return Recording(noisy=noisy, clean=clean, **fields)


def write(
    folder: Path, recordings: Sequence[Recording], here: Sequence[Choice], missing: Sequence[Choice]
) -> None:
    """Write the page, its sounds and its pictures."""
    sounds = folder / "sounds"
    shutil.rmtree(sounds, ignore_errors=True)
    sounds.mkdir(parents=True)
    parts = [INTRODUCTION, _weights(here, missing)]
    outputs: dict[str, list[Array]] = {recording.name: [] for recording in recordings}
    for choice in here:
        print(choice.title, file=sys.stderr)
        enhancer = zoo.Enhancer(choice.model, choice.weights.tag)
        for recording in recordings:
            outputs[recording.name].append(enhancer(recording.noisy, recording.rate))
    for recording in recordings:
        signals = [("noisy", recording.noisy), ("clean", recording.clean)]
        signals += [(c.title, x) for c, x in zip(here, outputs[recording.name], strict=True)]
        draw(folder / f"{recording.name}.jpg", signals, recording.rate)
        parts.append(_section(recording, here, outputs[recording.name], sounds))
    with atomic(folder / "index.md") as temporary:
        temporary.write_text("\n".join(parts))


def _weights(here: Sequence[Choice], missing: Sequence[Choice]) -> str:
    """What is heard, with licences, and what is not."""
    lines = ["| model | weights | licence | trained on |", "|---|---|---|---|"]
    for choice in here:
        weights = choice.weights
        licence = "; ".join(filter(None, (weights.licence, weights.restriction)))
        lines.append(f"| `{choice.model}` | `{weights.tag}` | {licence} | {weights.training_data} |")
    if missing:
        names = ", ".join(f"`{choice.title}`" for choice in missing)
        lines += ["", f"Not at hand when this page was made, and so not in it: {names}."]
    return "\n".join([*lines, ""])


def _section(recording: Recording, here: Sequence[Choice], outputs: Sequence[Array], sounds: Path) -> str:
    """A recording's part of the page; its sounds are written."""
    band = "48 kHz" if recording.rate == 48000 else "16 kHz"
    lines = [
        f"## {recording.title}", "",
        f"{recording.snr_db} dB, {band}. " + " ".join(f"{credit}." for credit in recording.credits)
        + ("" if len(recording.credits) == 1 else " Cut, resampled and mixed."), "",
        "| | | SI-SDR, dB | PESQ | STOI |", "|---|---|---|---|---|",
    ]  # fmt: skip
    rows = [("noisy", "noisy", recording.noisy), ("clean", "clean", recording.clean)]
    rows[1:1] = [(f"`{c.title}`", c.name, x) for c, x in zip(here, outputs, strict=True)]
    for title, name, signal in rows:
        path = sounds / f"{recording.name}-{name}.ogg"
        soundfile.write(path, signal, recording.rate, "OPUS", format="OGG", compression_level=COMPRESSION)
        figures = "| | |" if name == "clean" else f"| {figures_of(signal, recording)} |"
        player = f'<audio controls preload="none" style="width: 15rem" src="sounds/{path.name}"></audio>'
        lines.append(f"| [{title}](sounds/{path.name}) | {player} {figures}")
    return "\n".join([*lines, "", f"![Spectrograms: {recording.title}]({recording.name}.jpg)", ""])


def figures_of(signal: Array, recording: Recording) -> str:
    """SI-SDR, PESQ and STOI of a signal, as the page has them."""
    at_rate = [resample(x, recording.rate, RATE) for x in (signal, recording.clean)]
    found = measure(at_rate[0], at_rate[1], RATE, METRICS)
    return f"{found['si_sdr']:.1f} | {found['pesq']:.2f} | {found['stoi']:.3f}"


def draw(path: Path, signals: Sequence[tuple[str, Array]], rate: int) -> None:
    """Spectrograms side by side, in one colour scale."""
    from matplotlib.figure import Figure

    rows = -(-len(signals) // COLUMNS)
    figure = Figure(figsize=(12, 1.9 * rows), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    levels = [spectrum_levels(signal, rate) for _, signal in signals]
    top = max(float(level.max()) for level in levels)
    for axis, (title, signal), level in zip(axes, signals, levels, strict=False):
        extent = (0, len(signal) / rate, 0, rate / 2000)
        axis.imshow(
            level, origin="lower", aspect="auto", extent=extent, vmin=top - RANGE_DB, vmax=top, cmap="magma"
        )
        axis.set_title(title, loc="left", fontsize=9)
    for axis in axes[len(signals) :]:
        axis.set_axis_off()
    figure.supxlabel("Time (s)", fontsize=9)
    figure.supylabel("Frequency (kHz)", fontsize=9)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=90, format="jpg", pil_kwargs={"quality": 70})


if __name__ == "__main__":
    sys.exit(main())
