"""Which of a repository's engines runs on this machine: an engine is compiled for one kind of GPU."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zoo.errors import ArtifactError, MissingExtraError

PRECISIONS = ("fp32", "fp16", "bf16")


@dataclass(frozen=True)
class EngineRecord:
    """What an engine was built for.

    Attributes:
        gpu: name of the GPU.
        compute_capability: of that GPU, as "8.9".
        tensorrt: version that built it, as "10.15.1".
        precision: ``fp32``, ``fp16`` or ``bf16``.
        profile: least, best and largest size of every free axis, as {"streams": (1, 8, 32)}.
    """

    gpu: str
    compute_capability: str
    tensorrt: str
    precision: str
    profile: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision {self.precision!r} is none of {', '.join(PRECISIONS)}")
        for axis, sizes in self.profile.items():
            if len(sizes) != 3 or list(sizes) != sorted(sizes) or any(type(n) is not int for n in sizes):
                raise ValueError(f"profile {axis!r}: {sizes!r} is not least, best and largest size")

    @classmethod
    def from_fields(cls, data: Mapping[str, Any]) -> EngineRecord:
        """A record from JSON's fields."""
        return cls(**{**data, "profile": {axis: tuple(sizes) for axis, sizes in data["profile"].items()}})

    @property
    def target(self) -> str:
        """Name of the folder for engines of this kind: sm89-trt10.15-fp16."""
        version = ".".join(self.tensorrt.split(".")[:2])
        return f"sm{self.compute_capability.replace('.', '')}-trt{version}-{self.precision}"


@dataclass(frozen=True)
class Machine:
    """What runs engines here.

    Attributes:
        gpu: name of the GPU.
        compute_capability: of that GPU, as "8.9".
        tensorrt: version that is installed, as "10.15.1.29".
    """

    gpu: str
    compute_capability: str
    tensorrt: str


def choose(
    records: Sequence[EngineRecord], machine: Machine, precision: str, sizes: Mapping[str, int] | None = None
) -> tuple[EngineRecord | None, str]:
    """The engine for a machine, if there is one, and why it is that or none.

    Compute capability and TensorRT's first three numbers must be the machine's, the precision the one that
    is asked for, and every free axis must take the size that is asked for, 1 where none is. Among several
    that will do, the one built on a GPU of this name comes first, and then the one whose best sizes are
    nearest.

    Args:
        records: of the engines that there are.
        machine: to run on.
        precision: wanted.
        sizes: wanted of free axes, as {"streams": 8}.
    """
    sizes = sizes or {}
    if not records:
        return None, "the repository has no engine for this graph"
    fitting = []
    reasons = []
    for record in records:
        wrong = _mismatch(record, machine, precision, sizes)
        if wrong:
            reasons.append(f"{record.target} {wrong}")
        else:
            fitting.append(record)
    if not fitting:
        return None, "no engine fits: " + "; ".join(dict.fromkeys(reasons))

    def distance(record: EngineRecord) -> tuple[bool, int]:
        return record.gpu != machine.gpu, sum(
            abs(best - sizes.get(axis, 1)) for axis, (_, best, _) in record.profile.items()
        )

    best = min(fitting, key=distance)
    other = "" if best.gpu == machine.gpu else f", built on another GPU of its kind ({best.gpu})"
    return best, f"{best.target} is for this machine ({machine.gpu}, TensorRT {machine.tensorrt}){other}"


def _mismatch(record: EngineRecord, machine: Machine, precision: str, sizes: Mapping[str, int]) -> str:
    """Why an engine is not the one, or nothing."""
    if record.compute_capability != machine.compute_capability:
        return (
            f"is for compute capability {record.compute_capability}, the {machine.gpu} here has "
            f"{machine.compute_capability}"
        )
    if _three(record.tensorrt) != _three(machine.tensorrt):
        return f"was built by TensorRT {record.tensorrt}, here is {machine.tensorrt}"
    if record.precision != precision:
        return f"is in {record.precision}, wanted is {precision}"
    for axis in sizes.keys() - record.profile.keys():
        if sizes[axis] != 1:
            return f"has no free axis {axis}, wanted is one of {sizes[axis]}"
    for axis, (least, _, most) in record.profile.items():
        if not least <= sizes.get(axis, 1) <= most:
            return f"takes {least} to {most} {axis}, wanted are {sizes.get(axis, 1)}"
    return ""


def _three(version: str) -> list[str]:
    return version.split(".")[:3]


def this_machine() -> Machine:
    """What runs engines here.

    Raises:
        MissingExtraError: TensorRT is not installed.
        ArtifactError: there is no NVIDIA GPU.
    """
    try:
        import tensorrt
    except ImportError as error:
        raise MissingExtraError(
            'engines need TensorRT: pip install "speechzoo[tensorrt]"; --format onnx runs without it'
        ) from error
    query = ["nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, check=True, timeout=30).stdout
        name, capability = (text.strip() for text in found.splitlines()[0].rsplit(",", 1))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        raise ArtifactError(
            f"engines need an NVIDIA GPU, and nvidia-smi tells of none ({error}); --format onnx runs without"
        ) from error
    return Machine(name, capability, str(tensorrt.__version__))
