"""The machine that a benchmark ran on, in words."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import zoo

CPUINFO = Path("/proc/cpuinfo")
# Of the processor's flags those that decide how fast multiply-adds are.
VECTORS = (
    "sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512vl", "avx512_vnni",
    "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16",
    "neon", "asimd", "asimdhp", "asimddp", "sve", "sve2", "i8mm", "bf16",
)  # fmt: skip
PACKAGES = {"onnxruntime": "ONNX Runtime", "torch": "PyTorch", "numpy": "NumPy"}


def describe_machine() -> dict[str, str]:
    """Processor, system, versions, date, and how busy the machine is just now."""
    flags = set(_cpuinfo("flags").split()) | set(_cpuinfo("Features").split())
    found = {
        "processor": processor(),
        "vector instructions": " ".join(name for name in VECTORS if name in flags) or "unknown",
        "cores": str(os.cpu_count()),
        "system": platform.platform(),
        "Python": platform.python_version(),
    }
    for package, name in PACKAGES.items():
        try:
            found[name] = version(package)
        except PackageNotFoundError:
            found[name] = "not installed"
    found["speechzoo"] = " ".join([zoo.__version__, *_commit()])
    if hasattr(os, "getloadavg"):
        found["load before the run"] = f"{os.getloadavg()[0]:.2f}"
    found["date"] = str(date.today())
    return found


def processor() -> str:
    """The processor's name, as far as the system tells."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpuinfo(key: str) -> str:
    if CPUINFO.is_file():
        for line in CPUINFO.read_text().splitlines():
            if line.split(":")[0].strip() == key:
                return line.split(":", 1)[1].strip()
    return ""


def _commit() -> list[str]:
    """The clone's commit, marked if files were changed since, where git tells."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():  # where it is installed, a repository above it is someone else's
        return []
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=9", "--match=none"],
            cwd=root, capture_output=True, text=True, check=False,
        )  # fmt: skip
    except OSError:
        return []
    return [f"({done.stdout.strip()})"] if done.returncode == 0 else []
