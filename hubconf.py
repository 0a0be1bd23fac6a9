"""torch.hub entry points: one for every registered model; ``enhancer``, ``embedder`` and ``synthesizer``.

    model = torch.hub.load("path/to/this/folder", "gtcrn", source="local", weights="path/to/checkpoint.tar")

What the names mean, and what ``weights`` may be, is the zoo's own: see ``zoo.create_model``. So is where they
are kept: ``TORCH_HOME`` and ``torch.hub.set_dir`` say where clones lie, and ``SPEECHZOO_CACHE`` where weights
do, for the command line and installations without PyTorch use the same.
"""

import importlib as _importlib
from collections.abc import Callable as _Callable
from typing import Any as _Any

# torch.hub lists every public callable of this file as an entry point, so nothing else here is public.
import zoo as _zoo
from zoo.hub.weights import chosen_weights as _chosen

dependencies = [
    "anyascii", "filelock", "httpx2", "huggingface_hub", "numpy", "onnxruntime", "platformdirs",
    "safetensors", "soundfile", "torch", "tqdm", "yaml",
]  # fmt: skip


def _import_all() -> None:
    """Import what a loaded model needs later: torch.hub takes this folder off sys.path after the call."""
    for name in ("artifact", "runtime", "streaming", "tasks"):
        _importlib.import_module(f"zoo.{name}")
    for task, name in (("enhancement", "enhancer"), ("speaker", "embedder"), ("synthesis", "synthesizer")):
        _importlib.import_module(f"zoo.tasks.{task}.{name}")
    _importlib.import_module("converters")


def _entry_point(name: str) -> _Callable[..., _Any]:
    spec = _zoo.get_spec(name)

    def entry_point(*weights: str | None, **options: _Any) -> _Any:
        _import_all()
        return _zoo.create_model(name, *weights, **options)

    tags = ", ".join(w.tag for w in spec.weights) or "none yet"
    entry_point.__name__ = entry_point.__qualname__ = name
    entry_point.__doc__ = f"""{spec.title} for {spec.task} at {spec.front_end.sample_rate} Hz, in eval mode.

    {spec.paper}
    {spec.url}

    Args:
        weights: a known tag ({tags}), "default" for the first, or the path of a checkpoint; untrained if
            not given, with a warning unless it is None.
        pretrained: the same as weights="default".
    """
    return entry_point


globals().update({name: _entry_point(name) for name in _zoo.list_models()})


def enhancer(
    name: str = "fastenhancer_t", weights: str | None = None, pretrained: bool = False, **options: _Any
) -> _Any:
    """A model ready for waveforms: call it on one, or open a ``stream``; see ``zoo.Enhancer``.

    Args:
        name: a registered model.
        weights: a known tag, or the path of a checkpoint; by default those that come with the package, or
            else those that the model recommends.
        pretrained: the same as weights="default".
    """
    _import_all()
    return _zoo.Enhancer(name, weights=_chosen(weights, pretrained), **options)


def embedder(name: str, weights: str | None = None, pretrained: bool = False, **options: _Any) -> _Any:
    """A model ready for recordings of speakers; see ``zoo.Embedder``.

    Args:
        name: a registered model.
        weights: a known tag, or the path of a training folder or checkpoint; by default those that the
            model recommends.
        pretrained: the same as weights="default".
    """
    _import_all()
    return _zoo.Embedder(name, weights=_chosen(weights, pretrained), **options)


def synthesizer(
    name: str = "fastspeech_small", weights: str | None = None, pretrained: bool = False, **options: _Any
) -> _Any:
    """A model ready for text; see ``zoo.Synthesizer``.

    Args:
        name: a registered model.
        weights: a known tag, or the path of a checkpoint; by default those that come with the package, or
            else those that the model recommends.
        pretrained: the same as weights="default".
    """
    _import_all()
    return _zoo.Synthesizer(name, weights=_chosen(weights, pretrained), **options)
