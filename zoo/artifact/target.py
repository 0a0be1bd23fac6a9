"""Which of a repository's engines runs on this machine: an engine is compiled for one kind of GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FLAVOURS = ("tensorrt", "tensorrt_rtx")
Shapes = Sequence[Sequence[int]]  # least, best, most


@dataclass(frozen=True)
class EngineTarget:
    """What an engine was built for.

    Attributes:
        gpu: name of the GPU that it was built on, and runs on; empty if it was built without one.
        compute_capabilities: that it runs on, as ("8.9",).
        library: version of TensorRT that built it, as "10.15.1.29".
        precision: ``fp32``, ``fp16``, ...
        profiles: least, best and most shape of every input with a free axis; axis 0 is the stream.
    """

    gpu: str
    compute_capabilities: Sequence[str]
    library: str
    precision: str
    profiles: Mapping[str, Shapes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.compute_capabilities or not self.library or not self.precision:
            raise ValueError("an engine needs compute capability, library and precision")
        for name, shapes in self.profiles.items():
            least, best, most = shapes
            if not all(1 <= a <= b <= c for a, b, c in zip(least, best, most, strict=True)):
                raise ValueError(f"profile of {name}: {shapes} does not grow from least to best to most")

    @classmethod
    def from_fields(cls, data: Mapping[str, Any]) -> EngineTarget:
        """A target from JSON's fields."""
        return cls(**{**data, "compute_capabilities": tuple(data["compute_capabilities"])})

    @property
    def folder(self) -> str:
        """For engines of this kind: sm89-10.15.1-fp16."""
        capabilities = "-".join(f"sm{c.replace('.', '')}" for c in self.compute_capabilities)
        return f"{capabilities}-{'.'.join(self.library.split('.')[:3])}-{self.precision}"

    def refusal(self, machine: Machine, precision: str, streams: int) -> str:
        """Why it is not the one for a machine and a purpose; empty if it is."""
        if machine.compute_capability not in self.compute_capabilities:
            built = ", ".join(self.compute_capabilities)
            return (
                f"is for compute capability {built}, the {machine.gpu} here has {machine.compute_capability}"
            )
        if self.gpu not in ("", machine.gpu):
            return f"was built on a {self.gpu}, here is a {machine.gpu}"
        if self.library != machine.library:
            return f"was built by version {self.library}, installed is {machine.library}"
        if self.precision != precision:
            return f"is in {self.precision}, wanted is {precision}"
        for least, _, most in self.profiles.values():
            if not least[0] <= streams <= most[0]:
                return f"takes {least[0]} to {most[0]} streams, wanted are {streams}"
        return ""


@dataclass(frozen=True)
class Machine:
    """What runs engines here.

    Attributes:
        gpu: name of the GPU.
        compute_capability: of that GPU, as "8.9".
        library: version of TensorRT that is installed, as "10.15.1.29".
    """

    gpu: str
    compute_capability: str
    library: str


def choose(
    targets: Sequence[EngineTarget], machine: Machine, precision: str, streams: int = 1
) -> tuple[EngineTarget | None, str]:
    """The engine for a machine, if there is one, and why it is that or none.

    Compute capability and TensorRT's version must be the machine's, so must the GPU's name unless the engine
    was built without one, the precision must be the one that is asked for, and the profile must hold so many
    streams. Of several the one comes first whose best number of streams is nearest.

    Args:
        targets: of the engines that there are.
        machine: to run on.
        precision: wanted.
        streams: wanted, of one call.
    """
    if not targets:
        return None, "the repository has no engine for this graph"
    refusals = {id(target): target.refusal(machine, precision, streams) for target in targets}
    fitting = [target for target in targets if not refusals[id(target)]]
    if not fitting:
        reasons = dict.fromkeys(f"{target.folder} {refusals[id(target)]}" for target in targets)
        return None, f"no engine fits: {'; '.join(reasons)}"

    def distance(target: EngineTarget) -> int:
        return sum(abs(best[0] - streams) for _, best, _ in target.profiles.values())

    best = min(fitting, key=distance)
    return best, f"{best.folder} is for this {machine.gpu} and version {machine.library}"
