"""Show all that is known of a model."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import Any

from zoo.cli.list import count, least_seconds, summary
from zoo.registry import get_spec
from zoo.spec import EnhancementSpec, ModelSpec, SpeakerSpec
from zoo.speeds import speeds

GROUP = "find and share models"
_STREAMING = (
    "training",
    "streaming spec2spec",
    "streaming wav2wav",
    "ONNX streaming and offline, in both forms",
)
_OFFLINE = ("training", "ONNX offline, in both forms")
_SPEAKER = ("training", "deployment", "ONNX from features and from waveforms")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="registered model, see `speechzoo list`")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    spec = get_spec(args.name)
    if args.json:
        print(json.dumps(_record(spec), indent=2))
        return 0
    lines = {
        "model": f"{spec.title} ({spec.name}), {spec.task}",
        "paper": spec.paper,
        "project": f"{spec.url} ({spec.licence})",
        "sample rate": f"{spec.front_end.sample_rate} Hz",
        "parameters": f"{spec.parameters:,}",
    }
    if isinstance(spec, EnhancementSpec):
        front_end = spec.front_end
        lines |= {
            "window, hop": f"{front_end.n_fft}, {front_end.hop_length} samples ({front_end.window})",
            "multiply-adds": f"{count(spec.macs_per_second)} a second of audio",
            "latency": _latency(spec),
            "real-time factor": _speed(spec),
            "forms": ", ".join(_forms(spec)),
        }
    if isinstance(spec, SpeakerSpec):
        features = spec.front_end
        lines |= {
            "features": f"{features.bins} log mel filters, {features.win_length} samples every "
            f"{features.hop_length}",
            "embedding": f"{spec.embedding} values",
            "shortest": f"{least_seconds(spec):g} s, {spec.least_frames} frames",
            "multiply-adds": f"{count(spec.macs_per_second)} a second of audio",
            "forms": ", ".join(_SPEAKER),
        }
    width = max(map(len, lines))
    for name, value in lines.items():
        print(f"{name:<{width}}  {value}")
    for weights in spec.weights:
        print(f"\nweights {weights.tag}: {weights.licence}, trained on {weights.training_data}")
        print(f"  {weights.url}\n  {weights.size:,} bytes, sha256 {weights.sha256}")
        if weights.obtain:
            print(f"  not for download: {weights.obtain}")
        for metric, figure in weights.metrics.items():
            print(f"  {metric}: {figure:g}")
    if not spec.weights:
        print("\nweights: none known by tag; pass the path of a checkpoint")
    return 0


def _latency(spec: EnhancementSpec) -> str:
    if not spec.streaming:
        return "offline: it reads the whole recording first"
    front_end = spec.front_end
    return (
        f"{summary(spec)['latency_ms']} ms in a stream at this rate: "
        f"{front_end.delay} samples of window, {spec.look_ahead} frames of look-ahead, "
        f"up to {front_end.hop_length - 1} samples until a hop is full"
    )


def _speed(spec: ModelSpec) -> str:
    factor = speeds().real_time_factor.get(spec.name)
    return f"{factor:.3f} in {speeds()}" if factor else "not measured"


def _forms(spec: EnhancementSpec) -> tuple[str, ...]:
    return _STREAMING if spec.streaming else _OFFLINE


def _record(spec: ModelSpec) -> dict[str, Any]:
    record = {
        **summary(spec),
        "title": spec.title,
        "paper": spec.paper,
        "url": spec.url,
        "licence": spec.licence,
        "weights": [dataclasses.asdict(weights) for weights in spec.weights],
    }
    if isinstance(spec, EnhancementSpec):
        record |= {
            "window": spec.front_end.window,
            "look_ahead_frames": spec.look_ahead,
            "forms": _forms(spec),
        }
    if isinstance(spec, SpeakerSpec):
        record |= {
            "bins": spec.front_end.bins,
            "win_length": spec.front_end.win_length,
            "hop_length": spec.front_end.hop_length,
            "least_frames": spec.least_frames,
            "forms": _SPEAKER,
        }
    return record
