"""Which engine a machine gets, and why none."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from zoo.artifact.target import EngineTarget, Machine, choose, system

HERE = Machine("NVIDIA L4", "8.9", "10.15.1.29")
STREAMS = {"wav_in": ((1, 256), (8, 256), (32, 256)), "h": ((1, 2), (8, 2), (32, 2))}
FITS = EngineTarget("NVIDIA L4", ("8.9",), "10.15.1.29", "fp16", STREAMS)


def test_the_one_that_fits() -> None:
    chosen, reason = choose([FITS], HERE, "fp16", 8)
    assert chosen is FITS
    assert reason == "sm89-10.15.1-fp16 is for this NVIDIA L4 and version 10.15.1.29"


@pytest.mark.parametrize(
    ("changed", "streams", "says"),
    [
        ({"compute_capabilities": ("8.6",)}, 8, "is for compute capability 8.6, the NVIDIA L4 here has 8.9"),
        ({"compute_capabilities": ("8.0", "9.0")}, 8, "is for compute capability 8.0, 9.0, the"),
        ({"gpu": "NVIDIA L40S"}, 8, "was built on a NVIDIA L40S, here is a NVIDIA L4"),
        ({"library": "10.15.0.1"}, 8, "was built by version 10.15.0.1, installed is 10.15.1.29"),
        ({"precision": "fp32"}, 8, "is in fp32, wanted is fp16"),
        ({}, 33, "takes 1 to 32 streams, wanted are 33"),
        ({"profiles": {"x": ((2, 1), (4, 1), (8, 1))}}, 1, "takes 2 to 8 streams, wanted are 1"),
    ],
)
def test_none_fits_and_why(changed: dict, streams: int, says: str) -> None:
    chosen, reason = choose([replace(FITS, **changed)], HERE, "fp16", streams)
    assert chosen is None and reason.startswith("no engine fits: sm") and says in reason


def test_all_reasons_are_told_once() -> None:
    others = [replace(FITS, precision="fp32"), replace(FITS, compute_capabilities=("7.5",))] * 2
    chosen, reason = choose(others, HERE, "fp16")
    assert chosen is None and reason.count("; ") == 1 and "fp32" in reason and "7.5" in reason
    assert choose([], HERE, "fp16") == (None, "the repository has no engine for this graph")


def test_the_nearest_of_several() -> None:
    """That which is best at a number of streams near the one wanted; built ahead of time will do."""
    few, many = (replace(FITS, profiles={"x": ((1, 1), (best, 1), (64, 1))}) for best in (1, 32))
    assert choose([many, few], HERE, "fp16", 2)[0] is few
    assert choose([many, few], HERE, "fp16", 30)[0] is many
    ahead = replace(few, gpu="", compute_capabilities=("8.6", "8.9"))
    assert choose([ahead], HERE, "fp16")[1].startswith("sm86-sm89-10.15.1-fp16 is for this NVIDIA L4")


@pytest.mark.parametrize(
    "wrong",
    [
        {"compute_capabilities": ()},
        {"library": ""},
        {"precision": ""},
        {"profiles": {"x": ((2, 1), (1, 1), (8, 1))}},
        {"profiles": {"x": ((0, 1), (1, 1), (8, 1))}},
        {"profiles": {"x": ((1, 1), (1, 1))}},
        {"profiles": {"x": ((1, 1), (1,), (8, 1))}},
    ],
)
def test_what_cannot_be(wrong: dict) -> None:
    with pytest.raises(ValueError):
        replace(FITS, **wrong)


def test_there_and_back() -> None:
    """As an index has it; one of before says nothing of system and flags."""
    for target in (FITS, replace(FITS, flags=("version_compatible",), system="Windows AMD64")):
        read = EngineTarget.from_fields(json.loads(json.dumps(target.to_fields())))
        assert json.dumps(read.to_fields()) == json.dumps(target.to_fields())
        assert ("system" in target.to_fields()) == bool(target.system)
    assert choose([replace(FITS, system=system())], HERE, "fp16")[0]
    assert "was built for Windows AMD64, this is" in choose([target], HERE, "fp16")[1]


def test_what_later_versions_and_newer_cards_run() -> None:
    compatible = replace(FITS, library="10.9.0.34", flags=("version_compatible",))
    assert choose([compatible], HERE, "fp16")[0] is compatible
    assert choose([replace(compatible, library="9.3.0")], HERE, "fp16")[0] is None
    ahead = replace(FITS, gpu="", compute_capabilities=("8.0", "8.6"))
    assert choose([ahead], HERE, "fp16")[0] is ahead, "built ahead of time, for older cards"
    assert choose([replace(ahead, compute_capabilities=("8.0", "9.0"))], HERE, "fp16")[0] is None
