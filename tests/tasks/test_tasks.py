"""The record of a task: every field is filled for every model; a second family needs no edit elsewhere."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.artifact.manifest import Manifest
from zoo.cli import main
from zoo.errors import UnknownModelError
from zoo.spec import ModelSpec
from zoo.tasks import get_task, list_tasks
from zoo.tasks.describe import lines, row, summary
from zoo.tasks.task import Task

Capture = pytest.CaptureFixture[str]


def test_the_tasks_are_those_of_the_models() -> None:
    assert set(list_tasks()) == {zoo.get_spec(name).task for name in zoo.list_models()}
    with pytest.raises(UnknownModelError, match="there is no task 'music'; there are enhancement, "):
        get_task("music")


@pytest.mark.parametrize("name", list_tasks())
def test_every_task_fills_every_field(name: str) -> None:
    task = get_task(name)
    assert type(task) is not Task and not inspect.isabstract(type(task))
    for field in inspect.get_annotations(Task, eval_str=True):
        assert getattr(task, field), field
    assert task.name == name == task.spec.task == task.manifest.task
    assert issubclass(task.spec, ModelSpec) and Manifest.of_task(name) is task.manifest
    assert task.manifest.recording.__name__.startswith("Golden")
    for model in zoo.list_models(name):
        spec = zoo.get_spec(model)
        assert isinstance(spec, task.spec)
        assert task.forms(spec)[0] == "training" and all(task.forms(spec))
        for told in (task.columns(spec), task.facts(spec), task.record(spec)):
            assert told and all(isinstance(key, str) for key in told)


@pytest.mark.parametrize("name", list_tasks())
def test_sizes_forms_and_multiply_adds_are_told_of_every_model(name: str, capsys: Capture) -> None:
    for model in zoo.list_models(name):
        spec = zoo.get_spec(model)
        assert {"name", "rate", "parameters", "MACs/s", "weights"} <= row(spec).keys()
        assert {"parameters", "multiply-adds", "forms"} <= lines(spec).keys()
        assert json.loads(json.dumps(summary(spec)))["macs_per_second"] == spec.macs_per_second > 0
    assert main(["info", zoo.list_models(name)[0]]) == 0
    told = capsys.readouterr().out
    assert "multiply-adds" in told and "forms" in told


def test_a_table_is_of_one_task() -> None:
    """The rows of a task have the same headings, so that they make one table."""
    for name in list_tasks():
        assert len({tuple(row(zoo.get_spec(model))) for model in zoo.list_models(name)}) == 1


MODEL = '''
"""A second network from text to frames, small enough to be read at a glance."""

from torch import nn

from zoo.layers.length import AddPositions, Repeat, length_mask, repeat_counts
from zoo.networks.synthesis import Prediction, SynthesisNetwork


class Tiny(SynthesisNetwork):
    over_frames = ("repeat", "mel")

    def __init__(self, spec, *, channels, positions):
        super().__init__()
        self.spec = spec
        self.embedding = nn.Embedding(len(spec.symbols), channels, padding_idx=0)
        self.position = AddPositions(channels, positions)
        self.duration = nn.Linear(channels, 1)
        self.repeat = Repeat()
        self.mel = nn.Linear(channels, spec.front_end.mels)

    @property
    def longest(self):
        return self.position.longest

    def predict(self, ids, lengths, alpha, durations, frames):
        mask = length_mask(lengths, ids.shape[1])
        x = self.position(self.embedding(ids), mask)
        log_durations = (self.duration(x).squeeze(2) + 1.5) * mask
        predicted = (log_durations.exp() - 1).clamp_min(0)
        wanted = predicted if durations is None else predicted.where(durations < 0, durations) * mask
        repeats = repeat_counts(wanted, alpha)
        mel_lengths = repeats.sum(1).long()
        if frames is None:
            frames = min(max(1, int(mel_lengths.max())), self.longest)
        return Prediction(self.mel(self.repeat(x, repeats, frames)), mel_lengths, predicted, log_durations)
'''
SPECS = '''
"""Tiny: an example of a family for text to speech."""

from zoo.spec import MelSpectrum, SynthesisSpec
from zoo.text.symbols import SYMBOLS

SPECS = (
    SynthesisSpec(
        name="tiny",
        family="tiny",
        title="Tiny",
        paper="none",
        url="https://example.org",
        licence="MIT",
        front_end=MelSpectrum(),
        network="zoo.models.tiny.model:Tiny",
        options={"channels": 16, "positions": 64},
        parameters=1,
        symbols=SYMBOLS,
        macs_per_second=1,
        buckets=((16, 64),),
    ),
)
'''
PROGRAM = """
import sys

import zoo.models

zoo.models.__path__.append(sys.argv[1])
import torch

import converters
import zoo

torch.manual_seed(0)
model = zoo.create_model("tiny")
path = f"{sys.argv[1]}/tiny.onnx"
converters.export_synthesis(model, path, tokens=16, frames=64)
assert zoo.verify(path).passed
for source in (model, path):
    speech = zoo.Synthesizer(source, vocoder="griffin-lim")("Hello.")
    assert len(speech.waveform) > 1000, len(speech.waveform)
print(zoo.Synthesizer(path).session.buckets, *zoo.list_models("synthesis"))
"""


def test_a_second_family_for_speech_is_a_folder_alone(tmp_path: Path) -> None:
    """Exported behind the gate, verified, and spoken with: nothing but its folder knows of it."""
    from tests.interpreter import python

    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny/model.py").write_text(MODEL)
    (tmp_path / "tiny/__init__.py").write_text(SPECS)
    done = python(PROGRAM.replace("sys.argv[1]", repr(str(tmp_path))), hidden=())
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["((16,", "64),)", "fastspeech", "fastspeech_small", "tiny"]


@pytest.mark.parametrize("threads", [0, -1, "2", True, 1.0, 100000])
def test_threads_are_one_or_more(threads: object) -> None:
    """Refused by all in one sentence, before anything is opened."""
    for call in (
        lambda: zoo.Enhancer("gtcrn", threads=threads),
        lambda: zoo.StreamBatcher("gtcrn", threads=threads),
        lambda: zoo.Synthesizer(threads=threads),
        lambda: zoo.Embedder("missing.onnx", threads=threads),
    ):
        with pytest.raises(ValueError, match=rf"threads must be .*from 1 to 1024, not {threads!r}"):
            call()
    assert zoo.Enhancer("gtcrn", threads=np.int64(2)).backend == "onnxruntime"
