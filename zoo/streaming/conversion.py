"""Makes the streaming form from the training form by converting its parameter dict.

A model without a streaming form has a deployment form from the same conversion: the same is folded.

Three steps, each on the dict alone: weight norm is undone, batch norms are folded into the layer
before or after them, and every layer that has a twin gets its parameters turned by the twin's rule. The
result is loaded strictly into a tree of the same shape in which twins stand in the layers' places.
"""

from __future__ import annotations

import copy
import itertools
from typing import Literal, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from zoo.networks.base import Network
from zoo.networks.streaming import StreamingModule
from zoo.streaming.waveform import WaveformModel

Params = dict[str, Tensor]
Pairs = list[tuple[str, str]]  # paths (norm, layer)
N = TypeVar("N", bound=Network)


@runtime_checkable
class Twinned(Protocol):
    """A layer whose place another one takes in the streaming form."""

    def streaming_twin(self) -> nn.Module:
        """The twin, its parameters still to be loaded."""

    def streaming_parameters(self, own: Params) -> Params:
        """The twin's parameters, from this layer's."""


def to_streaming(
    model: StreamingModule, form: Literal["spec2spec", "wav2wav"] = "spec2spec"
) -> StreamingModule:
    """Make the streaming form of a training-form model: everything that can be folded is folded, exactly.

    Args:
        model: training form; it is not changed.
        form: ``spec2spec`` maps spectra (B, F, T, 2) and leaves the transforms to the caller;
            ``wav2wav`` maps waveforms (B, K x hop).

    Returns:
        a module in eval mode with ``initial_state(batch)`` and ``forward(frames, state)``.

    Raises:
        ValueError: an unknown form, or a model that is a streaming form already or has none.
    """
    if not model.spec.streaming:
        raise ValueError(
            f"{model.spec.name} reads the whole recording and has no streaming form; call the network or "
            f"zoo.Enhancer on whole recordings, or export it with streaming=False"
        )
    return to_deployment(model, form)


def to_deployment(
    model: StreamingModule, form: Literal["spec2spec", "wav2wav"] = "spec2spec"
) -> StreamingModule:
    """What artifacts are made of: the streaming form, or without one the same for whole recordings.

    Args, Raises: as ``to_streaming``.
    """
    if model.form != "training":
        raise ValueError(
            f"this {model.spec.name} is a {model.form} streaming form already; pass the training form"
        )
    if form not in ("spec2spec", "wav2wav"):
        raise ValueError(f"form {form!r} is neither spec2spec nor wav2wav")
    source = WaveformModel(model) if form == "wav2wav" else model
    streaming = _converted(source)
    streaming.name_states()
    streaming.form, streaming.converted_from = form, (model,)
    return streaming


def fold(model: N) -> N:
    """The deployment form of a model without time: all that can be folded is folded, nothing else changed.

    Args:
        model: training form; it is not changed.

    Raises:
        ValueError: it is a deployment form already.
    """
    if model.converted_from:
        raise ValueError(f"this {model.spec.name} is a deployment form already; pass the training form")
    folded = _converted(model)
    folded.converted_from = (model,)
    return folded


def _converted(source: N) -> N:
    """A copy with converted parameters, in eval mode."""
    with torch.no_grad():
        tree = _converted_tree(source).to(next(source.parameters()))  # its type and device
        tree.load_state_dict(convert_parameters(source), strict=True)
    return tree.eval().requires_grad_(False)


def convert_parameters(source: nn.Module) -> Params:
    """The streaming form's parameter dict, made from that of the training form."""
    params = undo_weight_norm(source.state_dict())
    post_norms, pre_norms = norms_to_fold(source)
    for norm, layer in post_norms:
        fold_batch_norm(params, source, norm, layer)
    for norm, layer in pre_norms:
        fold_pre_norm(params, source, norm, layer)
    for path, twinned in _layers_with_twin(source):
        own = {name.removeprefix(f"{path}."): params.pop(name) for name in _names_below(params, path)}
        turned = twinned.streaming_parameters(own)
        params.update({f"{path}.{name}": value.contiguous() for name, value in turned.items()})
    return params


