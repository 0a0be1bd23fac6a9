"""Finds the parameters in what people's training leaves: wrappers around them, words before their names, and
values beside them that are none. What is done to a file is told."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from zoo.errors import CheckpointError

Params = dict[str, Tensor]

CONTAINERS = ("model", "state_dict", "model_state_dict", "generator")  # that nobody is surprised by
_OTHER_CONTAINERS = (
    *("net", "network", "module", "params", "params_ema", "ema", "ema_state_dict", "model_ema", "weights"),
    *("checkpoint", "state", "model_state"),
)
_DEEPEST = 5  # containers inside each other
PARALLEL = "module."  # before every name, of data parallel training
COMPILED = "_orig_mod."  # before or inside names, of torch.compile
_PREFIXES = ("model.", "net.", "network.", "generator.", "ema.", "ema_model.", "online_model.", "params.")
_TRAINING = ("criterion", "discriminator", "loss", "metric")  # what a trainer keeps beside the network
COUNTER = ".num_batches_tracked"  # of a batch norm, which only training reads


class _Unread:
    """The place of a NumPy value in a checkpoint: nothing of NumPy is run to make it."""

    def __init__(self, *values: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


_NUMPY = tuple(
    (_Unread, name)
    for name in (
        *(f"numpy.{core}.multiarray.{of}" for core in ("core", "_core") for of in ("scalar", "_reconstruct")),
        *("numpy.dtype", "numpy.ndarray", "numpy.bool_", "numpy.float32", "numpy.float64", "numpy.int64"),
    )
)


@contextmanager
def without_numpy() -> Iterator[None]:
    """Let ``torch.load`` pass over NumPy's numbers, which it would refuse, in place of making them."""
    with torch.serialization.safe_globals(list(_NUMPY)):
        yield


def find_parameters(content: Any, where: str) -> Params:
    """The parameters in what a checkpoint holds, by name.

    Args:
        content: a state dict, or dicts around one under the usual names; values beside tensors are left out.
        where: the file, for errors and warnings.

    Raises:
        CheckpointError: there are none.

    Warns:
        UserWarning: something else than a state dict, or one under a usual name, was taken or left out.
    """
    found, path, others = content, [], []
    for _ in range(_DEEPEST):
        inner = [key for key in CONTAINERS + _OTHER_CONTAINERS if isinstance(_get(found, key), dict)]
        if not inner:
            break
        path.append(inner[0])
        others += inner[1:]
        found = found[inner[0]]
    params = _tensors(found)
    if not params:
        kind = type(found).__name__
        if isinstance(found, dict):
            kind = f"keys {', '.join(printable(key) for key in list(found)[:5])}"
        raise CheckpointError(
            f"{where}: expected a state dict, or a dict with one under {' or '.join(CONTAINERS)}; "
            f"found {kind}"
        )
    told = []
    if len(path) > 1 or path[:1] not in ([], *([name] for name in CONTAINERS)) or others:
        beside = f", not of {', '.join(others)}" if others else ""
        told.append(f"the parameters are those of {'/'.join(path)}{beside}")
    left = [printable(name) for name in found if str(name) not in params]
    if left:
        told.append(f"{', '.join(left[:5])} {'is no parameter' if len(left) == 1 else 'are no parameters'}")
    tell(where, told)
    return params


def strip_names(params: Params) -> tuple[Params, list[str]]:
    """The parameters without the words that training tools put before all names, and what was done.

    Returns:
        parameters by the names that they have in the network, and sentences without a full stop; what data
        parallel training does is not among these.
    """
    told = []
    if any(COMPILED in name for name in params):
        params = {name.replace(COMPILED, ""): value for name, value in params.items()}
        told.append(f"names are read without {COMPILED}")
    while prefix := _common(params):
        kept = {name.removeprefix(prefix): value for name, value in params.items() if name.startswith(prefix)}
        if prefix != PARALLEL:
            told.append(f"names are read without {prefix}")
        if len(kept) < len(params):
            left = sorted({name.partition(".")[0] for name in params if not name.startswith(prefix)})
            told.append(f"{', '.join(map(printable, left))} is of training and left out")
        params = kept
    return params, told


def tell(where: str, told: list[str]) -> None:
    """Warn of what was done to a file's content, if anything was."""
    if told:
        warnings.warn(f"{where}: {'; '.join(told)}", stacklevel=2)


def printable(value: object) -> str:
    """A name out of a file as it can be shown on a terminal: without control characters, and short."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value)[:200])


def _common(params: Params) -> str:
    """A training tool's word before all names but those that only training reads; empty if there is none."""
    for prefix in (PARALLEL, *_PREFIXES):
        others = [name for name in params if not name.startswith(prefix)]
        if len(others) < len(params) and all(name.startswith(_TRAINING) for name in others):
            return prefix
    return ""


def _get(content: Any, key: str) -> Any:
    return content.get(key) if isinstance(content, Mapping) else None


def _tensors(content: Any) -> Params:
    if not isinstance(content, dict):
        return {}
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
