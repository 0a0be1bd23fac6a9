"""The record that every artifact carries: in an ONNX file's own metadata, as JSON under one key."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from zoo.errors import ArtifactError
from zoo.spec import FrontEnd, TensorSpec, Tolerance

METADATA_KEY = "speechzoo"
VERSION = 1

Form = Literal["spec2spec", "wav2wav"]


@dataclass(frozen=True)
class Golden:
    """A recording inside the artifact, with the training form's output for it.

    Attributes:
        noisy: FLAC file, base64: 16-bit mono at the model's rate, at most a second.
        enhanced: FLAC file, base64: the expected output of the same length, divided by ``peak``.
        peak: largest magnitude of the expected output.
    """

    noisy: str
    enhanced: str
    peak: float


@dataclass(frozen=True)
class Manifest:
    """What is needed to run an artifact and to judge it.

    Attributes:
        model: registered name.
        form: ``spec2spec`` (B, F, T, 2) or ``wav2wav`` (B, N).
        streaming: frames with states in and out, or a whole recording at once.
        front_end: the spectrum's geometry.
        latency: samples from an input sample to the same instant's output sample.
        inputs, outputs: tensors in the graph's order, without the states.
        states: tensors that go in as ``<name>`` and come out as ``<name>.next``; zeros at the start.
        hops: frames of a call, or "hops" where that is free; "frames" of an offline graph.
        streams: streams of a call, or "streams" where that is free.
        weights: sha256 of the training form's parameters; source, licence and training data if known.
        tolerance: what the export was held to.
        toolchain: versions of the packages that made the artifact.
        golden: recording for ``verify``; None only while an artifact is being made.
    """

    model: str
    form: Form
    streaming: bool
    front_end: FrontEnd
    latency: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    states: tuple[TensorSpec, ...]
    hops: int | str
    streams: int | str
    weights: Mapping[str, str] = field(default_factory=dict)
    tolerance: Tolerance = Tolerance()
    toolchain: Mapping[str, str] = field(default_factory=dict)
    golden: Golden | None = None
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.form not in get_args(Form):
            raise ValueError(f"form {self.form!r} is none of {', '.join(get_args(Form))}")
        fixed = type(self.hops) is int and self.hops > 0
        if not (fixed or self.hops == "hops" if self.streaming else self.hops == "frames"):
            raise ValueError(f"hops {self.hops!r} with streaming {self.streaming}")
        if type(self.latency) is not int or self.latency < 0:
            raise ValueError(f"latency {self.latency!r}")
        if not len(self.inputs) == len(self.outputs) == 1:
            raise ValueError(f"{len(self.inputs)} inputs and {len(self.outputs)} outputs, besides the states")

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str, where: str) -> Manifest:
        """Parse a manifest; ``where`` names its artifact in errors.

        Raises:
            ArtifactError: not JSON, a field missing or unknown, or a newer version than this package's.
        """
        try:
            data = json.loads(text)
            if data["version"] != VERSION:
                raise ArtifactError(
                    f"{where}: its manifest has version {data['version']}, this package reads version "
                    f"{VERSION}; use the speechzoo that made it, or export it again"
                )
            golden = data.pop("golden")
            return cls(
                **{
                    **data,
                    "front_end": FrontEnd(**data["front_end"]),
                    "tolerance": Tolerance(**data["tolerance"]),
                    "inputs": _tensors(data["inputs"]),
                    "outputs": _tensors(data["outputs"]),
                    "states": _tensors(data["states"]),
                    "golden": None if golden is None else Golden(**golden),
                }
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ArtifactError(
                f"{where}: its manifest cannot be read ({type(error).__name__}: {error}); "
                f"export or download the artifact again"
            ) from error


def _tensors(items: list[dict[str, Any]]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(i["name"], tuple(i["shape"]), i["dtype"]) for i in items)
