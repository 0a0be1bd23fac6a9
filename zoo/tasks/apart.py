"""Verifies a file in a process of its own, with limits of time and memory: what strangers made may not end.

python -m zoo.tasks.apart FILE TRUST SECONDS [WEIGHTS]    (what the process runs; it prints one line of JSON)
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zoo.errors
from zoo.artifact.manifest import Manifest
from zoo.artifact.parity import ParityReport
from zoo.errors import ArtifactError, SpeechZooError
from zoo.runtime.artifact import ENGINES
from zoo.spec import Tolerance
from zoo.tasks import load, verify_graph

SECONDS = 60  # of the processor
MEMORY = 1 << 30  # bytes, and eight times the file
_ROOT = Path(zoo.__file__).parents[1]
_LOOK = 0.02  # seconds between two looks at the memory


def verify_apart(
    path: Path,
    *,
    trust: bool = False,
    weights: Path | None = None,
    seconds: float = SECONDS,
    memory: int = MEMORY,
) -> tuple[ParityReport, Manifest]:
    """Verify an artifact as ``zoo.verify`` does, but in a process of its own.

    An engine, which was made for this machine's GPU, is verified here.

    Args:
        path: the file.
        trust, weights: as of ``load_artifact``.
        seconds: of the processor; five times as much by the clock.
        memory: bytes in use, besides eight times the file's size; where the system tells.

    Returns:
        how close it is, and its manifest.

    Raises:
        SpeechZooError: as of ``zoo.verify``; ``ArtifactError`` if it takes more time or memory, or dies.
    """
    if path.suffix in ENGINES or not sys.executable:
        graph = load(path, trust=trust, weights=weights)
        report = verify_graph(graph)
        assert graph.manifest is not None  # else it was not verified
        return report, graph.manifest
    more = [] if weights is None else [str(weights)]
    answer = _ask([str(path), str(int(trust)), str(seconds), *more], path, seconds, memory)
    if "error" in answer:
        kind = getattr(zoo.errors, answer["kind"], ArtifactError)
        raise kind(answer["error"])
    report = answer["report"]
    report["tolerance"] = Tolerance(**report["tolerance"])
    return ParityReport(**report), Manifest.from_json(answer["manifest"], str(path))


def _ask(words: list[str], path: Path, seconds: float, memory: int) -> Mapping[str, Any]:
    """What the process answers.

    Raises:
        ArtifactError: nothing, or not within the limits.
    """
    search = os.pathsep.join(text for text in (str(_ROOT), os.environ.get("PYTHONPATH")) if text)
    with tempfile.TemporaryFile() as told:  # and not a pipe, which may be full while nobody reads it
        child = subprocess.Popen(
            [sys.executable, "-m", __name__, *words],
            env={**os.environ, "PYTHONPATH": search},
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=subprocess.DEVNULL,
        )
        try:
            reason = _watch(child, time.monotonic() + 5 * seconds, memory + 8 * _size(path))
        finally:
            child.kill()
            child.wait()
        told.seek(0)
        content = told.read()
    with contextlib.suppress(ValueError):
        answer: Mapping[str, Any] = json.loads(content.decode(errors="replace").strip().rpartition("\n")[2])
        return answer
    reason = reason or (f"it took more than {seconds:g} s" if child.returncode == -24 else "")
    raise ArtifactError(
        f"{path}: it could not be verified: {reason or f'the process died ({child.returncode})'}; what "
        f"speechzoo exports ends within the limits. Take it from someone else, or export it again"
    )


def _watch(child: subprocess.Popen[bytes], deadline: float, memory: int) -> str:
    """Wait until a process ends, or say why it may not go on."""
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_LOOK)
            return ""
        if time.monotonic() > deadline:
            return "it did not end in time"
        used = _used(child.pid)
        if used > memory:
            return f"it took more than {memory >> 20:,} MB"


def _used(process: int) -> int:
    """Bytes of memory that a process uses; 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _limit_time(seconds: float) -> None:
    """Let the system end this process when it has used the processor for so long."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (max(1, round(seconds)), resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _main(path: str, trust: str, seconds: str, weights: str | None = None) -> None:
    _limit_time(float(seconds))
    try:
        graph = load(path, trust=trust == "1", weights=weights)
        report = verify_graph(graph)
        assert graph.manifest is not None  # else it was not verified
        answer = {"report": dataclasses.asdict(report), "manifest": graph.manifest.to_json()}
    except SpeechZooError as error:
        answer = {"kind": type(error).__name__, "error": str(error)}
    except MemoryError:
        answer = {"kind": "ArtifactError", "error": f"{path}: it takes more memory than there is"}
    print("\n" + json.dumps(answer, default=float), flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
