"""Reads the configuration files of the public implementation's engines (``trt.yaml`` and its children)."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.artifact.engine import Precision, find_engine_record
from zoo.errors import ArtifactError, CheckpointError
from zoo.extras import extra
from zoo.tasks.synthesis.graph import engine_manifest

_MOST_GIGABYTES = 1024.0
_ALIKE = 0.85  # of two names, from where on one is taken for the other mistyped
_NAMES = (
    "parent_yaml", "batch_size", "use_trt", "use_fp16", "trt_file_path", "trt_file_path_list",
    "trt_max_input_seq_len", "trt_max_input_seq_len_list", "trt_max_output_seq_len",
    "trt_max_output_seq_len_list", "trt_max_ws_size", "trt_multi_engine", "trt_force_build",
    "waveglow_engine_path",
)  # fmt: skip
_PUBLIC = ("waveglow_path", "n_gpus", "use_amp")  # names of the public files that are near ours
_SIZES = ("trt_max_input_seq_len", "trt_max_output_seq_len")


@dataclass(frozen=True)
class EngineConfig:
    """What such a file asks for.

    Attributes:
        source: the file that was read.
        buckets: tokens and frames of each engine, ascending.
        paths: its file, for each.
        use_engines: run engines; else the graphs beside them.
        batch: texts of a call.
        half: FP16 engines; the duration path stays in FP32 all the same.
        force_build: build even where the files are there.
        workspace: GiB that the builder may use.
        vocoder: path of the vocoder's engine, or empty.
    """

    source: Path
    buckets: tuple[tuple[int, int], ...]
    paths: tuple[Path, ...]
    use_engines: bool = True
    batch: int = 1
    half: bool = False
    force_build: bool = False
    workspace: float = 8.0
    vocoder: str = ""

    @property
    def graphs(self) -> tuple[Path, ...]:
        """The ONNX files beside the engines, which ``speechzoo export`` writes."""
        return tuple(path.with_suffix(".onnx") for path in self.paths)

    @property
    def precision(self) -> Precision:
        return "fp16" if self.half else "fp32"

    def files(self) -> tuple[Path, ...]:
        """What there is to run: the engines if one of them is there, else the graphs beside them.

        Raises:
            ArtifactError: some are missing, or an engine has no record, or is of another size, batch or
                precision.
        """
        there = [path for path in self.paths if path.is_file()]
        if not (self.use_engines and there):
            missing = [path for path in self.graphs if not path.is_file()]
            if missing:
                raise ArtifactError(
                    f"{self.source}: {missing[0]} is not there, and no engines are; write the graphs with "
                    f"speechzoo export --config, engines with speechzoo build --config"
                )
            return self.graphs
        if len(there) < len(self.paths):
            missing = [path for path in self.paths if path not in there]
            raise ArtifactError(
                f"{self.source}: {missing[0]} is not there, and {there[0]} is; build it with "
                f"speechzoo build --config {self.source}, or set use_trt to False to run the graphs"
            )
        for path, (tokens, frames) in zip(self.paths, self.buckets, strict=True):
            record = find_engine_record(path)
            manifest = engine_manifest(path, record)
            found = (manifest.tokens, manifest.frames, manifest.batch, record.precision)
            asked = (tokens, frames, self.batch, self.precision)
            if found != asked:
                raise ArtifactError(
                    f"{path}: it is an engine of {_written(*found)}, and {self.source} asks for "
                    f"{_written(*asked)}; build it with speechzoo build --config {self.source} --force"
                )
        return self.paths


def read_engine_config(path: str | os.PathLike[str]) -> EngineConfig:
    """Read a configuration file and, where it names one in ``parent_yaml``, those that it adds to.

    Parents lie in the same folder. What the file itself says counts; lists replace lists.

    Raises:
        CheckpointError: a file is missing or no YAML, names itself among its parents, lacks a setting, or has
            a wrong one.
        MissingExtraError: pyyaml is not installed.
    """
    settings = _merged(Path(path), ())
    _check_names(settings, path)
    several = _setting(path, settings, "trt_multi_engine", False, _flag)
    names = [f"{name}_list" if several else name for name in (*_SIZES, "trt_file_path")]
    missing = [name for name in names if settings.get(name) in (None, "None", "", [])]
    if missing:
        raise CheckpointError(f"{path}: it and its parents do not set {', '.join(missing)}")
    tokens, frames, files = (settings[name] if several else [settings[name]] for name in names)
    try:
        if not len(tokens) == len(frames) == len(files):
            raise ValueError(f"{names} have {len(tokens)}, {len(frames)} and {len(files)} entries")
        engines = sorted(
            ((_positive(t), _positive(f)), Path(str(file)))
            for t, f, file in zip(tokens, frames, files, strict=True)
        )
        graphs = {file.with_suffix(".onnx") for _, file in engines}
        if not len(graphs) == len({size for size, _ in engines}) == len(engines):
            raise ValueError("two engines have one size or one name")
        return EngineConfig(
            source=Path(path),
            buckets=tuple(size for size, _ in engines),
            paths=tuple(file for _, file in engines),
            use_engines=_flag(settings.get("use_trt", True)),
            batch=_positive(settings.get("batch_size", 1)),
            half=_flag(settings.get("use_fp16", False)),
            force_build=_flag(settings.get("trt_force_build", False)),
            workspace=_gigabytes(settings.get("trt_max_ws_size", 8)),
            vocoder=str(settings.get("waveglow_engine_path") or ""),
        )
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: a setting is wrong: {error}") from error


def _setting(path: Any, settings: dict[str, Any], name: str, default: Any, read: Callable[[Any], Any]) -> Any:
    try:
        return read(settings.get(name, default))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: a setting is wrong: {name}: {error}") from error


def _check_names(settings: dict[str, Any], path: Any) -> None:
    """Refuse a name that is nearly one of ours: it was meant to be it, and would be ignored.

    Others are left alone, since the public files also hold what training and recordings need.

    Raises:
        CheckpointError: there is one.
    """
    for name in map(str, settings):
        if name in _NAMES or name in _PUBLIC:
            continue
        near = difflib.get_close_matches(name, _NAMES, n=1, cutoff=_ALIKE)
        if near or name.startswith("trt_"):
            meant = near or sorted(one for one in _NAMES if one.startswith("trt_"))
            raise CheckpointError(f"{path}: there is no setting {name!r}; {', '.join(meant)} is expected")


def _merged(path: Path, children: tuple[Path, ...]) -> dict[str, Any]:
    """The settings of a file over those of its parents."""
    with extra("torch", str(path), package="pyyaml"):
        import yaml
    chain = " <- ".join(map(str, (*children, path)))
    if path.resolve() in [child.resolve() for child in children]:
        raise CheckpointError(f"{path}: parent_yaml leads back to it: {chain}")
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file" + (f" ({chain})" if children else ""))
    try:
        own = yaml.safe_load(path.read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path}: not a YAML file ({error})") from error
    if not isinstance(own, dict):
        raise CheckpointError(f"{path}: expected a mapping of settings, got {type(own).__name__}")
    parent = own.pop("parent_yaml", None)
    return {**(_merged(path.parent / str(parent), (*children, path)) if parent else {}), **own}


def _written(tokens: int, frames: int, batch: int | str, precision: str) -> str:
    return f"{tokens} tokens to {frames} frames, batch {batch}, {precision}"


def _positive(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"{value!r} where a whole number from 1 is expected")
    return value


def _gigabytes(value: Any) -> float:
    if isinstance(value, bool) or not 0 < float(value) <= _MOST_GIGABYTES:
        raise ValueError(f"trt_max_ws_size {value!r}: expected GiB, above 0 to {_MOST_GIGABYTES:g}")
    return float(value)


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError(f"{value!r} where True or False is expected")
    return value
