"""Several engines for one model, each for shapes up to its own limit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from zoo.artifact.engine import Shapes
from zoo.errors import ArtifactError

Shape = tuple[int, ...]


def fits(profile: Mapping[str, Shapes], wanted: Mapping[str, Shape]) -> bool:
    """Whether all shapes lie within a profile; an input without one is fixed, and not judged here."""
    for name, shape in wanted.items():
        if name not in profile:
            continue
        least, _, most = profile[name]
        if len(shape) != len(least):
            return False
        if not all(low <= n <= high for low, n, high in zip(least, shape, most, strict=True)):
            return False
    return True


def choose_bucket(profiles: Sequence[Mapping[str, Shapes]], wanted: Mapping[str, Shape]) -> int:
    """The index of the smallest profile that takes these shapes.

    Args:
        profiles: of the engines.
        wanted: shape of each input.

    Raises:
        ArtifactError: none takes them; the message has their limits.
    """
    able = [index for index, profile in enumerate(profiles) if fits(profile, wanted)]
    if not able:
        free = {name: shape for name, shape in wanted.items() if any(name in p for p in profiles)}
        limits = [
            ", ".join(f"{name} {p[name][0]} to {p[name][2]}" for name in free if name in p) for p in profiles
        ]
        raise ArtifactError(
            f"no engine takes {', '.join(f'{name} {shape}' for name, shape in free.items())}; they take "
            f"{' or '.join(limits)}: call with less at once, or build one for larger profiles"
        )
    return min(able, key=lambda index: sum(math.prod(most) for _, _, most in profiles[index].values()))
