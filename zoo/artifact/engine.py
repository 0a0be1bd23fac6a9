"""The record that lies beside an engine: what it was made from, how, and where it may run.

TensorRT's engines say little of themselves and run, or fail, or are wrong elsewhere; so ``<engine>.json``
holds all that decides, and an engine whose record does not fit is not loaded.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from zoo.artifact.manifest import Manifest
from zoo.artifact.target import VERSION_COMPATIBLE, EngineTarget, Machine, check_profiles
from zoo.errors import ArtifactError
from zoo.files import sha256_of
from zoo.limits import check_fields, parse_json
from zoo.spec import Tolerance

VERSION = 1
Flavour = Literal["tensorrt", "tensorrt_rtx"]
Precision = Literal["fp32", "fp16", "int8"]
Plugins = Literal["aot", "jit"]  # compiled ahead of time, into the engine, or called just in time
Shapes = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]  # least, best, most

PLUGIN_FLAGS: dict[Plugins, str] = {"aot": "aot_plugins", "jit": "jit_plugins"}
TITLES: dict[str, str] = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT for RTX"}
# An engine may differ from the training form by this much; TF32 is off.
TOLERANCES: dict[str, Tolerance] = {
    "fp32": Tolerance(100.0, 3e-5),
    "fp16": Tolerance(40.0, 3e-2),
    "int8": Tolerance(40.0, 3e-2),
}


_FOLLOWING = ("golden", "inputs", "outputs")  # of a manifest: they follow from its other fields


@dataclass(frozen=True)
class Gpu:
    """A GPU.

    Attributes:
        name: as its driver gives it.
        capability: compute capability, "8.9".
    """

    name: str
    capability: str


@dataclass(frozen=True, kw_only=True)
class EngineRecord:
    """All that decides what an engine computes and where.

    Attributes:
        flavour: ``tensorrt`` or ``tensorrt_rtx``.
        library: version of that library.
        onnx_sha256: of the graph that it was built from, before any change of precision.
        engine_sha256: of the engine; empty in a key.
        precision: ``fp32``, ``fp16`` or ``int8``.
        kept: what of a reduced graph stays in 32 bits.
        profiles: least, best and most shape of every input with a free dimension.
        flags: builder flags that were set, ``no_tf32``, and one of ``PLUGIN_FLAGS`` if it holds plugins; it
            loads only where ``jit_plugins`` are known to the library.
        workspace: bytes that a layer may take while the engine runs; 0: the library's own limit.
        targets: compute capabilities that it was built for ahead of time, or none for the GPU at hand.
        gpu: the one that it was built on; None where none was needed.
        system: operating system and processor; empty where it does not matter.
        manifest: the graph's own, if it has one of ours.
        speechzoo: version of this package.
    """

    flavour: Flavour
    library: str
    onnx_sha256: str
    precision: Precision
    profiles: Mapping[str, Shapes]
    flags: tuple[str, ...]
    workspace: int
    targets: tuple[str, ...]
    gpu: Gpu | None
    system: str
    kept: tuple[str, ...] = ()
    manifest: Mapping[str, Any] | None = None
    speechzoo: str = ""
    engine_sha256: str = ""
    version: int = VERSION

    def __post_init__(self) -> None:
        for name, known in (("flavour", Flavour), ("precision", Precision)):
            if getattr(self, name) not in get_args(known):
                raise ValueError(f"{name} {getattr(self, name)!r} is none of {', '.join(get_args(known))}")

    @property
    def title(self) -> str:
        return f"{TITLES[self.flavour]} {self.library}"

    @property
    def tolerance(self) -> Tolerance:
        return TOLERANCES[self.precision]

    def key(self) -> str:
        """What two engines share only if they are interchangeable: 64 hex digits."""
        same = dataclasses.asdict(dataclasses.replace(self, engine_sha256="", manifest=None, kept=()))
        return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()

    def differences(self, wanted: EngineRecord) -> str:
        """What makes another key than that of ``wanted``, in words; empty if nothing does."""
        told = []
        for field in dataclasses.fields(self):
            found, other = getattr(self, field.name), getattr(wanted, field.name)
            if field.name in ("engine_sha256", "manifest", "kept") or found == other:
                continue
            if field.name == "onnx_sha256":
                ours, theirs = self.manifest or {}, wanted.manifest or {}
                names = [n for n in ours if n in theirs and n not in _FOLLOWING and ours[n] != theirs[n]]
                told.append(f"another graph{', with other ' + ', '.join(names) if names else ''}")
            else:
                told.append(f"{field.name} {found or 'none'}, not {other or 'none'}")
        return "; ".join(told)

    def model_manifest(self, where: str) -> Manifest:
        """The graph's manifest.

        Raises:
            ArtifactError: it had none.
        """
        if self.manifest is None:
            raise ArtifactError(
                f"{where}: it was built from a graph without a speechzoo manifest, so its sample rate and "
                f"window are unknown; build it from a graph that speechzoo exported"
            )
        return Manifest.from_json(json.dumps(self.manifest), where)

    @property
    def target(self) -> EngineTarget:
        """Where it runs.

        Raises:
            ValueError: that is not known.
        """
        gpu = self.gpu if not self.targets else None
        return EngineTarget(
            gpu.name if gpu else "",
            self.targets or ((gpu.capability,) if gpu else ()),
            self.library,
            self.precision,
            self.profiles,
            tuple(flag for flag in self.flags if flag == VERSION_COMPATIBLE),
            self.system,
        )

    def refusal(self, library: str, gpu: Gpu | None) -> str:
        """Why it may not run here; empty if it may.

        Args:
            library: version of the library that is installed.
            gpu: the card at hand.
        """
        if gpu is None:
            return "there is no NVIDIA GPU, or no driver for it"
        if self.gpu is None and not self.targets:
            return f"it was built on an unknown card, this is {gpu.name} ({gpu.capability})"
        mismatch = self.target.mismatch(Machine(gpu.name, gpu.capability, library))
        if mismatch is None:
            return ""
        if mismatch.what in ("gpu", "capability") and self.gpu and not self.targets:
            built = f"{self.gpu.name} ({self.gpu.capability})"
            return f"it was built on {built}, this is {gpu.name} ({gpu.capability})"
        return {
            "system": f"it was built for {mismatch.built}, this is {mismatch.here}",
            "capability": f"it was built for compute capability {mismatch.built}, this {gpu.name} has "
            f"{mismatch.here}",
            "library": f"it was built with {self.title}, installed is {mismatch.here}",
        }[mismatch.what]

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> EngineRecord:
        """Parse a record; ``where`` names its file in errors.

        Raises:
            ArtifactError: not JSON, a field missing or unknown, or of another version.
        """
        try:
            data = parse_json(text)
            if data["version"] != VERSION:
                raise ArtifactError(
                    f"{where}: its version is {data['version']}, this package reads {VERSION}; build the "
                    f"engine again"
                )
            profiles = {
                name: tuple(tuple(int(n) for n in shape) for shape in shapes)
                for name, shapes in data["profiles"].items()
            }
            tuples = {name: tuple(data[name]) for name in ("flags", "targets", "kept")}
            check_profiles(profiles)
            gpu = None if data["gpu"] is None else Gpu(**data["gpu"])
            record = cls(**{**data, **tuples, "profiles": profiles, "gpu": gpu})
            check_fields(record)
            return record
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise ArtifactError(
                f"{where}: it cannot be read ({type(error).__name__}: {error}); build the engine again"
            ) from error


def record_path(engine: Path) -> Path:
    """Where the record of an engine lies."""
    return engine.with_name(f"{engine.name}.json")


def find_engine_record(engine: Path) -> EngineRecord:
    """The record beside an engine, of which nothing but its name has been read.

    Raises:
        ArtifactError: no engine, or no record that can be read.
    """
    if not engine.is_file():
        raise ArtifactError(f"{engine}: there is no such file; expected an engine")
    path = record_path(engine)
    if not path.is_file():
        raise ArtifactError(
            f"{engine}: there is no {path.name} beside it, so what it is and where it may run is unknown; "
            f"build it with speechzoo, or record one of trtexec's with speechzoo build --record"
        )
    return EngineRecord.from_json(path.read_text(), str(path))


def read_engine_record(engine: Path) -> EngineRecord:
    """The record beside an engine, once it is known to be of that very file.

    Raises:
        ArtifactError: no engine, no record, or one of another file.
    """
    record = find_engine_record(engine)
    if sha256_of(engine) != record.engine_sha256:
        raise ArtifactError(
            f"{engine}: it is damaged, or not the engine that {record_path(engine).name} is about; build or "
            f"download both again"
        )
    return record
