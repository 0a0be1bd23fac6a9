"""What models are exported to: one module a target. Listing the targets imports none of them."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.extras import extra
from zoo.hub.index import GRAPHS
from zoo.runtime.artifact import ENGINES


@dataclass(frozen=True)
class TargetRecord:
    """What is known of a target without what it needs.

    Attributes:
        name: as ``converters.export`` takes it.
        endings: of its files' names, where they tell it.
        exporter: ``module:function`` that exports a network of any task to one such file: it takes the
            network, the path, ``progress``, its own options and those of the task's graphs.
        words: names of the options of ``speechzoo export`` that are its own.
        brought_by: the extra that it needs.
    """

    name: str
    endings: tuple[str, ...]
    exporter: str
    brought_by: str
    words: tuple[str, ...] = ()

    def export(self, model: Any, out: str | os.PathLike[str], **options: Any) -> Any:
        """Export; see ``converters.export``.

        Raises:
            MissingExtraError: what the target needs is not installed.
        """
        module, function = self.exporter.split(":")
        with extra(self.brought_by, f"converters.{function}"):
            exporter = getattr(importlib.import_module(module), function)
        return exporter(model, out, **options)


TARGETS: dict[str, TargetRecord] = {
    record.name: record
    for record in (
        TargetRecord("onnx", (".onnx",), "converters.targets.onnx:export_onnx", "onnx", ("opset",)),
        TargetRecord("torchscript", (".ts",), "converters.targets.torchscript:export_torchscript", "torch"),
        TargetRecord(
            "exported", (".pt2",), "converters.targets.program:export_program", "torch", ("compiled",)
        ),
        TargetRecord(
            "torch-tensorrt",
            (),
            "converters.targets.torch_tensorrt:compile_torch_tensorrt",
            "torch",
            ("fp16",),
        ),
        TargetRecord(
            "c",
            (".c",),
            "converters.targets.c:export_c",
            "onnx",
            ("symbol", "report", "weights_file", "streams"),
        ),
        TargetRecord("ladspa", (), "converters.targets.ladspa:export_ladspa", "onnx", ("march",)),
        TargetRecord(
            "engine",
            ENGINES,
            "converters.tensorrt.engine:export_engine",
            "onnx",
            ("opset", "fp16", "int8", "rtx", "profile"),
        ),
    )
}

# Besides ONNX, which all have: what a repository can hold, made with its graphs.
PUBLISHED = tuple(name for name in TARGETS if name in GRAPHS and name != "onnx")


def get_target(name: str) -> TargetRecord:
    """The record of a target.

    Raises:
        ValueError: there is no such target.
    """
    if name not in TARGETS:
        raise ValueError(f"there is no target {name!r}; there are {', '.join(TARGETS)}")
    return TARGETS[name]


def target_for(path: str | os.PathLike[str]) -> TargetRecord | None:
    """The target whose files end as a path does; None if no target's do."""
    return next((record for record in TARGETS.values() if Path(path).suffix in record.endings), None)
