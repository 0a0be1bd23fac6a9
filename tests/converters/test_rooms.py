"""What tells tasks apart in the converters is in their rooms: a subject each, and what serves its models."""

from __future__ import annotations

import re
from pathlib import Path

import converters
from zoo.tasks import list_tasks

FOLDER = Path(converters.__file__).parent
ROOMS = re.compile(rf"(subjects|triton)/({'|'.join(list_tasks())})(_\w+)?\.py")
ASKED = re.compile(r"isinstance\([^)]*(Manifest|Spec|SpeakerNetwork|SynthesisNetwork|StreamingModule)\b")
NAMED = re.compile(rf"[\"']({'|'.join(list_tasks())})[\"']")


def test_nothing_else_tells_tasks_apart() -> None:
    """By no class of theirs and by no name."""
    found, rooms = [], 0
    for path in sorted(FOLDER.rglob("*.py")):
        name = path.relative_to(FOLDER).as_posix()
        if ROOMS.fullmatch(name):
            rooms += 1
            continue
        lines = path.read_text().splitlines()
        found += [f"{name}: {line.strip()}" for line in lines if ASKED.search(line) or NAMED.search(line)]
    assert found == [] and rooms >= len(list_tasks())
