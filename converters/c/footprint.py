"""Tells what generated C takes of a microcontroller, as GCC for ARM compiles it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import ArtifactError
from zoo.runtime.compiler import run_compiler

COMPILER = "arm-none-eabi-gcc"
_FLAGS = ("-std=c11", "-O2", "-ffp-contract=fast", "-fno-math-errno", "-mthumb", "-mfloat-abi=hard", "-w")
_LONGEST = 300  # seconds


@dataclass(frozen=True)
class Board:
    """A microcontroller of a class, well known and among its largest.

    Attributes:
        name: of the processor.
        example: the microcontroller.
        flags: of GCC.
        flash, memory: bytes, the memory in one piece.
        clock: in Hz.
        rate: multiply-adds of 32 bits in a clock, at most.
    """

    name: str
    example: str
    flags: tuple[str, ...]
    flash: int
    memory: int
    clock: float
    rate: int


BOARDS = (
    Board("Cortex-M7", "STM32H743", ("-mcpu=cortex-m7", "-mfpu=fpv5-d16"), 2 << 20, 512 << 10, 480e6, 1),
    Board("Cortex-M55", "Ensemble E7", ("-mcpu=cortex-m55",), 11 << 19, 4 << 20, 400e6, 2),
)


@dataclass(frozen=True)
class Footprint:
    """What a file takes of a board, in bytes.

    Attributes:
        board: it.
        code, constants: in flash.
        state: memory of one stream, what only one call needs among it.
        stack: of a call, without what the C library's copying takes; None: it has no bound.
        share: of the processor's time, at the least: its multiply-adds alone, at the highest rate.
    """

    board: Board
    code: int
    constants: int
    state: int
    stack: int | None
    share: float

    @property
    def lacks(self) -> list[str]:
        """What the board has not enough of."""
        return [
            what
            for what, lacking in (
                ("flash", self.code + self.constants > self.board.flash),
                ("memory", self.state + (self.stack or 0) > self.board.memory),
                ("stack with a bound", self.stack is None),
                ("time", self.share > 1),
            )
            if lacking
        ]

    def __str__(self) -> str:
        board, lacks = self.board, self.lacks
        stack = "no bound" if self.stack is None else f"{self.stack} B"
        fits = f"does not fit: too little {', '.join(lacks)}" if lacks else "fits"
        return (
            f"{board.name}: flash {_kib(self.code + self.constants)} (code {_kib(self.code)}, constants "
            f"{_kib(self.constants)}), a stream's state {_kib(self.state)}, stack {stack}, at least "
            f"{100 * self.share:.0f} % of the time at {board.clock / 1e6:.0f} MHz; {fits} ({board.example}: "
            f"{_kib(board.flash)}, {_kib(board.memory)} in one piece)"
        )


def find_board_compiler() -> str:
    """The compiler for microcontrollers.

    Raises:
        ArtifactError: it is not there.
    """
    found = shutil.which(COMPILER)
    if found is None:
        raise ArtifactError(
            f"what C takes of microcontrollers is told by {COMPILER}, which is not there; install it "
            f"(Debian's gcc-arm-none-eabi and libnewlib-arm-none-eabi)"
        )
    return found


def measure(source: Path, board: Board) -> Footprint:
    """Compile a generated file for a board.

    Raises:
        ArtifactError: there is no compiler, or it fails.
    """
    compiler, text = find_board_compiler(), source.read_text()
    name = _found(r"^SPEECHZOO_API void (\w+)_process\(", text, source)
    rate, hop, hops = (
        _number(rf"^#define {name.upper()}_{what} (\d+)", text, source)
        for what in ("SAMPLE_RATE", "HOP", "HOPS")
    )
    apart = re.search(rf"^#define {name.upper()}_WEIGHTS_BYTES (\d+)", text, re.MULTILINE)
    with tempfile.TemporaryDirectory() as folder:
        # A stream beside the code, whose size is then what is not initialised.
        probe, made = Path(folder) / "probe.c", Path(folder) / "probe.o"
        probe.write_text(f'#include "{source.resolve()}"\n{name}_state speechzoo_stream;\n')
        words = [*_FLAGS, *board.flags, f"-D{name.upper()}_NO_MANIFEST", "-fcallgraph-info=su"]
        _run([compiler, *words, "-c", str(probe), "-o", str(made)], source)
        sections = _run([compiler.replace("gcc", "size"), "-A", str(made)], source)
        stack = deepest(made.with_suffix(".ci").read_text(), f"{name}_process")
    sizes = {"text": 0, "rodata": 0, "data": 0, "bss": 0}
    for kind, size in re.findall(r"^\.(text|rodata|data|bss)\S*\s+(\d+)", sections, re.MULTILINE):
        sizes[kind] += int(size)
    share = _number(r"(\d+) multiply-adds a call", text, source) / (board.clock * board.rate)
    share *= rate / (hop * hops)
    constants = sizes["rodata"] + sizes["data"] + (int(apart[1]) if apart else 0)
    return Footprint(board, sizes["text"], constants, sizes["bss"], stack, share)


def stack_words(command: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Words for a compiler to write what ``stack_in`` reads, if it is a GCC, which can."""
    try:
        gcc = "Free Software Foundation" in run_compiler([*command, "--version"], command[0])
    except ArtifactError:
        return ()
    return ("-fcallgraph-info=su", "-dumpdir", f"{folder}/") if gcc else ()


