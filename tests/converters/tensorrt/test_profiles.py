"""Optimisation profiles, from words and from what a graph declares."""

from __future__ import annotations

import pytest

from converters.tensorrt.profiles import complete_profiles, parse_profiles, written
from zoo.errors import ArtifactError
from zoo.spec import TensorSpec

FEATS = TensorSpec("feats", ("batch", "frames", 80))
STREAM = (
    TensorSpec("wav_in", ("streams", "256*hops")),
    TensorSpec("core.gru.hidden", ("streams", 33, 16)),
    TensorSpec("window", (1, 512)),
)
RANGES = {"streams": (1, 8, 32), "hops": (1, 16, 64)}


def test_words() -> None:
    words = "feats:1x200x80/64x200x80/128x3000x80"
    parsed = parse_profiles(words)
    assert parsed == {"feats": ((1, 200, 80), (64, 200, 80), (128, 3000, 80))}
    assert f"feats:{written(parsed['feats'])}" == words
    assert parse_profiles(f" {words} , a.b:4x1 ")["a.b"] == ((4, 1),) * 3
    assert parse_profiles("") == {}


@pytest.mark.parametrize(
    "words", ["feats", "1x2/3x4/5x6", "feats:1x2/3x4", "feats:1x2/3x4/5x6/7x8", "feats:axb", "feats:", ":1"]
)
def test_words_that_are_none(words: str) -> None:
    with pytest.raises(ValueError, match=r"expected NAME:MIN/OPT/MAX such as feats:1x200x80"):
        parse_profiles(words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("x:2x80/1x80/4x80", "2x80/1x80/4x80 does not grow"),
        ("x:0x80/1x80/4x80", "does not grow"),
        ("x:1/1x80/1x80", "have 1, 2 and 2 axes"),
        ("x:1,x:2", "x has one already"),
    ],
)
def test_shapes_that_do_not_grow(words: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_profiles(words)


def test_what_the_model_declares() -> None:
    assert complete_profiles(STREAM, {}, RANGES) == {
        "wav_in": ((1, 256), (8, 4096), (32, 16384)),
        "core.gru.hidden": ((1, 33, 16), (8, 33, 16), (32, 33, 16)),
    }
    assert complete_profiles(STREAM[2:], {}, {}) == {}


def test_what_is_given_for_one_holds_for_all() -> None:
    given = parse_profiles("wav_in:2x256/4x512/6x1024")
    assert complete_profiles(STREAM, given, RANGES)["core.gru.hidden"] == (
        (2, 33, 16),
        (4, 33, 16),
        (6, 33, 16),
    )
    given |= parse_profiles("core.gru.hidden:2x33x16/4x33x16/6x33x16")
    assert complete_profiles(STREAM, given, {}).keys() == {"wav_in", "core.gru.hidden"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("wave:1x256", "no such input; it has wav_in, core.gru.hidden, window"),
        ("wav_in:1x256x1", "has 3 axes, the input"),
        ("wav_in:1x300", r"axis 1 is 256\*hops; .* are no such numbers"),
        ("core.gru.hidden:1x32x16", "axis 1 is 33 in the graph"),
        ("wav_in:1x256,core.gru.hidden:2x33x16", r"streams is \(2, 2, 2\) there and \(1, 1, 1\) elsewhere"),
    ],
)
def test_what_does_not_fit(words: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        complete_profiles(STREAM, parse_profiles(words), RANGES)


def test_what_nobody_says() -> None:
    with pytest.raises(ArtifactError, match=r"how large is 'batch' of the input feats .* feats:MIN/OPT/MAX"):
        complete_profiles([FEATS], {}, RANGES)
