"""Enhancers' graphs as sherpa-onnx reads them: its denoisers of the type ``gtcrn``.

Those take a spectrum (1, F, 1, 2) and three states of any shape, by their order, and find the transform and
the shapes in the metadata. Which three they are is the graph's own affair: here each is several of the
network's. sherpa-onnx's transform of streams adds overlapping frames up as they are and is a hop late, so
the window has to be the square root of Hann's, with a hop of half its length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zoo.errors import ArtifactError
from zoo.spec import EnhancementSpec

READER = "sherpa-onnx"
STATES = ("conv_cache", "tra_cache", "inter_cache")


def check_readable(spec: EnhancementSpec) -> None:
    """Refuse a model that sherpa-onnx would run wrongly.

    Raises:
        ArtifactError: its transform is another.
    """
    front_end = spec.front_end
    if front_end.window != "sqrt_hann" or front_end.n_fft != 2 * front_end.hop_length:
        raise ArtifactError(
            f"{spec.name}: {READER} adds up frames of half a window's hop under the square root of Hann's "
            f"window, and this one's are {front_end.window}, {front_end.n_fft} samples every "
            f"{front_end.hop_length}, which would come out wrong; gtcrn fits"
        )


def group(shapes: Sequence[tuple[int, ...]]) -> list[list[tuple[int, ...]]]:
    """States in three groups, in their order: all but the last two, and those."""
    return [list(shapes[:-2]), [shapes[-2]], [shapes[-1]]]


def metadata_of(spec: EnhancementSpec, shapes: Sequence[tuple[int, ...]]) -> dict[str, str]:
    """What sherpa-onnx reads; ``shapes`` are those of the three states."""
    front_end = spec.front_end
    return {
        "model_type": "gtcrn",
        "comment": f"{spec.name}, by speechzoo",
        "version": "1",
        "sample_rate": str(front_end.sample_rate),
        "n_fft": str(front_end.n_fft),
        "hop_length": str(front_end.hop_length),
        "window_length": str(front_end.n_fft),
        "window_type": "hann_sqrt",
        **{f"{name}_shape": ",".join(map(str, shape)) for name, shape in zip(STATES, shapes, strict=True)},
    }


class ThreeStates(nn.Module):
    """A streaming graph for one stream with its states in three.

    Args:
        graph: takes a signal and states, and gives a signal and states.
        shapes: of the states, (1, ...) each.
    """

    def __init__(self, graph: nn.Module, shapes: Sequence[tuple[int, ...]]) -> None:
        super().__init__()
        self.inner = graph
        self.groups = group(shapes)

    @property
    def initial(self) -> dict[str, Tensor]:
        """The three at the start, by name."""
        sizes = (sum(map(math.prod, shapes)) for shapes in self.groups)
        return {name: torch.zeros(1, size) for name, size in zip(STATES, sizes, strict=True)}

    def forward(self, signal: Tensor, *three: Tensor) -> tuple[Tensor, ...]:
        states = [
            part.reshape(shape)
            for joined, shapes in zip(three, self.groups, strict=True)
            for part, shape in zip(
                joined.split([math.prod(shape) for shape in shapes], dim=1), shapes, strict=True
            )
        ]
        signal, *after = self.inner(signal, *states)
        joined, start = [], 0
        for shapes in self.groups:
            parts = after[start : start + len(shapes)]
            joined.append(torch.cat([part.reshape(1, -1) for part in parts], dim=1))
            start += len(shapes)
        return signal, *joined
