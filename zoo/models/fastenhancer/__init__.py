"""FastEnhancer at 16 and 48 kHz in five sizes, its ablations, and its non-causal form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.models.fastenhancer.weights import WEIGHTS
from zoo.spec import EnhancementSpec, FrontEnd, Weights

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
    "fastenhancer_dprnn_t": (23_691, 59_800_000),
    "fastenhancer_dprnn_b": (99_027, 262_000_000),
    "fastenhancer_dprnn_s": (206_755, 664_000_000),
    "fastenhancer_dprnn_m": (526_227, 2_930_000_000),
    "fastenhancer_dprnn_l": (1_179_203, 12_000_000_000),
    "fastenhancer_transformer_t": (19_819, 60_000_000),
    "fastenhancer_transformer_b": (80_579, 254_000_000),
    "fastenhancer_transformer_s": (174_915, 638_000_000),
    "fastenhancer_transformer_m": (431_315, 2_700_000_000),
    "fastenhancer_layernorm_b": (93_411, 262_000_000),
    "fastenhancer_time_kernel_b": (148_383, 483_000_000),
    "fastenhancer_huge": (2_531_331, 26_700_000_000),
    "fastenhancer_huge_24k": (2_531_331, 40_100_000_000),
    "fastenhancer_huge_48k": (2_547_715, 51_200_000_000),
}


def _options(size: str, *, wide: bool = False) -> dict[str, Any]:
    """Sizes of the network, at 48 kHz if wide."""
    channels, convs, blocks, block_channels, bins_16k, bins_48k, _ = _SIZES[size]
    return {
        "channels": channels,
        "kernel_sizes": (8, *[3] * convs),
        "stride": 4,
        "block_channels": block_channels,
        "block_bins": bins_48k if wide else bins_16k,
        "blocks": blocks,
        "trained_filters": wide,
        "compression": 0.3,
    }


def _front_end(size: str, *, wide: bool = False) -> FrontEnd:
    hop = _SIZES[size][-1]
    return FrontEnd(48000, 1024, 2 * hop) if wide else FrontEnd(16000, 512, hop)


def _spec(
    name: str,
    title: str,
    front_end: FrontEnd,
    network: str,
    reader: str,
    options: Mapping[str, Any],
    *,
    streaming: bool = True,
    weights: tuple[Weights, ...] = (),
    readers: Mapping[str, str] = {},
) -> EnhancementSpec:
    """A record with what all of them share; network and reader are of this package."""
    parameters, macs = _COUNTS[name]
    return EnhancementSpec(
        name=name,
        family="fastenhancer",
        title=title,
        paper="S. Ahn et al.: FastEnhancer: Speed-Optimized Streaming Neural Speech Enhancement. 2025",
        url="https://github.com/aask1357/fastenhancer",
        licence="MIT",
        front_end=front_end,
        network=f"{__name__}.{network}",
        options=options,
        parameters=parameters,
        macs_per_second=macs,
        streaming=streaming,
        weights=weights,
        config_reader=f"{__name__}.config:{reader}",
        readers=readers,
    )


def _published(size: str, *, wide: bool) -> EnhancementSpec:
    name = f"fastenhancer_48k_{size}" if wide else f"fastenhancer_{size}"
    return _spec(
        name,
        f"FastEnhancer-{size.upper()}" + (" (48 kHz)" if wide else ""),
        _front_end(size, wide=wide),
        "model:FastEnhancer",
        "read_config",
        {**_options(size, wide=wide), "heads": 4},
        weights=WEIGHTS[name],
        readers={kind: f"{__name__}.published:read_{kind}" for kind in ("graph", "binary")},
    )


def _dprnn(size: str) -> EnhancementSpec:
    options = _options(size)
    return _spec(
        f"fastenhancer_dprnn_{size}",
        f"FastEnhancer-{size.upper()}, dual-path recurrence",
        _front_end(size),
        "dprnn:DualPathRNN",
        "read_dprnn",
        {**options, "frequency_channels": options["block_channels"] // 2},
    )


def _transformer(size: str) -> EnhancementSpec:
    return _spec(
        f"fastenhancer_transformer_{size}",
        f"FastEnhancer-{size.upper()}, dual-path transformer",
        _front_end(size),
        "transformer:DualPathTransformer",
        "read_transformer",
        {**_options(size), "heads": 4, "look_behind": 31},
    )


def _huge(name: str, front_end: FrontEnd, rate: str, *, trained_filters: bool = False) -> EnhancementSpec:
    return _spec(
        name,
        f"FastEnhancer-Huge, non-causal ({rate})",
        front_end,
        "bidirectional:BidirectionalFastEnhancer",
        "read_bidirectional",
        {
            "channels": 128,
            "kernel_sizes": (8, 3, 3, 3, 3, 3),
            "stride": 4,
            "block_channels": 128,
            "block_bins": 64,
            "blocks": 6,
            "heads": 4,
            "trained_filters": trained_filters,
            "compression": 0.3,
        },
        streaming=False,
    )


SPECS = (
    *(_published(size, wide=wide) for wide in (False, True) for size in _SIZES),
    *(_dprnn(size) for size in "tbsml"),
    *(_transformer(size) for size in "tbsm"),
    _spec(
        "fastenhancer_layernorm_b",
        "FastEnhancer-B, layer norms",
        _front_end("b"),
        "layer_norm:LayerNormFastEnhancer",
        "read_layer_norm",
        {**_options("b"), "heads": 4},
    ),
    _spec(
        "fastenhancer_time_kernel_b",
        "FastEnhancer-B, convolutions over time",
        _front_end("b"),
        "time_kernel:TimeKernelFastEnhancer",
        "read_time_kernel",
        {**_options("b"), "heads": 4, "time_kernel": 3},
    ),
    _huge("fastenhancer_huge", FrontEnd(16000, 512, 100), "16 kHz"),
    _huge("fastenhancer_huge_24k", FrontEnd(24000, 512, 100), "24 kHz"),
    _huge("fastenhancer_huge_48k", FrontEnd(48000, 1024, 200), "48 kHz", trained_filters=True),
)
