"""Some seconds of mutated inputs; ``python -m tests.fuzz --minutes 30`` takes many more."""

from __future__ import annotations

import random

import pytest

from tests.fuzz import DOORS, attempt, bytes_of, data_of, fuzz


def test_nothing_but_errors_of_ours() -> None:
    found = fuzz(25, 1, list(DOORS))
    assert found.faults == []
    assert set(found.inputs) == set(DOORS), found.inputs


def test_a_fault_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(rng: random.Random, place: object) -> None:
        raise KeyError(rng.randrange(10**9))

    monkeypatch.setitem(DOORS, "text", broken)
    fault = attempt("text", 1, 5)
    assert fault.startswith("KeyError: ") and fault == attempt("text", 1, 5) != attempt("text", 1, 6)


def test_inputs_are_changed() -> None:
    content, data = bytes(range(256)), {"a": [1, {"b": "c"}], "d": 2}
    assert sum(bytes_of(content, random.Random(n)) != content for n in range(100)) > 90
    assert sum(data_of(data, random.Random(n)) != data for n in range(100)) > 80