def undo_weight_norm(params: Params) -> Params:
    """Replace magnitude and direction, as ``parametrizations.weight_norm`` saves them, by the weight."""
    plain = {}
    for name, value in params.items():
        if not name.endswith(".original1") or ".parametrizations." not in name:
            if not name.endswith(".original0"):
                plain[name] = value
            continue
        magnitude = params[name.removesuffix("1") + "0"].double()
        length = value.double().flatten(1).norm(dim=1).view_as(magnitude)
        weight = (value.double() * (magnitude / length)).to(value)
        plain[name.replace(".parametrizations.", ".").removesuffix(".original1")] = weight
    return plain


def norms_to_fold(root: nn.Module) -> tuple[Pairs, Pairs]:
    """Paths of every batch norm and of the layer that it is folded into.

    In an ``nn.Sequential`` that is the layer in front, or for a norm that comes first the layer behind;
    any other module names its pairs, with paths relative to itself, in ``folded_norms`` and
    ``folded_pre_norms``, and in ``kept_norms`` those that have no layer to go into and stay.

    Returns:
        pairs (norm, layer): norms of a layer's output, and norms of a layer's input.
    """
    post_norms: Pairs = []
    pre_norms: Pairs = []
    named: set[str] = set()
    for path, module in root.named_modules():
        post, pre = list(getattr(module, "folded_norms", [])), list(getattr(module, "folded_pre_norms", []))
        if isinstance(module, nn.Sequential):
            layers = module._modules
            post += [(b, a) for a, b in itertools.pairwise(layers) if isinstance(layers[b], _BatchNorm)]
            first = list(layers)[:2]
            pre += [(a, b) for a, b in itertools.pairwise(first) if isinstance(layers[a], _BatchNorm)]
        prefix = f"{path}." if path else ""
        post_norms += [(prefix + norm, prefix + layer) for norm, layer in post]
        pre_norms += [(prefix + norm, prefix + layer) for norm, layer in pre]
        named |= {prefix + norm for norm in getattr(module, "kept_norms", [])}
    named |= {norm for norm, _ in (*post_norms, *pre_norms)}
    left = {p for p, m in root.named_modules() if isinstance(m, _BatchNorm)} - named
    if left:
        raise TypeError(
            f"batch norms without a layer to fold into: {sorted(left)}; name them in folded_norms, "
            f"folded_pre_norms or kept_norms"
        )
    return post_norms, pre_norms


def fold_batch_norm(params: Params, root: nn.Module, norm: str, layer: str) -> None:
    """Put a batch norm's scale and offset into weight and bias of the layer before it, in the dict.

    Args:
        params: by name; the norm's are taken out.
        root: the module tree.
        norm, layer: paths in it.
    """
    module = root.get_submodule(layer)
    if not getattr(module, "folds_batch_norm", True):
        raise TypeError(f"{norm} cannot be folded into {layer}, a {type(module).__name__}")
    scale, offset = _take_batch_norm(params, root, norm)
    weight = params[f"{layer}.weight"]
    if isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d)):  # (in, out / groups, ...)
        grouped = weight.double().unflatten(0, (module.groups, -1))
        per_output = scale.view(module.groups, 1, -1, *[1] * (weight.ndim - 2))
        scaled = (grouped * per_output).flatten(0, 1)
    else:  # (out, ...)
        scaled = weight.double() * scale.view(-1, *[1] * (weight.ndim - 1))
    bias = params[f"{layer}.bias"].double() * scale + offset if f"{layer}.bias" in params else offset
    params[f"{layer}.weight"], params[f"{layer}.bias"] = scaled.to(weight), bias.to(weight)


