"""Reads the configuration files of wespeaker's training folders, for the families that come from there.

Every setting that the embedding depends on is followed or refused by its name; those that only training
reads are known as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from zoo.configs import OtherClassError
from zoo.configs.sizes import LARGEST, option_like, refuse_unknown, whole
from zoo.errors import CheckpointError
from zoo.spec import KALDI_WINDOWS, Filterbank

Options = dict[str, Any]
Settings = Mapping[str, Any]

_TRAINING = {  # of ``dataset_args``
    "aug_prob",
    "chunk_info_args",
    "filter",
    "filter_args",
    "musan_scp",
    "num_frms",
    "rirs_scp",
    "sample_num_per_epoch",
    "shuffle",
    "shuffle_args",
    "spec_aug",
    "spec_aug_args",
    "speed_perturb",
    "speed_perturb_mode",
    "train_label",
    "train_scp",
    "whole_utt",
}
_TRAINING_FEATURES = {"dither", "num_frms", "raw_wav"}  # of ``fbank_args``, and ``feature_args`` before
_NORMALISATION = ("cmvn", "norm_mean", "norm_var")
_FIXED = {  # what Kaldi's features can be set to, and here have one value
    "channel": -1,
    "cmvn": True,
    "energy_floor": 1,
    "htk_compat": False,
    "low_freq": 20,
    "norm_mean": True,
    "norm_var": False,
    "preemphasis_coefficient": 0.97,
    "raw_energy": True,
    "remove_dc_offset": True,
    "round_to_power_of_two": True,
    "snip_edges": True,
    "subtract_mean": False,
    "use_energy": False,
    "use_log_fbank": True,
    "use_power": True,
    "vtln_warp": 1,
}


def read_config(
    config: Settings,
    where: str,
    *,
    classes: Mapping[str, Options],
    arguments: Mapping[str, str],
    pooling: str,
    bins: str = "feat_dim",
    training: Iterable[str] = (),
) -> tuple[Options, Filterbank]:
    """Options of a network, and the geometry of its features.

    Args:
        config: parsed ``config.yaml``.
        where: the folder, for errors.
        classes: for each class that ``model`` may name, the options of our network.
        arguments: our name of an option for each key of ``model_args`` that may set one.
        pooling: the only ``pooling_func`` there is.
        bins: the key of ``model_args`` with the number of features.
        training: keys of ``model_args`` that an embedding does not depend on.

    Raises:
        OtherClassError: another class.
        CheckpointError: an argument or a setting of the features that is not known or has a value that is not
            supported.
    """
    name = str(config.get("model"))
    if name not in classes:
        raise OtherClassError(f"{where}: its config names the model {name!r}; expected {', '.join(classes)}")
    given = dict(_section(config, "model_args", where))
    found = given.pop("pooling_func", pooling)
    if found != pooling:
        raise CheckpointError(f"{where}: its config pools by {found}; {name} is here with {pooling} only")
    read_by_network = given.pop(bins, None)
    given = {key: value for key, value in given.items() if key not in training}
    refuse_unknown(given, arguments, f"{where}: its config", f" of {name}")
    front_end = _features(config, where)
    if read_by_network not in (None, front_end.bins):
        raise CheckpointError(
            f"{where}: its config has features of {front_end.bins} bins, and a network for {read_by_network}"
        )
    options = dict(classes[name])
    for key, value in given.items():
        options[arguments[key]] = option_like(options[arguments[key]], key, value, where)
    return options, front_end


def _features(config: Settings, where: str) -> Filterbank:
    """The geometry in ``dataset_args``, or in ``feature_args`` of older folders."""
    data = dict(_section(config, "dataset_args", where))
    frontend = data.pop("frontend", "fbank")
    if frontend != "fbank":
        raise CheckpointError(f"{where}: its config reads features by {frontend!r}; only fbank is here")
    given = {key: config[key] for key in (*_NORMALISATION, "window_type") if key in config}
    for section in (config, data):
        for name in ("feature_args", "fbank_args", "cmvn_args"):
            given |= _section(section, name, where)
            if section is data:
                data.pop(name, None)
    given |= {key: value for key, value in data.items() if key not in _TRAINING}
    given = {key: value for key, value in given.items() if key not in _TRAINING_FEATURES}
    return _filterbank(given, f"{where}: its config")


def _filterbank(given: dict[str, Any], where: str) -> Filterbank:
    """Features by the names that wespeaker, and torchaudio's Kaldi behind it, give their settings."""
    plain = Filterbank()
    rate = whole(given.pop("resample_rate", plain.sample_rate), "resample_rate", where)
    bins = whole(given.pop("num_mel_bins", plain.bins), "num_mel_bins", where)
    sizes = {}
    for name, default in (("frame_length", 25), ("frame_shift", 10)):
        value = _number(given.pop(name, default), name, where)
        sizes[name] = whole(int(rate * value * 1e-3), f"{name} in samples", where)  # cut off, as Kaldi
    window = given.pop("window_type", plain.window)
    if window not in KALDI_WINDOWS:
        raise CheckpointError(
            f"{where} sets window_type to {window!r}; the features are here with {' or '.join(KALDI_WINDOWS)}"
        )
    highest = _number(given.pop("high_freq", 0), "high_freq", where)
    if highest not in (0, rate / 2):
        raise CheckpointError(f"{where} sets high_freq to {highest:g}; features end here at {rate / 2:g} Hz")
    refuse_unknown(given, _FIXED, where, " of its features")
    for name, value in given.items():
        if value != _FIXED[name]:
            raise CheckpointError(
                f"{where} sets {name} to {value!r}; the features are here with {_FIXED[name]!r} only"
            )
    return Filterbank(rate, bins, sizes["frame_length"], sizes["frame_shift"], window)


def _number(value: Any, name: str, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= LARGEST:
        raise CheckpointError(
            f"{where} has features that are no numbers: {name} is {str(value)[:40]!r}; at most {LARGEST}"
        )
    return float(value)


def _section(config: Settings, name: str, where: str) -> Settings:
    section = config.get(name) or {}
    if not isinstance(section, Mapping):
        raise CheckpointError(f"{where}: expected a mapping under {name}, got {type(section).__name__}")
    return section
