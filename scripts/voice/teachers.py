"""What is told of a voice by whom it learned from: licence, data, and how it is made again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from zoo.errors import ArtifactError
from zoo.files import atomic
from zoo.limits import check_fields

RECORD = "run.json"  # in the folder of a training
HIBARI = "hibari"


@dataclass(frozen=True)
class Teacher:
    """A synthesiser whose speech a voice is trained on.

    Attributes:
        licence: SPDX identifier of the weights.
        training_data: what they were trained on, in a line.
        told: more of it, for the card.
        terms: what the teacher's licence asks for.
        made_by: commands that make the data, and train on it.
    """

    licence: str
    training_data: str
    told: str
    terms: str
    made_by: str


TEACHERS = {
    HIBARI: Teacher(
        licence="Apache-2.0",
        training_data="{sentences} English sentences, {hours} hours, spoken by hibari-tts 0.2.1 "
        "(Apache-2.0) with its voice heart, which was distilled from the voice af_heart of Kokoro-82M "
        "(Apache-2.0)",
        told="Three in four are from texts in the public domain or as free: the examples of WordNet, "
        "addresses on the State of the Union, Moby-Dick, the Jargon File; one in five is a question, a list, "
        "a number or letters by a pattern, one in twenty random words. Phonemes are mostly the package's "
        "own reading of the sentence, and their times the teacher's.",
        terms="The teacher, and the teacher's teacher, are under Apache-2.0, and so are these weights",
        made_by="pip install hibari-tts==0.2.1 onnx\n"
        "python -m scripts.make_voice_data --hours {hours} --output voice/data --text ...  # its --help\n"
        "python -m scripts.train_voice --data voice/data --output voice/run --steps {steps} --bfloat16",
    ),
}


@dataclass(frozen=True)
class RunRecord:
    """What a training learned from.

    Attributes:
        teacher: one of ``TEACHERS``.
        sentences: that it learned from.
        hours: of them.
        symbols: ids that are in them.
    """

    teacher: str
    sentences: int
    hours: float
    symbols: tuple[int, ...]

    def write(self, folder: Path) -> None:
        """Keep it in the training's folder."""
        with atomic(folder / RECORD) as temporary:
            temporary.write_text(json.dumps(asdict(self)) + "\n")


def read_record(folder: Path) -> RunRecord:
    """The record of a training's folder.

    Raises:
        ArtifactError: it has none, or it is damaged.
    """
    path = folder / RECORD
    try:
        data = json.loads(path.read_text())
        found = RunRecord(**{**data, "symbols": tuple(data["symbols"])})
        if found.teacher not in TEACHERS:
            raise ValueError(f"no teacher {found.teacher!r}")
        check_fields(found)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: expected the record of scripts.train_voice ({error})") from error
    return found