def fold_pre_norm(params: Params, root: nn.Module, norm: str, layer: str) -> None:
    """Put a batch norm's scale and offset into weights and biases of the layer after it, in the dict.

    The layer must read nothing but what the norm gives: a linear layer, a convolution without padding, or
    a recurrent layer. Padding would stand for another value before the norm than after it.

    Args:
        params: by name; the norm's are taken out.
        root: the module tree.
        norm, layer: paths in it.
    """
    names = _input_weights(root.get_submodule(layer))
    if not names:
        kind = type(root.get_submodule(layer)).__name__
        raise TypeError(f"{norm} cannot be folded into {layer} after it, a {kind}")
    scale, offset = _take_batch_norm(params, root, norm)
    for weight_name, bias_name in names:
        weight = params[f"{layer}.{weight_name}"]  # (out, in, ...)
        exact = weight.double()
        bias = exact.reshape(*weight.shape[:2], -1).sum(2) @ offset
        if f"{layer}.{bias_name}" in params:
            bias = bias + params[f"{layer}.{bias_name}"]
        scaled = exact * scale.view(-1, *[1] * (weight.ndim - 2))
        params[f"{layer}.{weight_name}"], params[f"{layer}.{bias_name}"] = scaled.to(weight), bias.to(weight)


def _converted_tree(source: N) -> N:
    """The modules of the converted form, their parameters still to be loaded."""
    tree = copy.deepcopy(source)
    post_norms, pre_norms = norms_to_fold(source)
    for norm, layer in post_norms:
        bias = torch.empty(_batch_norm(source, norm).num_features)
        tree.get_submodule(layer).register_parameter("bias", nn.Parameter(bias))
        tree.set_submodule(norm, nn.Identity())
    for norm, layer in pre_norms:
        module = tree.get_submodule(layer)
        if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d)) and module.bias is None:
            module.register_parameter("bias", nn.Parameter(torch.empty(module.weight.shape[0])))
        tree.set_submodule(norm, nn.Identity())
    for path, twinned in _layers_with_twin(tree):
        tree.set_submodule(path, twinned.streaming_twin())
    return tree


def _take_batch_norm(params: Params, root: nn.Module, norm: str) -> tuple[Tensor, Tensor]:
    """Take a batch norm out of the dict, as scale and offset in double precision."""
    eps = _batch_norm(root, norm).eps
    own = {name.removeprefix(f"{norm}."): params.pop(name).double() for name in _names_below(params, norm)}
    scale = own.get("weight", 1.0) / (own["running_var"] + eps).sqrt()
    return scale, own.get("bias", 0.0) - own["running_mean"] * scale


def _input_weights(module: nn.Module) -> list[tuple[str, str]]:
    """Names of the weights that meet a layer's input, (out, in, ...), each with the bias added to it."""
    if isinstance(module, nn.RNNBase):
        directions = ("l0", "l0_reverse") if module.bidirectional else ("l0",)
        return [(f"weight_ih_{d}", f"bias_ih_{d}") for d in directions] if module.bias else []
    plain = type(module) in (nn.Linear, nn.Conv1d, nn.Conv2d)  # others may pad, unfold or normalise
    if isinstance(module, (nn.Conv1d, nn.Conv2d)):
        plain = plain and module.groups == 1 and not any(module.padding)
    return [("weight", "bias")] if plain else []


def _batch_norm(root: nn.Module, path: str) -> _BatchNorm:
    module = root.get_submodule(path)
    if not isinstance(module, _BatchNorm):
        raise TypeError(f"folded_norms names {path} as a batch norm, but it is a {type(module).__name__}")
    return module


def _layers_with_twin(root: nn.Module) -> list[tuple[str, Twinned]]:
    return [(path, module) for path, module in root.named_modules() if isinstance(module, Twinned)]


def _names_below(params: Params, path: str) -> list[str]:
    return [name for name in params if name.startswith(f"{path}.")]
