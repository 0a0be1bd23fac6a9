"""Code in an interpreter of its own, where some packages are not installed."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.data import ROOT

EXTRAS = (
    "torch", "safetensors", "yaml", "onnx", "onnxscript", "onnxslim", "onnx_ir", "matplotlib",
    "kaldi_native_fbank", "kaldiio", "pytest", "hypothesis", "soxr", "scipy", "tritonclient", "grpc",
    "ray", "espeakng_loader", "sounddevice", "shtab",
)  # fmt: skip
# None in sys.modules is what the import system itself takes for "not installed".
HIDE = "import sys\nfor name in {names!r}:\n    sys.modules[name] = None\n"


def python(
    code: str, *words: object, hidden: tuple[str, ...] = EXTRAS, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run code where some packages are not installed."""
    return subprocess.run(
        [sys.executable, "-c", HIDE.format(names=hidden) + code, *map(str, words)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
