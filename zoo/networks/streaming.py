"""State as an argument: layers that remember, and the modules that pass their memory through.

A state is a flat dict of tensors, named by the path of the layer that owns them. Every forward takes
the whole dict and returns the whole dict with its own entries replaced, so a network writes
``x, state = self.layer(x, state)`` and nothing is ever kept in a module or changed in place.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from zoo.errors import ShapeError, StateError
from zoo.networks.base import Network
from zoo.spec import EnhancementSpec

State = dict[str, Tensor]


class Stateful:
    """Mixin of an ``nn.Module`` that remembers something from one frame to the next."""

    state_path: str = ""

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of this layer's memory for one stream, by key; the stream's axis 0 is not included."""
        raise TypeError(f"{type(self).__name__} is Stateful and must define state_shapes")

    def state_name(self, key: str) -> str:
        """Name of one memory in the flat state."""
        return f"{self.state_path}.{key}" if self.state_path else key


class StreamingModule(Network):
    """Root of a tree of layers with state: a network, or a network between two transforms.

    The contract, to which tests hold every layer and every network: the streaming form run frame by frame
    gives what the training form gives on the whole, shifted by the latency that the record declares; two
    frames in a call give what one frame twice gives; a change in the future changes nothing in the past; with
    the initial state again everything begins anew; and a batch of streams gives what each stream gives alone.
    The state is a flat dict of tensors named by the path of the layer that owns them, static in shape but for
    axis 0, which in every tensor is the stream; it is an argument and a result, never an attribute, and a
    stream begins with zeros.

    Subclasses define ``process(x, state) -> (y, state)`` and call ``name_states()`` at the end of
    their constructor.
    """

    spec: EnhancementSpec
    reads_phase: bool = False  # the transform before it then takes float64; see ``DoubleSTFT``
    ends_in_time: bool = False  # what it makes are frames of a waveform: it defines ``process_to_frames``
    form: Literal["training", "spec2spec", "wav2wav"] = "training"
    converted_from: tuple[StreamingModule, ...] = ()  # a streaming form's training form, not a submodule

    def process(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        raise TypeError(f"{type(self).__name__} must define process(x, state)")

    def process_to_frames(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Spectra (B, F, T, 2) -> frames (B, T, n_fft) to be added up; ``process`` gives their spectra.

        A waveform then takes no transform there and back.
        """
        raise TypeError(f"{type(self).__name__} must define process_to_frames(x, state)")

    def name_states(self) -> None:
        """Tell every layer with memory its path, which names its entries in the state."""
        for path, module in self.named_modules():
            if isinstance(module, Stateful):
                module.state_path = path.removeprefix("core.")

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the whole state for one stream, by name, in the order of the layers."""
        shapes = {}
        for module in self.modules():
            if isinstance(module, Stateful):
                shapes.update({module.state_name(key): shape for key, shape in module.state_shapes().items()})
        return shapes

    def initial_state(self, batch: int = 1) -> State:
        """Zeros: what every stream starts from.

        Args:
            batch: number of streams; axis 0 of every tensor.
        """
        like = next(self.parameters())
        return {name: like.new_zeros(batch, *shape) for name, shape in self.state_shapes().items()}

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Process the next frames of every stream.

        Args:
            x: (B, F, T, 2) spectrum or (B, N) waveform, as the module's form says.
            state: what the call before returned; None starts from zeros. A model without a streaming form
                takes whole recordings, and no state.

        Returns:
            the same shape as ``x``, and the state for the next call.

        Raises:
            ShapeError: ``x`` is not of the shape that the module's form says.
            StateError: ``state`` belongs to another model or another number of streams, or the model has no
                streaming form.
        """
        self.check_input(x)
        if state is None:
            state = self.initial_state(x.shape[0])
        elif not self.spec.streaming:
            raise StateError(
                f"{self.spec.name} reads the whole recording and cannot go on from a state; "
                f"pass the recording at once, without state"
            )
        else:
            self._check_state(state, x.shape[0])
        return self.process(x, state)

    def check_input(self, x: Tensor) -> None:
        """Refuse anything but spectra (B, F, T, 2) with at least one frame.

        Raises:
            ShapeError: another shape.
        """
        bins = self.spec.front_end.bins
        if x.ndim != 4 or (x.shape[1], x.shape[3]) != (bins, 2) or x.shape[2] < 1:
            raise ShapeError(
                f"{self.spec.name}: expected a spectrum (B, {bins}, T, 2), real and imaginary part last, got "
                f"{tuple(x.shape)}"
            )

    def _check_state(self, state: State, batch: int) -> None:
        expected = self.state_shapes()
        if state.keys() != expected.keys():
            missing = ", ".join(name for name in expected if name not in state) or "none"
            surplus = ", ".join(name for name in state if name not in expected) or "none"
            raise StateError(
                f"this state is not one of {self.spec.name}: missing {missing}; surplus {surplus}; "
                f"start from initial_state()"
            )
        if torch.compiler.is_exporting():
            return  # the shapes are the exporter's own there, and a free batch must stay free
        for name, shape in expected.items():
            if tuple(state[name].shape) != (batch, *shape):
                raise StateError(
                    f"state {name} of {self.spec.name}: expected shape {(batch, *shape)}, got "
                    f"{tuple(state[name].shape)}; start from initial_state(batch={batch})"
                )
