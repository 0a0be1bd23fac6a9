"""Trains a vocoder, one process, resumable."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scripts.vocoder.discriminator import Discriminator, deceiver_loss, judge_loss
from scripts.vocoder.loss import MEL_WEIGHT, SpectralLoss
from scripts.vocoder.speech import Recording, lengths, segments
from zoo.files import atomic
from zoo.networks.vocoder import VocoderNetwork

LAST = "last.pt"
WARM = 8  # frames before those that are compared
AVERAGED = 0.999  # of the parameters' mean that is kept at each step
UNSEEN = 1_000_000  # seed of the stretches that judge


@dataclass(frozen=True)
class Settings:
    """How it is trained.

    Attributes:
        steps: of the whole training.
        batch, frames: stretches of a step, and frames of each that are compared.
        rate: of learning at its highest, behind ``warm_up`` steps; it halves every ``half`` steps.
        adversarial: the step from which a discriminator takes part.
        every: steps between two verdicts and checkpoints.
    """

    steps: int = 60_000
    batch: int = 8
    frames: int = 48
    rate: float = 1e-3
    warm_up: int = 200
    half: int = 15_000
    adversarial: int = 12_000
    every: int = 200


def train(
    model: VocoderNetwork,
    speech: Sequence[Recording],
    unseen: Sequence[Recording],
    folder: Path,
    settings: Settings,
    say: Callable[[str], None] = print,
) -> None:
    """Train, or go on with what the folder holds; the mean of the parameters is left in the model, in eval
    mode.

    Args:
        model: with random weights.
        speech, unseen: recordings at the model's rate: to learn from, and to judge by.
        folder: for ``last.pt`` and ``vocoder.pt``, the mean of the parameters alone.
        settings: of the training.
        say: called with a line at each checkpoint.
    """
    run = _Run(model, settings)
    run.load(folder / LAST)
    samples, first_made, first_real = lengths(model.spec, settings.frames, WARM)
    stream = segments(speech, samples, settings.batch, run.step, model.spec.front_end)
    started, told = time.monotonic(), [0.0, 0.0, 0.0]
    count = settings.frames * model.spec.front_end.hop_length
    while run.step < settings.steps:
        wave, frames = next(stream)
        found = run.learn(frames, wave[:, first_real:][:, :count], first_made)
        told = [0.98 * a + 0.02 * b for a, b in zip(told, found, strict=True)]
        if run.step % settings.every == 0 or run.step == settings.steps:
            spectra, mel = run.judge(unseen)
            seconds = time.monotonic() - started
            say(
                f"step {run.step}: spectra {told[0]:.4f}, mel {told[1]:.4f}, deceiving {told[2]:.3f}; "
                f"unseen: "
                f"spectra {spectra:.4f}, mel L1 {mel:.4f}; {seconds:.0f} s"
            )
            run.keep(folder)
    model.load_state_dict(run.mean.state_dict())
    model.eval()


class _Run:
    """The state of a training."""

    def __init__(self, model: VocoderNetwork, settings: Settings) -> None:
        self.model, self.settings, self.step = model, settings, 0
        self.mean = copy.deepcopy(model).eval().requires_grad_(False)
        self.discriminator = Discriminator()
        options: dict[str, Any] = {"lr": settings.rate, "betas": (0.8, 0.98), "weight_decay": 0.01}
        self.optimiser = torch.optim.AdamW(model.parameters(), **options)
        self.judging = torch.optim.AdamW(self.discriminator.parameters(), **options)
        self.loss = SpectralLoss(model.spec.front_end)

    def learn(self, frames: Tensor, real: Tensor, first: int) -> tuple[float, float, float]:
        """One step; gives what was minimised: spectra, frames, and how the discriminator was deceived."""
        self.model.train()
        for optimiser in (self.optimiser, self.judging):
            for group in optimiser.param_groups:
                group["lr"] = self._rate()
        made, _ = self.model(frames)
        made = made[:, first:][:, : real.shape[1]]
        spectra, mel = self.loss(made, real)
        total, deceiving = spectra + MEL_WEIGHT * mel, made.new_zeros(())
        if self.step >= self.settings.adversarial:
            self._judge_learns(made.detach(), real)
            with torch.no_grad():
                known = self.discriminator(real)
            deceiving = deceiver_loss(known, self.discriminator(made))
            total = total + 0.5 * deceiving
        self.optimiser.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        kept = min(AVERAGED, 1 - 1 / (1 + self.step / 10))
        with torch.no_grad():
            for mean, own in zip(self.mean.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(own, 1 - kept)
        return spectra.item(), mel.item(), deceiving.item()

    def _judge_learns(self, made: Tensor, real: Tensor) -> None:
        loss = judge_loss(self.discriminator(real), self.discriminator(made))
        self.judging.zero_grad()
        loss.backward()
        self.judging.step()

    def _rate(self) -> float:
        own = self.settings
        return own.rate * min(1.0, (self.step + 1) / own.warm_up) * 0.5 ** (self.step / own.half)

    @torch.inference_mode()
    def judge(self, unseen: Sequence[Recording]) -> tuple[float, float]:
        """Both distances of the mean parameters on the same stretches of unseen speech every time."""
        samples, first_made, first_real = lengths(self.model.spec, self.settings.frames, WARM)
        real, frames = next(segments(unseen, samples, 16, UNSEEN, self.model.spec.front_end))
        made, _ = self.mean(frames)
        count = self.settings.frames * self.model.spec.front_end.hop_length
        spectra, mel = self.loss(made[:, first_made:][:, :count], real[:, first_real:][:, :count])
        return spectra.item(), mel.item()

    def keep(self, folder: Path) -> None:
        parts = {name: getattr(self, name).state_dict() for name in self._parts}
        with atomic(folder / LAST) as temporary:
            torch.save({"step": self.step, **parts}, temporary)
        with atomic(folder / "vocoder.pt") as temporary:
            torch.save({"model": self.mean.state_dict(), "step": self.step}, temporary)

    def load(self, path: Path) -> None:
        if path.exists():
            content = torch.load(path, weights_only=True)
            self.step = int(content["step"])
            for name in self._parts:
                getattr(self, name).load_state_dict(content[name])

    _parts = ("model", "mean", "discriminator", "optimiser", "judging")
