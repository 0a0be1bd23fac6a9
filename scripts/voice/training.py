"""Trains a small FastSpeech on a teacher's utterances, one process, resumable."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scripts.voice.corpus import Example
from scripts.voice.loss import losses
from zoo.files import atomic
from zoo.layers.length import length_mask
from zoo.networks.synthesis import SynthesisNetwork
from zoo.text.symbols import PHONEMES, VOWELS

MODEL = "fastspeech_small"
BATCH, RATE, WARM_UP = 16, 1e-3, 400
_LIKE = {";": ",", ":": ",", "-": " ", "(": " ", ")": " ", "'": " "}
Batch = tuple[Tensor, Tensor, Tensor, Tensor]


def batches(examples: list[Example], seed: int) -> Iterator[Batch]:
    """Batches of about equally long utterances, endlessly, each time in another order."""
    random = np.random.default_rng(seed)
    while True:
        order = sorted(range(len(examples)), key=lambda i: len(examples[i].mel) * random.uniform(0.9, 1.1))
        groups = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
        for group in random.permutation(len(groups)):
            yield collate([_ending(examples[i], random.random()) for i in groups[group]])


def _ending(example: Example, roll: float) -> Example:
    """An utterance; one in ten without its last mark and the pause there, one in ten with a comma for it."""
    if roll < 0.1 and example.durations[-1] < len(example.mel):
        left = len(example.mel) - example.durations[-1]
        return Example(example.ids[:-1], example.durations[:-1], example.mel[:left])
    if roll > 0.9:
        return replace(example, ids=(*example.ids[:-1], PHONEMES.index(",")))
    return example


def collate(examples: list[Example]) -> Batch:
    """Padded ids (B, S), lengths (B,), durations (B, S) and frames (B, F, mels)."""
    lengths = [len(example.ids) for example in examples]
    ids = torch.zeros(len(examples), max(lengths), dtype=torch.long)
    durations = torch.zeros(ids.shape)
    mel = torch.zeros(len(examples), max(len(e.mel) for e in examples), examples[0].mel.shape[1])
    for row, example in enumerate(examples):
        ids[row, : lengths[row]] = torch.tensor(example.ids)
        durations[row, : lengths[row]] = torch.tensor(example.durations, dtype=torch.float32)
        mel[row, : len(example.mel)] = torch.from_numpy(example.mel)
    return ids, torch.tensor(lengths), durations, mel


def train(
    model: SynthesisNetwork,
    examples: list[Example],
    held_out: list[Example],
    folder: Path,
    *,
    steps: int,
    bfloat16: bool = False,
    pause: Path | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Train, or go on with what the folder holds.

    Nothing is dropped at random: a synthesiser says a sentence always alike, so there is no noise to learn by
    heart, and no utterance comes more than some ten times.

    Args:
        model: with random weights; trained in place, and in eval mode at the end.
        examples, held_out: to learn from, and to judge by.
        folder: for ``checkpoint_NNNNNN.pt``, of which the last two stay.
        steps: of the whole training; the learning rate falls to nothing over them.
        bfloat16: multiply in 16 bits: half the time where the processor can (AVX-512 BF16, AMX).
        pause: a file while which exists nothing is computed.
        say: called with a line now and then.
    """
    model.mel_linear.bias.data.copy_(
        torch.from_numpy(np.concatenate([e.mel for e in examples[:500]]).mean(0))
    )
    _drop_nothing(model)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    step = _resume(model, optimiser, folder)
    stream, started, told = batches(examples, seed=step), time.monotonic(), [0.0, 0.0]
    model.train()
    while step < steps:
        while pause is not None and pause.exists():
            time.sleep(5)
        for group in optimiser.param_groups:
            cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
            group["lr"] = RATE * min(1.0, (step + 1) / WARM_UP) * cosine
        ids, lengths, durations, mel = next(stream)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            result = model(ids, lengths, durations=durations, frames=mel.shape[1])
        mel_loss, duration_loss = losses(result, lengths, mel, durations)
        optimiser.zero_grad()
        (mel_loss + duration_loss).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        step += 1
        told = [0.98 * told[0] + 0.02 * mel_loss.item(), 0.98 * told[1] + 0.02 * duration_loss.item()]
        if step % 200 == 0 or step == steps:
            error, duration = judge(model, held_out)
            seconds = time.monotonic() - started
            say(
                f"step {step}: mel {told[0]:.4f}, durations {told[1]:.4f}; unseen: mel L1 {error:.4f}, "
                f"durations off by {duration:.3f} frames; {seconds:.0f} s"
            )
            _keep(model, optimiser, folder, step)
    model.eval()


def _drop_nothing(model: SynthesisNetwork) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0


@torch.no_grad()
def fill_in(model: SynthesisNetwork, said: Collection[int] = ()) -> None:
    """Give symbols that the teacher never says the embedding of one that it does, in place.

    A vowel without a stress is unstressed, one with the second is stressed, and one that is only said
    stressed is so without; other marks pause like a comma, or take no time as a space.

    Args:
        model: trained.
        said: ids that the teacher says; of these none is changed.
    """
    rows = model.word_emb.weight
    likes = [
        *_LIKE.items(),
        *((f"@{v}0", f"@{v}1") for v in VOWELS if said),
        *((f"@{v}", f"@{v}0") for v in VOWELS),
    ]
    for symbol, like in [*likes, *((f"@{v}2", f"@{v}1") for v in VOWELS)]:
        if (place := PHONEMES.index(symbol)) not in said:
            rows[place] = rows[PHONEMES.index(like)]


@torch.inference_mode()
def judge(model: SynthesisNetwork, held_out: list[Example]) -> tuple[float, float]:
    """Mean difference of log-mel frames with the teacher's durations, and of durations in frames."""
    training = model.training
    model.eval()
    frames_off, frames, tokens_off, tokens = 0.0, 0, 0.0, 0
    for start in range(0, len(held_out), BATCH):
        ids, lengths, durations, mel = collate(held_out[start : start + BATCH])
        result = model(ids, lengths, durations=durations, frames=mel.shape[1])
        own = length_mask(result.mel_lengths, mel.shape[1]).unsqueeze(2)
        frames_off += float(((result.mel - mel).abs() * own).sum())
        frames += int(own.sum()) * mel.shape[2]
        spoken = length_mask(lengths, ids.shape[1])
        tokens_off += float(((result.durations - durations).abs() * spoken).sum())
        tokens += int(spoken.sum())
    model.train(training)
    return frames_off / frames, tokens_off / tokens


def _resume(model: SynthesisNetwork, optimiser: torch.optim.Optimizer, folder: Path) -> int:
    found = sorted(folder.glob("checkpoint_*.pt"))
    if not found:
        return 0
    content = torch.load(found[-1], weights_only=True)
    model.load_state_dict(content["model"])
    optimiser.load_state_dict(content["optim"])
    return int(content["step"])


def _keep(model: SynthesisNetwork, optimiser: torch.optim.Optimizer, folder: Path, step: int) -> None:
    content = {"step": step, "model": model.state_dict(), "optim": optimiser.state_dict()}
    with atomic(folder / f"checkpoint_{step:06d}.pt") as temporary:
        torch.save(content, temporary)
    for old in sorted(folder.glob("checkpoint_*.pt"))[:-2]:
        old.unlink()
