"""speechzoo: deployable speech models, each with its streaming form, its graphs and their proof.

``list_models``, ``get_spec``, ``Enhancer``, ``StreamBatcher``, ``Embedder`` and ``Synthesizer`` on finished
artifacts, ``pull`` and ``verify`` work without torch; ``create_model`` and ``to_streaming`` need the extra
``[torch]``.

Public are these names, the modules ``errors``, ``spec``, ``tags``, ``tasks``, ``runtime``, ``signal`` and
``triton``, and for those who write networks ``networks``, ``layers`` and ``streaming``. All others are
inside: they may change with any version.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

from zoo.version import __version__ as __version__

if TYPE_CHECKING:
    from zoo import errors as errors
    from zoo import layers as layers
    from zoo import networks as networks
    from zoo import runtime as runtime
    from zoo import signal as signal
    from zoo import spec as spec
    from zoo import streaming as streaming
    from zoo import tags as tags
    from zoo import tasks as tasks
    from zoo import triton as triton
    from zoo.create import create_model
    from zoo.download import pull
    from zoo.registry import get_spec, list_models
    from zoo.streaming.conversion import to_streaming
    from zoo.tasks import verify
    from zoo.tasks.enhancement.batcher import StreamBatcher
    from zoo.tasks.enhancement.enhancer import Enhancer
    from zoo.tasks.speaker.embedder import Embedder
    from zoo.tasks.synthesis.synthesizer import Synthesizer

# ONNX Runtime reads it when it is loaded, in this process and those that it starts.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = [
    "Embedder",
    "Enhancer",
    "StreamBatcher",
    "Synthesizer",
    "create_model",
    "get_spec",
    "list_models",
    "pull",
    "to_streaming",
    "verify",
]

_HOME = {
    "Embedder": "zoo.tasks.speaker.embedder",
    "Enhancer": "zoo.tasks.enhancement.enhancer",
    "StreamBatcher": "zoo.tasks.enhancement.batcher",
    "Synthesizer": "zoo.tasks.synthesis.synthesizer",
    "create_model": "zoo.create",
    "get_spec": "zoo.registry",
    "list_models": "zoo.registry",
    "pull": "zoo.download",
    "to_streaming": "zoo.streaming.conversion",
    "verify": "zoo.tasks",
}


_MODULES = (
    "errors", "layers", "networks", "runtime", "signal", "spec", "streaming", "tags", "tasks", "triton",
)  # fmt: skip


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return importlib.import_module(f"zoo.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    from zoo.extras import extra

    with extra("torch", f"zoo.{name}"):
        return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(["__version__", *__all__, *_MODULES])
