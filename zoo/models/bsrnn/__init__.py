"""BSRNN at 16 kHz, causal, with batch norms: sizes xxt, xt, t and s."""

from zoo.spec import EnhancementSpec, FrontEnd, Tolerance

_SIZES = {  # name: title, channels, layers, parameters, multiply-adds a second
    "bsrnn_xxt": ("BSRNN-xxt", 16, 2, 254_492, 90_100_000),
    "bsrnn_xt": ("BSRNN-xt", 16, 6, 337_820, 245_000_000),
    "bsrnn_t": ("BSRNN-t", 32, 6, 1_039_148, 962_000_000),
    "bsrnn_s": ("BSRNN-s", 64, 6, 3_541_580, 3_810_000_000),
}

SPECS = tuple(
    EnhancementSpec(
        name=name,
        family="bsrnn",
        title=title,
        paper="J. Yu et al.: High Fidelity Speech Enhancement with Band-split RNN. Interspeech 2023",
        url="https://github.com/aask1357/fastenhancer",
        licence="MIT",
        front_end=FrontEnd(sample_rate=16000, n_fft=512, hop_length=256),
        network="zoo.models.bsrnn.model:BSRNN",
        options={"channels": channels, "layers": layers, "compression": 0.3},
        parameters=parameters,
        macs_per_second=macs,
        config_reader="zoo.models.bsrnn.config:read_config",
        tolerance=Tolerance(snr_db=100),  # bins near 0 pass on the transform's rounding, see README.md
    )
    for name, (title, channels, layers, parameters, macs) in _SIZES.items()
)
