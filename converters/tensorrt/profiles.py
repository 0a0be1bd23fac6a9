"""Optimisation profiles: which shapes an engine is built for, from words or from what a graph declares."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from zoo.artifact.engine import Shapes
from zoo.errors import ArtifactError
from zoo.spec import TensorSpec

Range = tuple[int, int, int]
_PRODUCT = re.compile(r"(?:(\d+)\s*\*\s*)?([A-Za-z_]\w*)$")


def parse_profiles(text: str) -> dict[str, Shapes]:
    """Read ``name:1x200x80/64x200x80/128x3000x80``, least, best and most; several are parted by commas.

    One shape alone stands for all three.

    Raises:
        ValueError: it is written otherwise, or the three shapes do not grow.
    """
    profiles: dict[str, Shapes] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, colon, shapes = item.rpartition(":")
        try:
            parsed = [tuple(int(n) for n in shape.split("x")) for shape in shapes.split("/")]
        except ValueError:
            parsed = []
        if not colon or not name or len(parsed) not in (1, 3):
            raise ValueError(
                f"profile {item!r}: expected NAME:MIN/OPT/MAX such as feats:1x200x80/64x200x80/128x3000x80"
            )
        if name in profiles:
            raise ValueError(f"profile {item!r}: {name} has one already")
        profiles[name] = as_shapes(name, parsed * 3 if len(parsed) == 1 else parsed)
    return profiles


def as_shapes(name: str, shapes: Sequence[Sequence[int]]) -> Shapes:
    """Three shapes of an input, once they are known to grow.

    Raises:
        ValueError: they do not, or some number is below 1.
    """
    least, best, most = (tuple(shape) for shape in shapes)
    if not len(least) == len(best) == len(most):
        raise ValueError(f"profile of {name}: its shapes have {len(least)}, {len(best)} and {len(most)} axes")
    if not all(1 <= a <= b <= c for a, b, c in zip(least, best, most, strict=True)):
        raise ValueError(
            f"profile of {name}: {written((least, best, most))} does not grow from least to best to most"
        )
    return least, best, most


def written(shapes: Shapes) -> str:
    """As ``parse_profiles`` reads it."""
    return "/".join("x".join(map(str, shape)) for shape in shapes)


def complete_profiles(
    inputs: Sequence[TensorSpec], given: Mapping[str, Shapes], ranges: Mapping[str, Range]
) -> dict[str, Shapes]:
    """A profile for every input with a free dimension.

    A dimension that was given for one input holds for all inputs that name it; what nobody gave comes from
    ``ranges``.

    Args:
        inputs: of the graph; a free dimension is a name, or a number times a name.
        given: by input.
        ranges: least, best and most of each name, as the model declares them.

    Raises:
        ValueError: a profile of an input that is not there or of other fixed dimensions, or names that
            contradict each other.
        ArtifactError: nobody says how large a dimension is.
    """
    known = {spec.name: spec for spec in inputs}
    for name in given:
        if name not in known:
            raise ValueError(f"profile of {name}: the graph has no such input; it has {', '.join(known)}")
    bound: dict[str, Range] = {}
    for name, shapes in given.items():
        _bind(known[name], shapes, bound)
    sizes = {**ranges, **bound}
    profiles = {}
    for spec in inputs:
        if all(isinstance(n, int) for n in spec.shape):
            continue
        if spec.name in given:
            profiles[spec.name] = given[spec.name]
            continue
        dims = [_range(spec, n, sizes) for n in spec.shape]
        profiles[spec.name] = as_shapes(spec.name, list(zip(*dims, strict=True)))
    return profiles


def _bind(spec: TensorSpec, shapes: Shapes, bound: dict[str, Range]) -> None:
    """Learn from a given profile how large its named dimensions are."""
    if len(shapes[0]) != len(spec.shape):
        raise ValueError(
            f"profile of {spec.name}: {written(shapes)} has {len(shapes[0])} axes, the input "
            f"{spec.shape} has {len(spec.shape)}"
        )
    for axis, n in enumerate(spec.shape):
        sizes = (shapes[0][axis], shapes[1][axis], shapes[2][axis])
        if isinstance(n, int):
            if set(sizes) != {n}:
                raise ValueError(f"profile of {spec.name}: axis {axis} is {n} in the graph, not {sizes}")
            continue
        factor, name = _parts(n)
        if not name:
            continue
        if any(size % factor for size in sizes):
            raise ValueError(f"profile of {spec.name}: axis {axis} is {n}; {sizes} are no such numbers")
        value = (sizes[0] // factor, sizes[1] // factor, sizes[2] // factor)
        if bound.setdefault(name, value) != value:
            raise ValueError(f"profile of {spec.name}: {name} is {value} there and {bound[name]} elsewhere")


def _range(spec: TensorSpec, n: int | str, sizes: Mapping[str, Range]) -> Range:
    if isinstance(n, int):
        return n, n, n
    factor, name = _parts(n)
    if name not in sizes:
        raise ArtifactError(
            f"how large is {n!r} of the input {spec.name} {spec.shape}? The graph does not declare it; "
            f"pass a profile, {spec.name}:MIN/OPT/MAX"
        )
    least, best, most = sizes[name]
    return factor * least, factor * best, factor * most


def _parts(dimension: str) -> tuple[int, str]:
    """ "256*hops" -> (256, "hops"); what is written otherwise has no name."""
    match = _PRODUCT.match(dimension)
    return (int(match[1] or 1), match[2]) if match else (1, "")