def stack_in(folder: Path, source: Path) -> int | None:
    """The stack of a call in bytes, as ``deepest``; of a portable library the most of its kinds of code."""
    name = _found(r"^SPEECHZOO_API void (\w+_process)\(", source.read_text(), source)
    graphs = [path.read_text() for path in folder.glob("*.ci")]
    starts = [(graph, start) for graph in graphs for start in re.findall(rf'title: "({name}_\d)"', graph)]
    depths = [deepest(*each) for each in starts or [(graph, name) for graph in graphs]]
    known = [depth for depth in depths if depth is not None]
    return max(known) if known and len(known) == len(depths) else None


def deepest(graph: str, start: str) -> int | None:
    """The stack that a function takes with all that it calls, in bytes.

    Args:
        graph: who calls whom and what each takes itself, as GCC's ``-fcallgraph-info=su`` writes it.
        start: the function.

    Returns:
        None where it has no bound: a function calls itself, or takes as much as it computes.
    """
    own: dict[str, int | None] = {}
    for title, label in re.findall(r'^node: \{ title: "([^"]*)" label: "([^"]*)"', graph, re.MULTILINE):
        taken = re.search(r"(\d+) bytes \((\w+(?:,\w+)?)\)", label)
        own[title] = 0 if taken is None else None if taken[2] == "dynamic" else int(taken[1])
    called: dict[str, list[str]] = {}
    for caller, callee in re.findall(r'^edge: \{ sourcename: "([^"]*)" targetname: "([^"]*)"', graph, re.M):
        called.setdefault(caller, []).append(callee)

    def below(function: str, above: tuple[str, ...]) -> int | None:
        if function in above:
            return None
        depths = [below(other, (*above, function)) for other in called.get(function, ())]
        mine = own.get(function, 0)
        known = [depth for depth in depths if depth is not None]
        return None if mine is None or len(known) < len(depths) else mine + max(known, default=0)

    return below(start, ())


def _number(pattern: str, text: str, source: Path) -> int:
    return int(_found(pattern, text, source))


def _found(pattern: str, text: str, source: Path) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise ArtifactError(f"{source}: it is no C that speechzoo export --target c wrote")
    return found[1]


def _run(command: list[str], source: Path) -> str:
    """What a command prints.

    Raises:
        ArtifactError: it fails.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ArtifactError(f"{source}: {command[0]} does not run ({error})") from error
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr[:200])
        raise ArtifactError(f"{source}: {command[0]} cannot compile it ({reason})")
    return done.stdout


def _kib(count: int) -> str:
    return f"{count / 1024:.0f} KiB"
