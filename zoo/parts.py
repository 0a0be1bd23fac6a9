"""Puts a file together from another one and what only it has, so that the package holds common bytes once.

A recipe, ``<file>.parts``, is a line of JSON with ``from``, the name of a file beside it, and ``pieces``, in
order. Behind the line are the bytes that only this file has. A piece is a number of those bytes, or
``[offset, shape, axes, width]``: an array in the other file, ``width`` bytes an element, with its axes in
another order.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

ENDING = ".parts"


def join(recipe: Path) -> bytes:
    """The file that a recipe of the package stands for; whether it is the right one, its hash tells."""
    line, _, own = recipe.read_bytes().partition(b"\n")
    plan = json.loads(line)
    other = (recipe.parent / plan["from"]).read_bytes()
    made, taken = bytearray(), 0
    for piece in plan["pieces"]:
        if isinstance(piece, int):
            made += own[taken : taken + piece]
            taken += piece
        else:
            offset, shape, axes, width = piece
            array = np.frombuffer(other, f"V{width}", int(np.prod(shape)), offset)
            made += array.reshape(shape).transpose(axes).tobytes()
    return bytes(made)
