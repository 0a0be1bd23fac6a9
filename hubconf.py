"""torch.hub entry points: one for every registered model; ``enhancer``, ``embedder`` and ``synthesizer``.

    model = torch.hub.load("path/to/this/folder", "gtcrn", source="local", weights="path/to/checkpoint.tar")

What the names mean, and what ``weights`` may be, is the zoo's own: see ``zoo.create_model``. So is where they
are kept: ``TORCH_HOME`` and ``torch.hub.set_dir`` say where clones lie, and ``SPEECHZOO_CACHE`` where weights
do, for the command line and installations without PyTorch use the same.
"""

import importlib as _importlib
import os as _os
import warnings as _warnings
from collections.abc import Callable as _Callable
from typing import Any as _Any

# torch.hub lists every public callable of this file as an entry point, so nothing else here is public.
import zoo as _zoo

dependencies = ["numpy", "torch"]  # of every network; what needs more of these says so
_more = [
    "anyascii", "filelock", "httpx2", "huggingface_hub", "onnxruntime", "platformdirs", "safetensors",
    "soundfile", "tqdm", "yaml",
]  # fmt: skip


def _check_origin(module: _Any) -> None:
    """Tell of code that is not this folder's: a process has one package of each name, the first.

    Raises:
        ImportError: what is called zoo is none of this project's.
    """
    here, found = (_os.path.realpath(path) for path in (_os.path.dirname(__file__), module.__file__ or ""))
    if _os.path.dirname(_os.path.dirname(found)) == here:
        return
    told = f"{module.__name__} was imported from {found} before, and not from {here}"
    if not hasattr(_zoo, "create_model"):
        raise ImportError(f"{told}: that other package keeps this one from being loaded; use another process")
    _warnings.warn(f"{told}: what runs is the first; use another process for the other", stacklevel=3)


_check_origin(_zoo)
_errors = _importlib.import_module("zoo.errors")
_chosen = _importlib.import_module("zoo.hub.weights").chosen_weights


def _import_all() -> None:
    """Import what a loaded model needs later: torch.hub takes this folder off sys.path after the call.

    What lacks a package is left out, and says which when it is used.
    """
    names = [f"zoo.{name}" for name in ("artifact", "runtime", "streaming", "tasks")]
    for task, name in (("enhancement", "enhancer"), ("speaker", "embedder"), ("synthesis", "synthesizer")):
        names.append(f"zoo.tasks.{task}.{name}")
    for name in (*names, "converters"):
        try:
            module = _importlib.import_module(name)
        except ImportError:
            continue
        if "." not in name:
            _check_origin(module)


def _told(action: _Callable[[], _Any]) -> _Any:
    """The result of an action; what is wrong is told in a sentence, without the errors behind it.

    Raises:
        SpeechZooError: as the action does.
        ImportError: it takes a package that is not installed.
    """
    try:
        return action()
    except ModuleNotFoundError as error:
        if error.name not in _more:
            raise
        raise ImportError(
            f"this takes the package {error.name}; all that may be needed are {_more}"
        ) from None
    except _errors.SpeechZooError as error:
        raise error.with_traceback(None) from None


def _entry_point(name: str) -> _Callable[..., _Any]:
    spec = _zoo.get_spec(name)

    def entry_point(*weights: str | None, **options: _Any) -> _Any:
        _import_all()
        return _told(lambda: _zoo.create_model(name, *weights, **options))

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
    name: str = "ulunas", weights: str | None = None, pretrained: bool = False, **options: _Any
) -> _Any:
    """A model ready for waveforms: call it on one, or open a ``stream``; see ``zoo.Enhancer``.

    Args:
        name: a registered model.
        weights: a known tag, or the path of a checkpoint; by default those that come with the package, or
            else those that the model recommends.
        pretrained: the same as weights="default".
    """
    _import_all()
    return _told(lambda: _zoo.Enhancer(name, weights=_chosen(weights, pretrained), **options))


def embedder(name: str, weights: str | None = None, pretrained: bool = False, **options: _Any) -> _Any:
    """A model ready for recordings of speakers; see ``zoo.Embedder``.

    Args:
        name: a registered model.
        weights: a known tag, or the path of a training folder or checkpoint; by default those that the
            model recommends.
        pretrained: the same as weights="default".
    """
    _import_all()
    return _told(lambda: _zoo.Embedder(name, weights=_chosen(weights, pretrained), **options))


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
    return _told(lambda: _zoo.Synthesizer(name, weights=_chosen(weights, pretrained), **options))
