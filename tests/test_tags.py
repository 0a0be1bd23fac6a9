"""The names of tags that editors complete."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

import zoo
from scripts import write_tags
from zoo import tags
from zoo.errors import CheckpointError
from zoo.hub.weights import locate
from zoo.registry import find_weights


def test_the_module_is_what_the_registry_says() -> None:
    assert write_tags.TARGET.read_text() == write_tags.source(), "run python -m scripts.write_tags"


@pytest.mark.parametrize("name", [name for name in zoo.list_models() if zoo.get_spec(name).weights])
def test_every_tag_of_every_model(name: str) -> None:
    spec, found = zoo.get_spec(name), getattr(zoo.tags, name)
    assert [str(tag) for tag in found] == [weights.tag for weights in spec.weights]
    assert spec.weights[0].tag == found.DEFAULT
    for tag in found:
        assert find_weights(spec, tag).tag == tag == f"{tag}" == os.fspath(tag) == Path(tag).name
        assert pickle.loads(pickle.dumps(tag)) is tag


def test_a_tag_is_taken_where_its_string_is() -> None:
    located = locate(zoo.get_spec("gtcrn"), tags.gtcrn.DEFAULT)
    assert located.path == locate(zoo.get_spec("gtcrn"), "speechzoo").path
    model = zoo.create_model("gtcrn", tags.gtcrn.SPEECHZOO)
    assert model.provenance["source"] == "speechzoo"
    assert zoo.create_model("gtcrn", pretrained=True).provenance == model.provenance
    assert zoo.create_model("gtcrn", "default", pretrained=True).provenance == model.provenance
    with pytest.raises(CheckpointError, match=r"pretrained=True takes .* and weights='dns3' names others"):
        zoo.create_model("gtcrn", tags.gtcrn.DNS3, pretrained=True)
