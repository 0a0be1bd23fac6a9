"""Reads the configuration files of wespeaker's training folders, for the families that come from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.errors import CheckpointError
from zoo.spec import Filterbank

Options = dict[str, Any]


def read_config(
    config: Mapping[str, Any],
    where: str,
    *,
    classes: Mapping[str, Options],
    arguments: Mapping[str, str],
    pooling: str,
) -> tuple[Options, Filterbank]:
    """Options of a network, and the geometry of its features.

    Args:
        config: parsed ``config.yaml``.
        where: the folder, for errors.
        classes: for each class that ``model`` may name, the options of our network.
        arguments: our name of an option for each key of ``model_args`` that may set one.
        pooling: the only ``pooling_func`` there is.

    Raises:
        CheckpointError: another class, an argument that is not known, or features that are no filterbank.
    """
    name = str(config.get("model"))
    if name not in classes:
        raise CheckpointError(f"{where}: its config names the model {name!r}; expected {', '.join(classes)}")
    given = dict(_section(config, "model_args", where))
    found = given.pop("pooling_func", pooling)
    if found != pooling:
        raise CheckpointError(f"{where}: its config pools by {found}; {name} is here with {pooling} only")
    bins = given.pop("feat_dim", None)
    unknown = sorted(given.keys() - arguments.keys())
    if unknown:
        raise CheckpointError(
            f"{where}: its config sets {', '.join(unknown)} of {name}; known are {', '.join(arguments)}"
        )
    front_end = _features(config, where)
    if bins not in (None, front_end.bins):
        raise CheckpointError(
            f"{where}: its config has features of {front_end.bins} bins, and a network for {bins}"
        )
    return {**classes[name], **{arguments[key]: value for key, value in given.items()}}, front_end


def _features(config: Mapping[str, Any], where: str) -> Filterbank:
    """The geometry in ``dataset_args``, or in ``feature_args`` of older folders."""
    data = _section(config, "dataset_args", where)
    frontend = data.get("frontend", "fbank")
    if frontend != "fbank":
        raise CheckpointError(f"{where}: its config reads features by {frontend!r}; only fbank is here")
    given = {**_section(config, "feature_args", where), **_section(data, "fbank_args", where)}
    plain = Filterbank()
    rate = data.get("resample_rate", given.get("resample_rate", plain.sample_rate))
    try:
        return Filterbank(
            sample_rate=int(rate),
            bins=int(given.get("num_mel_bins", plain.bins)),
            win_length=int(rate) * int(given.get("frame_length", 25)) // 1000,
            hop_length=int(rate) * int(given.get("frame_shift", 10)) // 1000,
        )
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{where}: its config has features that are no numbers ({error})") from error


def _section(config: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    section = config.get(name) or {}
    if not isinstance(section, Mapping):
        raise CheckpointError(f"{where}: expected a mapping under {name}, got {type(section).__name__}")
    return section
