"""The loop: steps, averaged weights, validation, and files from which a run goes on exactly."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import pickle
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from scripts.training.loss import Balance, EnhancementLoss
from scripts.training.mixtures import Mixtures
from scripts.training.optimisation import learning_rate, parameter_groups
from scripts.training.teacher import Teacher, streamed
from scripts.training.validation import validate
from zoo.errors import CheckpointError, SpeechZooError
from zoo.evaluation.pairs import Pair
from zoo.files import atomic
from zoo.networks.streaming import StreamingModule
from zoo.streaming.waveform import WaveformModel

Tensors = tuple[Tensor, ...] | list[Tensor]

LAST, BEST, LOG = "last.pt", "best.safetensors", "log.jsonl"
PESQ_WORTH, STOI_WORTH = 10.0, 100.0  # dB of SI-SDR, where the best weights are chosen
MOST_FAILURES = 20  # steps in a row whose gradient is not finite


class TrainingError(SpeechZooError):
    """A run that cannot go on."""


@dataclass(frozen=True)
class Settings:
    """What decides the result of a run, besides the recordings.

    Attributes:
        model: registered name.
        steps: of the whole run.
        batch, seconds: mixtures of a step and their length.
        lr: highest learning rate.
        warm_up: steps until it is reached.
        decay: of weights (AdamW).
        clip: largest norm of a gradient.
        average: decay of the averaged weights.
        perceptual, intelligibility: weights of these distances in the loss.
        seed: of weights and mixtures.
        weights: what the run starts from, if not random.
        teacher: MODEL=TAG or MODEL=PATH whose output is a second target, if any.
        teach: share of the loss that is against it.
    """

    model: str
    steps: int = 20000
    batch: int = 16
    seconds: float = 2.0
    lr: float = 2e-3
    warm_up: int = 500
    decay: float = 0.01
    clip: float = 5.0
    average: float = 0.999
    perceptual: float = 4.0
    intelligibility: float = 20.0
    seed: int = 0
    weights: str = ""
    teacher: str = ""
    teach: float = 0.5


# Settings that runs from before them do not have.
_LATER = {"teacher": Settings.teacher, "teach": Settings.teach}


class Trainer:
    """Trains one network.

    Args:
        network: training form, on the device to train on.
        settings: of the run.
        mixtures: makes the batches.
        pairs: to validate on.
        folder: for checkpoints and the log.
        perceptual: how many of the pairs PESQ and STOI are measured on.
        folders: where the recordings are, by option of scripts.train; for the record.
        say: prints a line.
    """

    def __init__(
        self,
        network: StreamingModule,
        settings: Settings,
        mixtures: Mixtures,
        pairs: Sequence[Pair],
        folder: Path,
        *,
        perceptual: int = 12,
        folders: Mapping[str, Sequence[str]] | None = None,
        say: Callable[[str], object] = print,
    ) -> None:
        self.settings, self.mixtures, self.pairs, self.folder = settings, mixtures, pairs, folder
        self.perceptual, self.say = perceptual, say
        self.folders = {name: list(paths) for name, paths in (folders or {}).items()}
        self.device = next(network.parameters()).device
        self.model = WaveformModel(network).to(self.device).train()
        self.averaged = AveragedModel(
            network, multi_avg_fn=warmed_average(settings.average), use_buffers=True
        )
        balance = Balance(perceptual=settings.perceptual, intelligibility=settings.intelligibility)
        self.loss = EnhancementLoss(network.spec.front_end, balance).to(self.device)
        self.optimizer = torch.optim.AdamW(
            parameter_groups(network, settings.decay), lr=settings.lr, betas=(0.9, 0.99)
        )
        self.teacher: Teacher | None = None
        if settings.teacher:
            rate = network.spec.front_end.sample_rate
            self.teacher = Teacher(settings.teacher, rate, self.device)
        self.step, self.best, self.failures = 0, float("-inf"), 0
        self._stopped = False

    def run(self, *, validate_every: int, log_every: int = 50, save_every: int = 500) -> bool:
        """Train until the last step, or until the process is asked to end (SIGINT, SIGTERM).

        Returns:
            whether the last step was reached.

        Raises:
            TrainingError: gradients are not finite, again and again.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._cut_log()
        sums: dict[str, float] = {}
        began, count = time.perf_counter(), 0
        bar = tqdm(total=self.settings.steps, initial=self.step, unit="step", disable=not sys.stderr.isatty())
        with self._stop_signals(), bar:
            while self.step < self.settings.steps and not self._stopped:
                for name, value in self.train_step().items():
                    sums[name] = sums.get(name, 0.0) + value
                count += 1
                bar.update()
                last = self.step == self.settings.steps
                if self.step % log_every == 0 or last:
                    means = {name: value / count for name, value in sums.items()}
                    seconds = (time.perf_counter() - began) / count
                    self._log({"step": self.step, **means, "seconds": seconds})
                    bar.set_postfix(loss=f"{means['loss']:.3f}", best=f"{self.best:.2f}")
                    sums, count, began = {}, 0, time.perf_counter()
                if self.step % validate_every == 0 or last:
                    before = time.perf_counter()
                    self.validate()
                    began += time.perf_counter() - before
                if self.step % save_every == 0 or self.step % validate_every == 0 or last:
                    self.save()
        if self._stopped:
            self.save()
            self.say(f"stopped after step {self.step} of {self.settings.steps}; --resume goes on from there")
        return not self._stopped

    def train_step(self) -> dict[str, float]:
        """One update of the weights: loss, its terms, gradient norm and learning rate."""
        rate = learning_rate(
            self.step, self.settings.steps, peak=self.settings.lr, warm_up=self.settings.warm_up
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        noisy, target = self.mixtures.make(self.step)
        spectrum, wave = streamed(self.model, noisy)
        loss, terms = self.loss(spectrum, wave, target, noisy)
        if self.teacher is not None:
            taught, _ = self.loss(spectrum, wave, self.teacher.targets(noisy, target), noisy)
            loss = (1 - self.settings.teach) * loss + self.settings.teach * taught
            terms["taught"] = taught
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = float(clip_grad_norm_(self.model.parameters(), self.settings.clip))
        self.step += 1
        if not norm < float("inf"):
            self.failures += 1
            if self.failures >= MOST_FAILURES:
                raise TrainingError(
                    f"step {self.step}: the gradient was not finite {self.failures} times in a row; "
                    f"start again with a lower --lr"
                )
            return {}
        self.failures = 0
        self.optimizer.step()
        self.averaged.update_parameters(self.model.core)
        values = {name: float(value.detach()) for name, value in terms.items()}
        return {"loss": float(loss.detach()), **values, "norm": norm, "lr": rate}

    def validate(self) -> dict[str, float]:
        """Measure the averaged weights, log it, and keep them if they are the best so far."""
        network = cast(StreamingModule, self.averaged.module)
        figures = validate(WaveformModel(network).to(self.device).eval(), self.pairs, self.perceptual)
        self.averaged.module.train()
        self._log({"step": self.step, **{f"valid_{name}": value for name, value in figures.items()}})
        worth = {"si_sdr": 1.0, "pesq": PESQ_WORTH, "stoi": STOI_WORTH}
        score = sum(worth[name] * figures[name] for name in worth if not math.isnan(figures[name]))
        better = score > self.best
        if better:
            self.best = score
            params = {
                name: value.cpu().contiguous() for name, value in self.averaged.module.state_dict().items()
            }
            metadata = {"model": self.settings.model, "step": str(self.step)}
            metadata |= {name: f"{value:.4f}" for name, value in figures.items()}
            with atomic(self.folder / BEST) as temporary:
                save_file(params, temporary, metadata)
        shown = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
        self.say(f"step {self.step}: {shown}{' (best)' if better else ''}")
        return figures

    def save(self) -> None:
        """Write all that ``load`` needs."""
        content = {
            "model": self.model.core.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "best": self.best,
            "settings": asdict(self.settings),
            "recipe": asdict(self.mixtures.recipe),
            "folders": self.folders,
        }
        with atomic(self.folder / LAST) as temporary:
            torch.save(content, temporary)

    def load(self) -> None:
        """Go on where ``save`` was called.

        Raises:
            CheckpointError: no checkpoint, a damaged one, or one of a run with other settings.
        """
        path, content = self.folder / LAST, read_run(self.folder)
        settings = {**_LATER, **content["settings"]}
        own = asdict(self.settings)
        changed = [f"{n} {settings.get(n)!r} -> {own[n]!r}" for n in own if settings.get(n) != own[n]]
        if changed:
            raise CheckpointError(
                f"{path}: the run has other settings ({', '.join(changed)}); resume with its own, or "
                f"start another run with --weights in another folder"
            )
        self.model.core.load_state_dict(content["model"])
        self.averaged.load_state_dict(content["averaged"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.step, self.best = content["step"], content["best"]

    def _log(self, line: dict[str, Any]) -> None:
        rounded = {name: float(f"{v:.6g}") if isinstance(v, float) else v for name, v in line.items()}
        with open(self.folder / LOG, "a") as file:
            file.write(json.dumps(rounded) + "\n")

    def _cut_log(self) -> None:
        """Take out what was logged after the step that the run goes on from."""
        path = self.folder / LOG
        if path.exists():
            kept = [line for line in path.read_text().splitlines() if _step_of(line) <= self.step]
            with atomic(path) as temporary:
                temporary.write_text("".join(f"{line}\n" for line in kept))

    @contextlib.contextmanager
    def _stop_signals(self) -> Iterator[None]:
        """Let SIGINT and SIGTERM end the run after the step that is being made."""

        def stop(number: int, frame: FrameType | None) -> None:
            self._stopped = True

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def steps_within(
    seconds: float, network: StreamingModule, settings: Settings, mixtures: Mixtures, tries: int = 8
) -> int:
    """How many steps a run would make in some time, by making a few on a copy of the network.

    Args:
        seconds: for steps; validation comes on top.
        network, settings, mixtures: of the run.
        tries: steps that are measured, after two that are not.
    """
    trial = Trainer(copy.deepcopy(network), settings, mixtures, [], Path())
    for _ in range(2):
        trial.train_step()
    began = time.perf_counter()
    for _ in range(tries):
        trial.train_step()
    return max(1, int(seconds * tries / (time.perf_counter() - began)))


def read_run(folder: Path) -> dict[str, Any]:
    """What ``Trainer.save`` wrote.

    Raises:
        CheckpointError: no checkpoint, or a damaged one.
    """
    path = folder / LAST
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no run to resume; leave --resume out to start one")
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        content["settings"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"{path}: not a checkpoint of a run ({type(error).__name__}); start again"
        ) from error
    return content


def warmed_average(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """An exponential average for ``AveragedModel`` that forgets its beginning faster.

    After n updates its decay is (1 + n) / (10 + n), until that exceeds ``decay``.
    """

    def update(averaged: Tensors, current: Tensors, count: Tensor | int) -> None:
        n = int(count)
        share = 1 - min(decay, (1 + n) / (10 + n))
        for own, new in zip(averaged, current, strict=True):
            if own.is_floating_point():
                own.lerp_(new, share)
            else:
                own.copy_(new)

    return update


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")  # a line cut off by a crash
