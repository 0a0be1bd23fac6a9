"""One stream through a graph, block by block, on memory of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from zoo.arrays import Array
from zoo.signal.samples import all_finite
from zoo.spec import TensorSpec
from zoo.tasks.enhancement.session import State

Bind = Callable[[Sequence[Array], Mapping[int, Array]], Callable[[], None]]

_ALIGNMENT = 16  # elements: every state begins at a cache line


class Loop:
    """A stream whose states lie in two sets of buffers that change places with every block.

    A call copies no state and makes none anew. Like ``run_recovering`` it begins anew where what came out,
    or what is remembered, is not finite.

    Args:
        bind: a graph's ``bind_arrays``: from a block of waveform, and states, to enhanced waveform as the
            first output, and states.
        states: the graph's inputs for them.
        next_states: for each its index among the outputs.
        block_length: samples of a call.
    """

    def __init__(
        self, bind: Bind, states: Sequence[TensorSpec], next_states: Sequence[int], block_length: int
    ) -> None:
        self._signal = np.zeros((1, block_length), np.float32)
        self._output = np.zeros((1, block_length), np.float32)
        self._now = 0  # the set that the next call reads
        self._sets = [_lay_out(states) for _ in range(2)]
        (first, _), (second, _) = self._sets
        self._calls = [
            bind(
                [self._signal, *before.values()],
                {0: self._output, **dict(zip(next_states, after.values(), strict=True))},
            )
            for before, after in ((first, second), (second, first))
        ]

    @property
    def state(self) -> State:
        """What the next call begins with; the call after it writes over it."""
        return self._sets[self._now][0]

    def load(self, state: State) -> None:
        """Go on from a state, which is copied."""
        for name, value in self.state.items():
            value[...] = state[name]

    def step(self, block: Array) -> tuple[Array, bool]:
        """The next block, (1, block_length), and whether the network began anew with it.

        The output is not finite only where it is not at the start of a stream either.
        """
        self._signal[...] = block
        call, before = self._calls[self._now], self._sets[self._now][1]
        self._now = 1 - self._now
        after = self._sets[self._now][1]
        call()
        anew = not (all_finite(self._output) and all_finite(after))
        if anew:
            before.fill(0)
            call()
            if not all_finite(after):
                after.fill(0)
        return self._output.copy(), anew


def _lay_out(specs: Sequence[TensorSpec]) -> tuple[dict[str, Array], Array]:
    """Zeros for the states of one stream by name, and the one array that all of them lie in."""
    shapes = [[1 if isinstance(n, str) else n for n in spec.shape] for spec in specs]
    sizes = [math.prod(shape) for shape in shapes]
    memory = np.zeros(sum(-(-size // _ALIGNMENT) + 1 for size in sizes) * _ALIGNMENT, np.float32)
    begin = -memory.ctypes.data // 4 % _ALIGNMENT
    states: dict[str, Array] = {}
    for spec, shape, size in zip(specs, shapes, sizes, strict=True):
        states[spec.name] = memory[begin : begin + size].reshape(shape)
        begin += -(-size // _ALIGNMENT) * _ALIGNMENT
    return states, memory
