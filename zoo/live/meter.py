"""What a terminal shows of live audio: levels before and after, and by how much it became quieter."""

from __future__ import annotations

import math

from zoo.live.line import Line

_LOWEST = -60.0  # dB of full scale, where a bar is empty
_WIDTH = 20  # characters of a bar


class Meter:
    """Levels of a line since they were last asked for.

    Args:
        line: at work.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self._energy, self._counts = [0.0, 0.0], [0, 0]

    def levels(self) -> list[float]:
        """Of input and output, root mean square in dB of full scale, -60 at the least."""
        energy, counts = list(self._line.energy), list(self._line.counts)
        levels = []
        for place in (0, 1):
            power = (energy[place] - self._energy[place]) / max(1, counts[place] - self._counts[place])
            levels.append(max(_LOWEST, 10 * math.log10(max(power, 1e-12))))
        self._energy, self._counts = energy, counts
        return levels

    def text(self, note: str = "") -> str:
        """Those in a line, with the attenuation, or a note in its place."""
        before, after = self.levels()
        quieter = note or f"{before - after:4.0f} dB quieter"
        line = f"in {_bar(before)} {before:4.0f} dB   out {_bar(after)} {after:4.0f} dB   {quieter}"
        return f"{line}   underruns {self._line.underruns}"


def _bar(level: float) -> str:
    full = round(_WIDTH * min(1.0, (level - _LOWEST) / -_LOWEST))
    return "[" + "#" * full + " " * (_WIDTH - full) + "]"
