"""What decides a step's size: parameter groups and the learning rate's course."""

from __future__ import annotations

import math
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

_NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.PReLU)


def parameter_groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Trained parameters, those of norms, biases, activations and magnitudes without weight decay."""
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad:
                continue
            plain = isinstance(module, _NORMS) or name.startswith("bias") or name in ("original0", "scale")
            (kept if plain or parameter.ndim < 2 else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": decay}, {"params": kept, "weight_decay": 0.0}]


def learning_rate(step: int, steps: int, *, peak: float, warm_up: int, last: float = 0.005) -> float:
    """A linear rise over the first steps, then half a cosine.

    Args:
        step: number of the step, from 0.
        steps: of the whole run.
        peak: highest rate.
        warm_up: steps of the rise.
        last: part of the peak that is left at the end.
    """
    if step < warm_up:
        return peak * (step + 1) / warm_up
    done = (step - warm_up) / max(1, steps - 1 - warm_up)
    return peak * (last + (1 - last) * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))
