"""Reads the configuration files of 3D-Speaker's training folders, for the families that come from there.

A value in angle brackets is that of another setting: ``feat_dim: <fbank_dim>``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.configs import OtherClassError
from zoo.configs.sizes import option_like, refuse_unknown, whole
from zoo.errors import CheckpointError
from zoo.spec import Filterbank

Options = dict[str, Any]
_FEATURES = "speakerlab.process.processor.FBank"
_FIXED = {"mean_nor": True, "sample_rate": 16000}  # of the features


def read_config(
    config: Mapping[str, Any],
    where: str,
    *,
    classes: Mapping[str, Options],
    arguments: Mapping[str, str],
    pooling: str,
    bins: str = "feat_dim",
) -> tuple[Options, Filterbank]:
    """Options of a network, and the geometry of its features.

    Args:
        config: parsed ``config.yaml``.
        where: the folder, for errors.
        classes: for each class, by its path in Python, the options of our network.
        arguments: our name of an option for each argument that may set one.
        pooling: the only ``pooling_func`` there is.
        bins: the argument with the number of features.

    Raises:
        OtherClassError: another class.
        CheckpointError: an argument or a setting of the features that is not known or has a value that is not
            supported.
    """
    network, features = (_object(config, name) for name in ("embedding_model", "feature_extractor"))
    name = str(network.get("obj"))
    if name not in classes:
        raise OtherClassError(f"{where}: its config names the model {name!r}; expected {', '.join(classes)}")
    given = _arguments(config, network, where)
    found = given.pop("pooling_func", pooling)
    if found != pooling:
        raise CheckpointError(f"{where}: its config pools by {found}; {name} is here with {pooling} only")
    front_end = Filterbank(window="povey", full_scale=1.0)
    if features:
        front_end = _features(features.get("obj"), _arguments(config, features, where), where)
    read_by_network = given.pop(bins, None)
    if read_by_network not in (None, front_end.bins):
        raise CheckpointError(
            f"{where}: its config has features of {front_end.bins} bins, and a network for {read_by_network}"
        )
    refuse_unknown(given, arguments, f"{where}: its config", f" of {name}")
    options = dict(classes[name])
    for key, value in given.items():
        options[arguments[key]] = option_like(options[arguments[key]], key, value, where)
    return options, front_end


def _features(kind: object, given: Options, where: str) -> Filterbank:
    if kind != _FEATURES:
        raise CheckpointError(f"{where}: its config reads features by {kind!r}; only {_FEATURES} is here")
    bins = whole(given.pop("n_mels", 80), "n_mels", f"{where}: its config")
    refuse_unknown(given, _FIXED, f"{where}: its config", " of its features")
    for name, expected in _FIXED.items():
        if given.get(name, False if name == "mean_nor" else expected) != expected:
            raise CheckpointError(f"{where}: its config sets {name} to {given.get(name)!r}, not {expected!r}")
    return Filterbank(bins=bins, window="povey", full_scale=1.0)


def _object(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    return found if isinstance(found, Mapping) else {}


def _arguments(config: Mapping[str, Any], of: Mapping[str, Any], where: str) -> Options:
    """The arguments of an object, with the values that they refer to."""
    given = of.get("args") or {}
    if not isinstance(given, Mapping):
        raise CheckpointError(f"{where}: expected a mapping under args, got {type(given).__name__}")
    return {
        key: config.get(value[1:-1]) if isinstance(value, str) and value[:1] + value[-1:] == "<>" else value
        for key, value in given.items()
    }
