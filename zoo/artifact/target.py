"""Where an engine runs, and for which calls: the one rule, for a file at hand and for a choice of several."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FLAVOURS = ("tensorrt", "tensorrt_rtx")
VERSION_COMPATIBLE = "version_compatible"  # flag of engines that later versions of the same major run too
Shapes = Sequence[Sequence[int]]  # least, best, most


@dataclass(frozen=True)
class Mismatch:
    """Why an engine does not run on a machine.

    Attributes:
        what: ``system``, ``library``, ``capability`` or ``gpu``.
        built: of which the engine is.
        here: of which the machine is.
    """

    what: str
    built: str
    here: str


@dataclass(frozen=True)
class EngineTarget:
    """What an engine was built for: part of its record, and what the index of a repository has of it.

    Attributes:
        gpu: name of the GPU that it was built on, and runs on; empty if it was built without one.
        compute_capabilities: that it runs on, as ("8.9",).
        library: version of TensorRT that built it, as "10.15.1.29".
        precision: ``fp32``, ``fp16``, ...
        profiles: least, best and most shape of every input with a free axis; axis 0 is the stream.
        flags: of its record, as far as they decide where it runs.
        system: operating system and processor; empty where it does not matter, or is not known.
    """

    gpu: str
    compute_capabilities: Sequence[str]
    library: str
    precision: str
    profiles: Mapping[str, Shapes] = field(default_factory=dict)
    flags: Sequence[str] = ()
    system: str = ""

    def __post_init__(self) -> None:
        if not self.compute_capabilities or not self.library or not self.precision:
            raise ValueError("an engine needs compute capability, library and precision")
        check_profiles(self.profiles)

    @classmethod
    def from_fields(cls, data: Mapping[str, Any]) -> EngineTarget:
        """A target from JSON's fields."""
        tuples = {name: tuple(data[name]) for name in ("compute_capabilities", "flags") if name in data}
        return cls(**{**data, **tuples})

    def to_fields(self) -> dict[str, Any]:
        """The fields for JSON, without those that say nothing."""
        fields = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return {name: value for name, value in fields.items() if value or name not in ("flags", "system")}

    @property
    def folder(self) -> str:
        """For engines of this kind: sm89-10.15.1-fp16."""
        capabilities = "-".join(f"sm{c.replace('.', '')}" for c in self.compute_capabilities)
        return f"{capabilities}-{'.'.join(self.library.split('.')[:3])}-{self.precision}"

    def mismatch(self, machine: Machine) -> Mismatch | None:
        """Why it does not run on a machine; None if it does.

        An engine that was built on a GPU runs on GPUs of that name; one that was built without runs on those
        of its compute capabilities, and of newer ones than all of them.
        """
        if self.system and self.system != system():
            return Mismatch("system", self.system, system())
        capability, newest = machine.compute_capability, max(map(numbers, self.compute_capabilities))
        newer = not self.gpu and numbers(capability) > newest
        if capability not in self.compute_capabilities and not newer:
            return Mismatch("capability", ", ".join(self.compute_capabilities), capability)
        if self.gpu not in ("", machine.gpu):
            return Mismatch("gpu", self.gpu, machine.gpu)
        compatible = VERSION_COMPATIBLE in self.flags and major(machine.library) == major(self.library)
        if machine.library != self.library and not compatible:
            return Mismatch("library", self.library, machine.library)
        return None

    def refusal(self, machine: Machine, precision: str, streams: int) -> str:
        """Why it is not the one for a machine and a purpose; empty if it is."""
        mismatch = self.mismatch(machine)
        if mismatch is not None:
            built, here = mismatch.built, mismatch.here
            return {
                "system": f"was built for {built}, this is {here}",
                "capability": f"is for compute capability {built}, the {machine.gpu} here has {here}",
                "gpu": f"was built on a {built}, here is a {here}",
                "library": f"was built by version {built}, installed is {here}",
            }[mismatch.what]
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

    It must run on the machine, see ``EngineTarget.mismatch``, the precision must be the one that is asked
    for, and the profile must hold so many streams. Of several the one comes first whose best number of
    streams is nearest.

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


def check_profiles(profiles: Mapping[str, Shapes]) -> None:
    """Refuse shapes that do not grow from least to best to most.

    Raises:
        ValueError: some do not.
    """
    for name, shapes in profiles.items():
        least, best, most = shapes
        if not all(1 <= a <= b <= c for a, b, c in zip(least, best, most, strict=True)):
            raise ValueError(f"profile of {name}: {shapes} does not grow from least to best to most")


def system() -> str:
    """This operating system and processor."""
    return f"{platform.system()} {platform.machine()}"


def numbers(version: str) -> tuple[int, ...]:
    """A version as numbers, to be compared."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def major(version: str) -> str:
    """The first number of a version."""
    return version.partition(".")[0]
