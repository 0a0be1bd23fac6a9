"""How much memory a case takes, measured in a process of its own."""

from __future__ import annotations

import importlib
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

from zoo.benchmark.cases import Case
from zoo.benchmark.runners import open_runner
from zoo.errors import SpeechZooError
from zoo.registry import get_spec

CALLS = 10
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_memory(case: Case) -> float | None:
    """By how many MB a process grows at most that loads a case and calls it some times.

    Counted is what is resident, from the state in which all modules are imported. None where there is no
    /proc that tells.

    Raises:
        SpeechZooError: the case cannot be loaded, or the process was killed.
    """
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            return process.submit(_growth, case).result()
    except (BrokenProcessPool, MemoryError) as error:
        raise SpeechZooError(
            f"{case.name} with {case.streams} streams, {case.hops} hops: there is not enough memory, or the "
            f"process that measured it was killed; time fewer streams and hops"
        ) from error


def _growth(case: Case) -> float | None:
    if case.path is None:
        for module in ("torch", "zoo.create", "zoo.streaming.conversion"):
            importlib.import_module(module)
        importlib.import_module(get_spec(case.name.partition("=")[0]).network.partition(":")[0])
    if not STATUS.is_file() or not CLEAR.is_file():
        return None
    CLEAR.write_text("5")  # forgets the peak of the imports
    before = _resident("VmRSS")
    runner = open_runner(case)
    runner.prepare()
    for _ in range(CALLS):
        runner.call()
    return (_resident("VmHWM") - before) / 1e6


def _resident(key: str) -> int:
    """Bytes, from the system's own account of this process."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{key}:"))
    return 1024 * int(line.split()[1])
