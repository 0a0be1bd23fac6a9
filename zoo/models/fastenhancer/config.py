"""Reads the configuration files of public FastEnhancer training folders."""

from __future__ import annotations

from typing import Any

from zoo.configs.fastenhancer import model_settings, require, sample_rate
from zoo.configs.sizes import whole
from zoo.errors import CheckpointError
from zoo.spec import FrontEnd

Options = dict[str, Any]

# settings that this family reproduces with one value only, as the released configurations have them
_FIXED = {
    "activation": "SiLU",
    "mask": None,
    "resnet": False,
    "weight_norm": True,
    "normalize_final_conv": True,
    "stft_normalized": False,
    "window": "hann",
}
_FIXED_BLOCK = {
    "positional_embedding": "train",
    "attn_bias": False,
    "post_act": False,
    "pre_norm": False,
    "eps": 1e-5,
}


def read_config(config: dict[str, Any], where: str) -> tuple[Options, FrontEnd]:
    """Options of ``FastEnhancer`` and its front end from a parsed ``config.yaml``.

    Args:
        config: with ``model``, ``model_kwargs`` and ``data.sampling_rate``.
        where: the folder, for errors.

    Raises:
        CheckpointError: another model, a setting that is missing, or one that is not supported.
    """
    return _read(config, where, "default", extra={"heads": "num_heads"})


def read_bidirectional(config: dict[str, Any], where: str) -> tuple[Options, FrontEnd]:
    """The same of ``BidirectionalFastEnhancer``."""
    return _read(config, where, "noncausal", extra={"heads": "num_heads"})


def read_dprnn(config: dict[str, Any], where: str) -> tuple[Options, FrontEnd]:
    """The same of ``DualPathRNN``."""
    return _read(config, where, "dprnn", "dprnn_kwargs", extra={"frequency_channels": "channels_frnn"})


def read_transformer(config: dict[str, Any], where: str) -> tuple[Options, FrontEnd]:
    """The same of ``DualPathTransformer``."""
    extra = {"heads": "num_heads", "look_behind": "lookbehind"}
    return _read(config, where, "dptransformer", "dpt_kwargs", extra=extra)


def read_layer_norm(config: dict[str, Any], where: str) -> tuple[Options, FrontEnd]:
    """The same of ``LayerNormFastEnhancer``."""
    return _read(config, where, "ln", extra={"heads": "num_heads"})


def read_time_kernel(config: dict[str, Any], where: str) -> tuple[Options, FrontEnd]:
    """The same of ``TimeKernelFastEnhancer``."""
    extra = {"heads": "num_heads"}
    options, front_end = _read(config, where, "time_kernel", kernel_sizes="kernel_size_freq", extra=extra)
    with model_settings(config, where, "fastenhancer.time_kernel", {}) as model:
        return {
            **options,
            "time_kernel": whole(model["kernel_size_time"], "kernel_size_time", where),
        }, front_end


def _read(
    config: dict[str, Any],
    where: str,
    form: str,
    block_name: str = "rnnformer_kwargs",
    kernel_sizes: str = "kernel_size",
    *,
    extra: dict[str, str],
) -> tuple[Options, FrontEnd]:
    """Read what all forms have in their configuration.

    Args:
        form: after ``fastenhancer.`` in the model's name.
        block_name, kernel_sizes: what the settings of blocks and the kernels are called.
        extra: whole numbers that only some forms have, by option, as the blocks' settings call them.
    """
    with model_settings(config, where, f"fastenhancer.{form}", _FIXED) as model:
        block = model[block_name]
        require(block, _FIXED_BLOCK, where)
        if form not in ("default", "noncausal"):  # the older code, whose scale was an exponent by default
            require({"final_scale": "exp", **model}, {"final_scale": True}, where)
        if model["win_size"] != model["n_fft"]:
            raise CheckpointError(
                f"{where}: win_size {model['win_size']} differs from n_fft {model['n_fft']}"
            )
        options = {
            "channels": whole(model["channels"], "channels", where),
            "kernel_sizes": tuple(model[kernel_sizes]),
            "stride": whole(model["stride"], "stride", where),
            "block_channels": whole(block["channels"], "channels", where),
            "block_bins": whole(block["freq"], "freq", where),
            "blocks": whole(block["num_blocks"], "num_blocks", where),
            "trained_filters": {"linear": True, "linear_fixed": False}[model["pre_post_init"]],
            "compression": float(model["input_compression"]),
            **{option: whole(block[setting], setting, where) for option, setting in extra.items()},
        }
        return options, FrontEnd(
            sample_rate(config, where),
            whole(model["n_fft"], "n_fft", where),
            whole(model["hop_size"], "hop_size", where),
        )
