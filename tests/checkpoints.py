"""A configuration as the public repository's training folders have it."""

from __future__ import annotations

CONFIG = {  # as the public repository's training folders have it
    "model": "fastenhancer.default",
    "model_kwargs": {
        "channels": 24,
        "kernel_size": [8, 3, 3],
        "stride": 4,
        "rnnformer_kwargs": {
            "num_blocks": 2,
            "channels": 20,
            "freq": 16,
            "num_heads": 4,
            "eps": 1.0e-5,
            "positional_embedding": "train",
            "attn_bias": False,
            "post_act": False,
            "pre_norm": False,
        },
        "pre_post_init": "linear_fixed",
        "n_fft": 512,
        "hop_size": 256,
        "win_size": 512,
        "window": "hann",
        "stft_normalized": False,
        "mask": None,
        "activation": "SiLU",
        "activation_kwargs": {"inplace": True},
        "input_compression": 0.3,
        "normalize_final_conv": True,
        "weight_norm": True,
        "resnet": False,
    },
    "wrapper": "ns",
    "data": {"dataset": "NoiseSuppression", "sampling_rate": 16000},
    "train": {"optimizer_kwargs": {"betas": [0.95, 0.999]}},
}
