"""The root of every network: what it knows of itself."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from torch import nn

from zoo.spec import ModelSpec


class Network(nn.Module):
    """A network of the zoo, in any of its forms.

    Attributes:
        spec: the record that it was built from.
        provenance: of trained weights: source, sha256, licence where known.
        converted_from: of a converted form: the training form, which is no submodule.
        training_head: names in public checkpoints that begin so belong to training alone and are not read.
    """

    spec: ModelSpec
    provenance: Mapping[str, str] = MappingProxyType({})
    converted_from: tuple[Network, ...] = ()
    training_head: tuple[str, ...] = ()
