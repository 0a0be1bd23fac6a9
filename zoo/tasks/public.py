"""Graphs that others have published and that run as they are: whose they are, and how they are framed.

A hash that one of the registry's tags pins decides; then what sherpa-onnx writes into a graph's metadata;
then what the caller says. What none of them tells is an error: shapes do not tell 16 kHz from 48 kHz.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

from zoo.errors import ArtifactError
from zoo.hub.recognition import Recognised, recognise
from zoo.runtime.artifact import load_artifact
from zoo.runtime.graph import Graph
from zoo.signal.resample import check_rate
from zoo.spec import Filterbank, FrontEnd, MelSpectrum, ModelSpec

Spec = TypeVar("Spec", bound=ModelSpec)

# What a window is called, here and by others: sherpa-onnx, and the public scripts' options.
WINDOWS = {
    "hann": "hann",
    "hann-sqrt": "sqrt_hann",
    "hann_sqrt": "sqrt_hann",
    "sqrt_hann": "sqrt_hann",
    "sine": "sine",
    "rectangular": "rectangular",
}
_KEYS = {"sample_rate": "sample_rate", "hop_length": "hop_length", "window": "window_type"}  # of metadata


@dataclass(frozen=True)
class Told:
    """What is said of a graph that has no manifest.

    Attributes:
        sample_rate: in Hz.
        hop_length: samples between two frames.
        window: ``hann``, ``sqrt_hann``, ``sine`` or ``rectangular``.
        model: that it is of.

    Raises:
        AudioError: no sample rate that there can be.
    """

    sample_rate: int | None = None
    hop_length: int | None = None
    window: str | None = None
    model: ModelSpec | None = None

    def __post_init__(self) -> None:
        if self.sample_rate is not None:
            check_rate(self.sample_rate)

    def refuse_all(self, name: str) -> None:
        """Refuse what is said of something that is no public graph, which knows for itself.

        Raises:
            ArtifactError: something was said.
        """
        said = [f.name for f in fields(self) if f.name != "model" and getattr(self, f.name) is not None]
        if said:
            raise ArtifactError(f"{name}: only a public graph takes {', '.join(said)}; leave that out")

    def check(self, name: str, front_end: FrontEnd | Filterbank | MelSpectrum) -> None:
        """Hold what is said against what is known.

        Raises:
            ArtifactError: it is something else.
        """
        for option in ("sample_rate", "hop_length", "window"):
            said, known = getattr(self, option), getattr(front_end, option, None)
            if said is None:
                continue
            if known is None:
                raise ArtifactError(f"{name}: it has no {option} of that kind; leave it out")
            if WINDOWS.get(said, said) != known:
                raise ArtifactError(f"{name}: its {option} is {known}, not {said}; leave it out")


def load_known(
    path: Path, told: Told, *, threads: int, providers: Sequence[str], trust: bool
) -> tuple[Graph, Recognised | None]:
    """Load an artifact, and say whose it is if it has no manifest.

    Raises:
        ArtifactError, MissingExtraError: as ``load_artifact``.
        ArtifactError: it is ours, and something else is said of it.
    """
    graph = load_artifact(path, threads=threads, providers=providers, trust=trust)
    if graph.manifest is None:
        return graph, recognise(path)
    told.check(str(path), graph.manifest.front_end)
    if told.model is not None and told.model.name != graph.manifest.model:
        raise ArtifactError(f"{path}: it is an artifact of {graph.manifest.model}, not of {told.model.name}")
    return graph, None


def spec_of(path: Path, known: Recognised | None, told: Told, kind: type[Spec]) -> Spec | None:
    """The record of the model that a public graph is of, as far as that is known.

    Raises:
        ArtifactError: it is known as another's, or as one for another task.
    """
    spec = known.spec if known else told.model
    if known and told.model is not None and told.model.name != known.spec.name:
        raise ArtifactError(
            f"{path}: it is the public graph of {known.name}, not one of {told.model.name}; pass "
            f"{known.spec.name} as the model"
        )
    if spec is not None and not isinstance(spec, kind):
        raise ArtifactError(
            f"{path}: it is a graph of {spec.name}, for {spec.task}, which {spec.entry} runs; not for "
            f"{kind.task}"
        )
    return spec


def from_metadata(path: Path, metadata: Mapping[str, str]) -> Told:
    """What sherpa-onnx's keys say.

    Raises:
        ArtifactError: a number that is none, a window that is not known, or states that begin with other
            values than zeros.
    """
    begin = [key for key in metadata if key.endswith("_init")]
    if begin:
        raise ArtifactError(
            f"{path}: its metadata give values that its states begin with ({', '.join(begin)}), and here "
            f"states begin with zeros; it cannot be run as it is"
        )
    found: dict[str, int | str] = {}
    for name, key in _KEYS.items():
        value = metadata.get(key, "")
        if not value:
            continue
        if name == "window":
            if value not in WINDOWS:
                raise ArtifactError(
                    f"{path}: its metadata name the window {value[:40]!r}; known are {', '.join(WINDOWS)}"
                )
            found[name] = WINDOWS[value]
        elif not (value.isascii() and value.isdigit() and 0 < int(value) < 1 << 20):
            raise ArtifactError(f"{path}: its metadata say {key} {value[:40]!r}; a number is expected")
        else:
            found[name] = int(value)
    return Told(**found)  # type: ignore[arg-type]  # a window is a text, all else numbers


def unknown(path: Path, missing: list[str]) -> ArtifactError:
    """The error where nothing tells what a graph needs to be run."""
    options = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
    return ArtifactError(
        f"{path}: it has no speechzoo manifest, its hash is none that is known, and its metadata do not tell "
        f"its {' and '.join(missing)}: pass {options}, in Python {', '.join(f'{n}=' for n in missing)}, or "
        f"the name of its model with the file as its weights"
    )
