"""What files that others made may say: text that is not endless, numbers of a size that there can be.

A small file can ask for anything: so its numbers are looked at before anything is made of their size.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from zoo.spec import WINDOWS, Filterbank, FrontEnd, MelSpectrum

HIGHEST_RATE = 768000  # Hz
LONGEST_WINDOW = 1 << 16  # samples
MOST_BANDS = 4096
LARGEST_TENSOR = 1 << 28  # elements, a gigabyte
LONGEST_JSON = 1 << 24  # characters; a manifest with its recording has some hundred thousand
_LARGEST = 1 << 40  # of any whole number; the largest are bytes
_MOST_ITEMS = 100_000  # of a list
_SIZES = {"embedding": 8192, "filters": 8192, "longest": 8192, "symbols": 8192, "blocks": 256}
_MOST_OF_A_SIZE = 1024  # of what is not named there; the largest network here has 128


def parse_json(text: str) -> Any:
    """What a JSON text says.

    Raises:
        ValueError: it is none, too long or nested too deeply.
    """
    if len(text) > LONGEST_JSON:
        raise ValueError(f"it has {len(text):,} characters, more than {LONGEST_JSON:,}")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def check_fields(record: Any, name: str = "") -> None:
    """Refuse a dataclass, or one inside it, of which a field is not of its type.

    Args:
        record: its fields are numbers, texts, truth values, tuples, mappings, and dataclasses.
        name: of what it is, for errors.

    Raises:
        ValueError: names the first that is not.
    """
    hints = get_type_hints(type(record))
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if not _is(value, hints[field.name]):
            raise ValueError(f"{name}{field.name} {repr(value)[:60]}: expected {_words(hints[field.name])}")
        for item in value if isinstance(value, tuple) else (value,):
            if dataclasses.is_dataclass(item):
                check_fields(item, f"{name}{field.name} ")


def check_front_end(front_end: FrontEnd | Filterbank | MelSpectrum) -> None:
    """Refuse a front end whose numbers are not such as there can be.

    Raises:
        ValueError: one that is not, names it.
    """
    check_fields(front_end, "front_end ")
    most = {"sample_rate": HIGHEST_RATE, "bins": MOST_BANDS, "mels": MOST_BANDS}
    for name, value in dataclasses.asdict(front_end).items():
        limit = most.get(name, LONGEST_WINDOW)
        if type(value) is int and name not in ("low", "high", "floor") and not 0 < value <= limit:
            raise ValueError(f"{name} {value}: expected a whole number from 1 to {limit}")
    if not isinstance(front_end, Filterbank) and front_end.hop_length > front_end.n_fft:
        raise ValueError(f"hop_length {front_end.hop_length}: expected at most n_fft, {front_end.n_fft}")
    if isinstance(front_end, FrontEnd) and front_end.window not in WINDOWS:
        raise ValueError(f"window {front_end.window!r} is none of {', '.join(WINDOWS)}")
    if isinstance(front_end, MelSpectrum) and not (
        0 <= front_end.low < front_end.high <= front_end.sample_rate / 2 and front_end.floor > 0
    ):
        raise ValueError(
            f"low, high, floor {front_end.low}, {front_end.high}, {front_end.floor}: no such bands"
        )


def check_options(options: Mapping[str, Any], like: Mapping[str, Any]) -> None:
    """Refuse options of a network, read from a file, that no network has.

    Args:
        options: numbers, texts, truth values, and tuples of these.
        like: options of a network of that kind.

    Raises:
        ValueError: names the first that is of another type, no size or finite number, or too large.
    """
    for name, value in options.items():
        known = like.get(name, value)
        if isinstance(known, tuple) != isinstance(value, tuple) or (isinstance(value, tuple) and not value):
            raise ValueError(f"{name} {repr(value)[:60]}: expected such as {known!r}")
        kind = type(known[0] if isinstance(known, tuple) else known)
        for item in value if isinstance(value, tuple) else (value,):
            most = _SIZES.get(name, _MOST_OF_A_SIZE)
            if kind is int and not (type(item) is int and 0 < item <= most):
                raise ValueError(f"{name} {repr(value)[:60]}: expected a whole number from 1 to {most}")
            if kind not in (int, float, str, bool) or not _is(item, kind):
                raise ValueError(f"{name} {repr(value)[:60]}: expected {_words(kind)}")


def _is(value: Any, kind: Any) -> bool:
    """Whether a value is of a type, whole."""
    origin, inside = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(_is(value, each) for each in inside)
    if origin is Literal:
        return value in inside
    if origin in (tuple, list, Sequence):
        return (
            isinstance(value, (tuple, list))
            and len(value) <= _MOST_ITEMS
            and all(_is(item, inside[0]) for item in value)
        )
    if origin is not None:  # a mapping
        if not isinstance(value, Mapping):
            return False
        return all(_is(name, inside[0]) and _is(item, inside[1]) for name, item in value.items())
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    if kind is int:
        return type(value) is int and abs(value) <= _LARGEST
    return type(value) is kind


def _words(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    if get_origin(kind) is tuple:
        return (
            "a list"
            if dataclasses.is_dataclass(get_args(kind)[0])
            else f"a list, each {_words(get_args(kind)[0])}"
        )
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(map(_words, get_args(kind)))
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    return names.get(kind, "texts by name" if get_origin(kind) else "what an export writes there")
