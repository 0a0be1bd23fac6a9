"""Write the names that editors complete, ``zoo/tags.py``, from the registry: python -m scripts.write_tags"""

from __future__ import annotations

import sys
from pathlib import Path

from zoo.registry import get_spec, list_models
from zoo.spec import ModelSpec

TARGET = Path(__file__).resolve().parent.parent / "zoo/tags.py"
HEAD = '''\
"""Trained weights by tag, so that editors complete them: ``create_model("gtcrn", zoo.tags.gtcrn.DNS3)``.

A tag is its own string, "dns3" here, and ``DEFAULT`` the one that a model recommends.
Written from the registry.
"""

from enum import Enum


class Tag(str, Enum):
    """Weights of a model."""

    __str__ = str.__str__
'''


def main() -> int:
    TARGET.write_text(source())
    return 0


def source() -> str:
    """The module: a class for every model with weights, of its name."""
    specs = map(get_spec, sorted(list_models()))
    return "\n\n".join([HEAD, *(_enumeration(spec) for spec in specs if spec.weights)])


def member(tag: str) -> str:
    """The name of a tag: ``dns3-stream`` becomes ``DNS3_STREAM``, ``48k`` ``TAG_48K``."""
    name = tag.upper().replace("-", "_")
    return name if name.isidentifier() else f"TAG_{name}"


def _enumeration(spec: ModelSpec) -> str:
    members = "".join(f'    {member(w.tag)} = "{w.tag}"\n' for w in spec.weights)
    default = f"    DEFAULT = {member(spec.weights[0].tag)}\n"
    return f'class {spec.name}(Tag):\n    """Weights of {spec.title}."""\n\n{members}{default}'


if __name__ == "__main__":
    sys.exit(main())
