"""Builds training-form models, with or without trained weights."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Any, Literal

from zoo import checkpoint, published
from zoo.artifact.manifest import RANDOM
from zoo.builtin import TAG as PACKAGED
from zoo.builtin import packaged_artifact
from zoo.configs import OtherClassError, class_name
from zoo.errors import CheckpointError
from zoo.hub.repository import fetched_folder, is_repository
from zoo.hub.weights import Located, chosen_weights, locate, tell, weights_advice
from zoo.limits import check_front_end, check_options
from zoo.networks.base import Network
from zoo.registry import get_spec, list_models
from zoo.spec import ModelSpec


class _Absent(Enum):
    """The place of an argument that was not given, where None was meant if it was."""

    WEIGHTS = "not given"


def create_model(
    name: str,
    weights: str | os.PathLike[str] | Literal[_Absent.WEIGHTS] | None = _Absent.WEIGHTS,
    *,
    pretrained: bool = False,
) -> Network:
    """Build a model in its training form, in eval mode.

    Args:
        name: registered name, see ``zoo.list_models()``; or ``ORG/NAME`` or ``ORG/NAME@REVISION``, a
            repository of the Hub with a training folder, which has its own weights.
        weights: a tag of ``zoo.tags``, which is downloaded once and checked by sha256; ``default``, for the
            tag that the model recommends; or the path of a checkpoint, of what ``zoo.published`` reads, or
            of a public training folder (on the Hub too), whose configuration file then decides the sizes.
            None gives random weights; so does leaving it out, with a warning.
        pretrained: the same as ``weights="default"``.

    Returns:
        the network. For enhancement its ``forward(spectrum, state=None)`` maps (B, F, T, 2) to the same and
        a state; for speakers its ``forward(feats, frames=None)`` maps (B, T, F) to (B, E); for synthesis its
        ``forward(ids, lengths)`` maps (B, S) to frames (B, F, mels) and their number.

    Raises:
        UnknownModelError: no such model, or neither tag nor path.
        CheckpointError: the checkpoint is not one of this model.
        HubError: a repository of the Hub cannot be had.
        ArtifactError: ONNX Runtime cannot run the graph.

    Warns:
        UserWarning: no weights were asked for, so that they are random.
    """
    if pretrained:
        weights = chosen_weights(None if weights is _Absent.WEIGHTS else weights, pretrained)
    if is_repository(name) and name not in list_models():
        name, weights = _of_repository(name, weights)
    spec = get_spec(name)
    if weights is _Absent.WEIGHTS:
        warnings.warn(f"{random_weights(spec)}; weights=None asks for random ones", stacklevel=2)
        weights = None
    if weights is None:
        return _untrained(spec)
    return _trained(spec, locate(spec, weights))


def _trained(spec: ModelSpec, located: Located) -> Network:
    """A network with the parameters that were found, of the sizes that they or their folder have."""
    kind = published.kind_of(located.path)
    if located.front_end is not None:
        spec = replace(spec, front_end=located.front_end)
    if kind:
        return published.load(spec, located, kind, build)
    record = checkpoint.read_record(located.path)
    spec = _configured(spec, located.path, record)
    params = checkpoint.rename(checkpoint.read_parameters(located.path), located.renames)
    if spec.shapes_reader and record is None:
        shapes = {name: tuple(value.shape) for name, value in checkpoint.plain_names(params).items()}
        options = load_attribute(spec.shapes_reader)(shapes, str(located.path))
        _check_mels(spec, options, located.path)
        spec = replace(spec, options=options)
    try:
        model = build(spec)
    except (ValueError, TypeError, RuntimeError, AssertionError, ArithmeticError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{located.path}: of its sizes no network can be made ({reason})") from error
    checkpoint.load_strictly(
        model, params, where=str(located.path), name=spec.name, unread=model.training_head
    )
    if record is not None:
        checkpoint.check_digest(model.state_dict(), record, str(located.path))
    known = {**located.provenance, **(record.weights if record else {})}
    model.provenance = {**known, "sha256": checkpoint.digest(model.state_dict())}
    return model.eval()


def _check_mels(spec: ModelSpec, options: Mapping[str, Any], path: Path) -> None:
    """Refuse frames of other bands than a model's front end has, which no vocoder here could make audible.

    Raises:
        CheckpointError: they are.
    """
    mels = getattr(spec.front_end, "mels", None)
    if mels is not None and options.get("mels", mels) != mels:
        raise CheckpointError(
            f"{path}: its frames have {options['mels']} mel bands, those of {spec.name} have {mels}; train "
            f"with {mels} bands, or register a model whose front end has {options['mels']}"
        )


def _of_repository(name: str, weights: Any) -> tuple[str, str]:
    """The model that a repository of the Hub names, and the repository as its weights."""
    if weights is not _Absent.WEIGHTS:
        raise CheckpointError(f"{name}: a repository of the Hub has its own weights; leave {weights!r} out")
    fetched = fetched_folder(name, tell)
    return model_of(fetched.path), fetched.name


def random_weights(spec: ModelSpec) -> str:
    """Say that a model has random weights, and how to get trained ones."""
    ready = packaged_artifact(spec)
    way = f'pass weights="{PACKAGED}"' if ready else weights_advice(spec)
    return f"{spec.name} has random weights, which make nothing better; for trained ones: {way}"


def _untrained(spec: ModelSpec) -> Network:
    """A network with random weights, which says so for as long as it has these."""
    model = build(spec).eval()
    params = model.state_dict()
    if not any(value.is_meta for value in params.values()):
        model.provenance = {"source": RANDOM, "sha256": checkpoint.digest(params)}
    return model


def build(spec: ModelSpec) -> Network:
    """The training form that a record describes, with random weights."""
    return load_attribute(spec.network)(spec, **spec.options)


def model_of(path: Path) -> str:
    """The registered model that a checkpoint names itself: a safetensors file of ours, or a training folder.

    A public graph or another port's file is recognised by what it holds.

    Raises:
        CheckpointError: it names none.
    """
    kind = published.kind_of(path)
    if kind:
        return published.model_of(path, kind, build)
    record = checkpoint.read_record(path)
    if record is not None:
        return record.model
    config = checkpoint.read_config(path) if path.is_dir() else None
    if config is None:
        raise CheckpointError(
            f"{path}: it does not say which model it is one of, as a training folder with a config.yaml or a "
            f"safetensors file of speechzoo do; name the model"
        )
    return model_of_config(config, str(path))


def model_of_config(config: dict[str, Any], where: str) -> str:
    """The registered model that the configuration of a public training folder describes.

    A model of the same front end and options if there is one; else one of its class, at its rate if there is
    one, which then takes sizes and rate from the folder.

    Raises:
        CheckpointError: no family has its class, or the one that has it does not support a setting.
    """
    nearest: dict[bool, str] = {}  # by whether the rate is that of the folder
    faults: dict[str, None] = {}
    others: dict[str, Any] = {}  # options that no model has
    for name in list_models():
        spec = get_spec(name)
        if not spec.config_reader:
            continue
        try:
            options, front_end = _read_config(spec, config, where)
        except OtherClassError:
            continue
        except CheckpointError as error:
            faults[str(error)] = None
            continue
        if (options, front_end) == (dict(spec.options), spec.front_end):
            return name
        if spec.covers(options):
            nearest.setdefault(front_end.sample_rate == spec.front_end.sample_rate, name)
        others = dict(options)
    if nearest:
        return nearest.get(True) or nearest[False]
    if faults:
        raise CheckpointError("; ".join(faults))
    if others:
        raise CheckpointError(f"{where}: no model of the zoo has the sizes of its config: {others}")
    named = class_name(config)
    if not named:
        raise CheckpointError(f"{where}: its config names no model")
    raise CheckpointError(
        f"{where}: its config names the model {named!r}, a class that is not in the zoo; speechzoo list "
        f"shows what is"
    )


def _read_config(spec: ModelSpec, config: dict[str, Any], where: str) -> tuple[Any, Any]:
    """What a family's reader finds in a configuration, once it is known to be of a size that there can be.

    Raises:
        CheckpointError: not one of this family, or not such as makes a network.
    """
    try:
        options, front_end = load_attribute(spec.config_reader)(config, where)
        check_options(options, spec.options)
        check_front_end(front_end)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise CheckpointError(f"{where}: its config makes no network: {error}") from error
    return options, front_end


def load_attribute(path: str) -> Any:
    """Import ``module:name``."""
    module, name = path.split(":")
    return getattr(importlib.import_module(module), name)


def _configured(spec: ModelSpec, path: Path, record: checkpoint.Record | None) -> ModelSpec:
    """The record with the sizes that a checkpoint or a training folder's configuration file has."""
    if record is not None:
        if record.model != spec.name:
            raise CheckpointError(f"{path}: it holds weights of {record.model}, not of {spec.name}")
        return replace(spec, options=record.options, front_end=record.front_end)
    config = checkpoint.read_config(path) if path.is_dir() and spec.config_reader else None
    if config is None:
        return spec
    options, front_end = _read_config(spec, config, str(path))
    if front_end.sample_rate != spec.front_end.sample_rate:
        better = get_spec(model_of_config(config, str(path)))
        if better.front_end.sample_rate == front_end.sample_rate:
            raise CheckpointError(
                f"{path}: its config is for {front_end.sample_rate} Hz, but {spec.name} runs at "
                f"{spec.front_end.sample_rate} Hz; create one of the models at that rate, as {better.name}"
            )
    if not spec.covers(options):
        raise CheckpointError(
            f"{path}: its config is not one of {spec.name}, but of {model_of_config(config, str(path))}; "
            f"create that"
        )
    return replace(spec, options=options, front_end=front_end)
