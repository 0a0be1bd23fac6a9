"""Every figure that a command prints under a heading is explained, there and in the glossary."""

from __future__ import annotations

import re

import pytest

from tests.data import ROOT
from zoo.benchmark.tables import FIGURES
from zoo.cli import main
from zoo.evaluation.metrics import HEADINGS
from zoo.figures import explain, explain_table

PLAIN = {"median ms", "ms a frame", "memory MB"}  # which say what they are


@pytest.mark.parametrize("heading", [*HEADINGS.values(), *(heading for heading, _ in FIGURES)])
def test_a_heading_is_explained(heading: str, capsys: pytest.CaptureFixture[str]) -> None:
    explain_table([heading])
    told = capsys.readouterr()
    assert told.out == "" and len(told.err.splitlines()) == (heading not in PLAIN)
    assert heading in PLAIN or heading.startswith(told.err.strip().partition(":")[0])


def test_the_list_explains_its_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--task", "enhancement"]) == 0
    told = capsys.readouterr()
    assert told.err.splitlines() == [
        f"  {word}: {meaning}"
        for word, meaning in explain(("parameters", "MACs/s", "hop", "latency", "RTF")).items()
    ]
    assert len(told.err.splitlines()) == 5 and "arithmetic" not in told.out
    assert main(["list", "--json"]) == 0
    assert capsys.readouterr().err == ""


def test_the_glossary_has_the_figures_of_quality_and_speed() -> None:
    rows = re.findall(r"^\| ([^|]+) \|", (ROOT / "docs/glossary.md").read_text(), re.M)
    names = {name.strip() for row in rows for name in row.split(",")}
    wanted = {"SI-SDR", "PESQ", "STOI", "DNSMOS", "EER", "minDCF", "latency", "RTF", "MACs/s", "p99", "hop"}
    assert wanted <= names
