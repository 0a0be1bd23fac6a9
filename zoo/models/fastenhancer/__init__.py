"""FastEnhancer at 16 and 48 kHz, sizes T, B, S, M and L."""

from zoo.spec import FrontEnd, ModelSpec

# size: channels, kernels after the first, blocks, their channels, their bins at 16 and 48 kHz,
# hop at 16 kHz (twice that at 48 kHz)
_SIZES = {
    "t": (24, 2, 2, 20, 16, 24, 256),
    "b": (48, 2, 3, 36, 24, 36, 256),
    "s": (64, 3, 3, 48, 36, 48, 256),
    "m": (96, 3, 4, 72, 48, 72, 160),
    "l": (128, 4, 5, 96, 64, 96, 100),
}
_COUNTS = {  # name: parameters, multiply-adds a second
    "fastenhancer_t": (22_451, 59_800_000),
    "fastenhancer_b": (93_087, 262_000_000),
    "fastenhancer_s": (196_819, 664_000_000),
    "fastenhancer_m": (495_987, 2_910_000_000),
    "fastenhancer_l": (1_111_907, 12_000_000_000),
    "fastenhancer_48k_t": (28_755, 177_000_000),
    "fastenhancer_48k_b": (102_735, 750_000_000),
    "fastenhancer_48k_s": (209_683, 1_820_000_000),
    "fastenhancer_48k_m": (516_147, 8_010_000_000),
    "fastenhancer_48k_l": (1_139_555, 32_400_000_000),
}


def _spec(size: str, kilohertz: int) -> ModelSpec:
    channels, convs, blocks, block_channels, bins_16k, bins_48k, hop = _SIZES[size]
    wide = kilohertz == 48
    name = f"fastenhancer_48k_{size}" if wide else f"fastenhancer_{size}"
    parameters, macs = _COUNTS[name]
    return ModelSpec(
        name=name,
        family="fastenhancer",
        title=f"FastEnhancer-{size.upper()}" + (" (48 kHz)" if wide else ""),
        paper="S. Ahn et al.: FastEnhancer: Speed-Optimized Streaming Neural Speech Enhancement. 2025",
        url="https://github.com/aask1357/fastenhancer",
        licence="MIT",
        front_end=FrontEnd(48000, 1024, 2 * hop) if wide else FrontEnd(16000, 512, hop),
        network="zoo.models.fastenhancer.model:FastEnhancer",
        options={
            "channels": channels,
            "kernel_sizes": (8, *[3] * convs),
            "stride": 4,
            "block_channels": block_channels,
            "block_bins": bins_48k if wide else bins_16k,
            "blocks": blocks,
            "heads": 4,
            "trained_filters": wide,
            "compression": 0.3,
        },
        parameters=parameters,
        macs_per_second=macs,
        config_reader="zoo.models.fastenhancer.config:read_config",
    )


SPECS = tuple(_spec(size, kilohertz) for kilohertz in (16, 48) for size in _SIZES)
