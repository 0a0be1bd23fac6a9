"""Where the project and the reference data beside it are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo.arrays import Array

Speech = Callable[[int, float, float], Array]  # as the fixture ``speech``

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
CHECKPOINTS = {  # where there are several, or the name or the folder is another
    "gtcrn": "gtcrn_dns3_stream.tar",
    "ulunas": "../public/ulunas_dns3.tar",
}
# What public implementations give for some weights, by model; the files say "16k" where the models do not.
ORACLES = {
    path.stem.replace("_16k", ""): path for path in sorted((SHARED / "oracles/enhancement").glob("*.pt"))
}
