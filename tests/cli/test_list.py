"""`speechzoo list` and `speechzoo info`: every model, with what is known of it."""

from __future__ import annotations

import json

import pytest

import zoo
from zoo.cli import main
from zoo.figures import EXPLAINED
from zoo.speeds import speeds

Capture = pytest.CaptureFixture[str]


def test_every_model_has_its_line(capsys: Capture) -> None:
    assert main(["list"]) == 0
    *tables, last = capsys.readouterr().out.split("\n\n")
    heads = [table.splitlines()[0].split() for table in tables]
    assert heads[0] == ["name", "rate", "parameters", "MACs/s", "hop", "latency", "RTF", "weights"]
    assert all(head[0] == "name" and head[-1] == "weights" for head in heads)
    names = [line.split()[0] for table in tables for line in table.splitlines()[1:]]
    assert sorted(names) == sorted(zoo.list_models())
    assert last.strip() == f"RTF: {speeds()}"


def test_json_has_what_the_table_has(capsys: Capture) -> None:
    assert main(["list", "--json", "--task", "enhancement"]) == 0
    records = {record["name"]: record for record in json.loads(capsys.readouterr().out)}
    assert list(records) == zoo.list_models("enhancement")
    for name, record in records.items():
        spec = zoo.get_spec(name)
        assert record["weights"] == [weights.tag for weights in spec.weights]
        assert record["real_time_factor"] == speeds().real_time_factor.get(name)
    assert min(speeds().real_time_factor.values()) > 0
    assert set(speeds().real_time_factor) <= set(records)


@pytest.mark.parametrize("name", zoo.list_models())
def test_info_tells_all_weights(name: str, capsys: Capture) -> None:
    assert main(["info", name]) == 0
    text = capsys.readouterr().out
    spec = zoo.get_spec(name)
    for expected in (spec.paper, spec.url, f"{spec.parameters:,}", f"{spec.front_end.sample_rate} Hz"):
        assert expected in text
    explained = text.partition("what the figures mean:")[2]
    for weights in spec.weights:
        assert f"weights {weights.tag}: {weights.licence}" in text and weights.sha256 in text
        for metric in weights.metrics:  # by a word of its name at least
            assert any(word in metric for word in EXPLAINED if f"  {word}: " in explained), metric
    assert "  parameters: trained numbers" in explained and "  multiply-adds: " in explained
    assert main(["info", name, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [weights["tag"] for weights in record["weights"]] == [weights.tag for weights in spec.weights]
