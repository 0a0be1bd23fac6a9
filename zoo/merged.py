"""Parameters of a training form from layers into which norms were merged, as graphs and ports have them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array

EPSILON = 1e-5  # of batch norms, as PyTorch has it by default


class TrainingForm:
    """Collects the parameters of the training form by name, in ``parameters``."""

    def __init__(self) -> None:
        self.parameters: dict[str, NDArray[Any]] = {}

    def plain(self, name: str, value: Array) -> None:
        """A parameter as it is."""
        self.parameters[name] = np.array(value, np.float32, order="C")  # writable, as PyTorch wants it

    def layer(self, name: str, norm: str, weight: Array, offset: Array, scale: Array | None = None) -> None:
        """A layer, and the batch norm behind it, whose statistics are those of a norm that does nothing.

        Args:
            name, norm: paths of both.
            weight: of the layer.
            offset: (out,) that the norm adds.
            scale: (out,) that it multiplies by; None where the weight has it already.
        """
        self.plain(f"{name}.weight", weight)
        ones = np.ones(len(offset), np.float32)
        self.plain(f"{norm}.weight", (ones if scale is None else scale) * np.sqrt(1 + EPSILON))
        self.plain(f"{norm}.bias", offset)
        self.statistics(norm, 0 * ones, ones)

    def statistics(self, norm: str, mean: Array, variance: Array) -> None:
        """Those of a batch norm, and that no batches are counted."""
        self.plain(f"{norm}.running_mean", mean)
        self.plain(f"{norm}.running_var", variance)
        self.parameters[f"{norm}.num_batches_tracked"] = np.zeros((), np.int64)

    def directed(self, name: str, weight: Array) -> None:
        """A matrix (out, in) under weight norm: its rows' lengths, and itself as direction."""
        module, _, own = name.rpartition(".")
        lengths = np.linalg.norm(weight.astype(np.float64), axis=1, keepdims=True)
        stored = f"{module}.parametrizations.{own}"
        self.plain(f"{stored}.original0", lengths)
        self.plain(f"{stored}.original1", np.where(lengths > 0, weight, 1))  # of no length in any direction

    def gru(self, name: str, own: Array, recurrent: Array, own_bias: Array, recurrent_bias: Array) -> None:
        """A GRU: weights (3 C, C) and biases (3 C,), reset, update and new."""
        self.directed(f"{name}.weight_ih_l0", own)
        self.directed(f"{name}.weight_hh_l0", recurrent)
        self.plain(f"{name}.bias_ih_l0", own_bias)
        self.plain(f"{name}.bias_hh_l0", recurrent_bias)

    def scaled(self, name: str, weight: Array, bias: Array) -> None:
        """A weight that has length 1 as a whole, times a scale, and a bias."""
        length = np.linalg.norm(weight.astype(np.float64)).reshape(1)
        self.plain(f"{name}.weight", weight if length > 0 else np.ones_like(weight))
        self.plain(f"{name}.bias", bias)
        self.plain(f"{name}.scale", length)
