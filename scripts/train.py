"""Train an enhancement model on folders of speech and noise: python -m scripts.train --help"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

import zoo
from scripts.training.mixtures import Mixtures, Recipe
from scripts.training.recordings import load
from scripts.training.trainer import BEST, LAST, LOG, Settings, Trainer, TrainingError, read_run, steps_within
from zoo.errors import SpeechZooError
from zoo.evaluation.pairs import mixed_pairs
from zoo.spec import EnhancementSpec

EXAMPLE = """The folder --out gets last.pt (to go on from, with --resume and the same arguments), log.jsonl
and best.safetensors (averaged weights that were best in validation; speechzoo enhance reads them).

  python -m scripts.train fastenhancer_t --speech speech/train --noise noise/train \\
      --valid-speech speech/valid --valid-noise noise/valid --out out/fastenhancer_t
"""
FOLDERS = ("speech", "noise", "valid_speech", "valid_noise")  # options that name folders


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    torch.set_flush_denormal(True)  # silence would be slow on a CPU
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        if arguments.plot:
            from scripts.training.curves import plot_log

            plot_log(arguments.out / LOG, arguments.plot)
            return 0
        return 0 if _trainer(arguments).run(validate_every=arguments.validate_every) else 130
    except (SpeechZooError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _trainer(arguments: argparse.Namespace) -> Trainer:
    spec = zoo.get_spec(arguments.model, EnhancementSpec)
    missing = [f"--{name.replace('_', '-')}" for name in FOLDERS if getattr(arguments, name) is None]
    if missing:
        raise TrainingError(f"training needs {', '.join(missing)}: folders of recordings")
    if (arguments.out / LAST).exists() and not arguments.resume:
        raise TrainingError(f"{arguments.out} holds a run; add --resume, or name another folder")
    names = ("model", "steps", "batch", "seconds", "lr", "warm_up", "perceptual", "intelligibility", "seed")
    texts = {name: str(getattr(arguments, name) or "") for name in ("weights", "teacher")}
    settings = Settings(**{name: getattr(arguments, name) for name in names}, **texts, teach=arguments.teach)
    device = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(settings.seed)
    network = zoo.create_model(spec.name, arguments.weights).to(device)
    rate = spec.front_end.sample_rate
    recipe = Recipe.of_run(read_run(arguments.out).get("recipe")) if arguments.resume else Recipe()
    mixtures = Mixtures(
        load(arguments.speech, rate, trim=True, speeds=recipe.speech_speeds, device=device),
        load(arguments.noise, rate, trim=False, speeds=recipe.noise_speeds, device=device),
        sample_rate=rate,
        batch=settings.batch,
        seconds=settings.seconds,
        seed=settings.seed,
        recipe=recipe,
    )
    pairs = mixed_pairs(arguments.valid_speech, arguments.valid_noise, rate, count=arguments.valid_count)
    if arguments.minutes:
        steps = read_run(arguments.out)["settings"]["steps"] if arguments.resume else 0
        settings = replace(
            settings, steps=steps or steps_within(60 * arguments.minutes, network, settings, mixtures)
        )
    trainer = Trainer(
        network,
        settings,
        mixtures,
        pairs,
        arguments.out,
        folders={name: [path.as_posix() for path in getattr(arguments, name)] for name in FOLDERS},
        say=lambda line: print(line, flush=True),
    )
    if arguments.resume:
        trainer.load()
    hours = mixtures.speech.lengths.sum() / rate / 3600, mixtures.noise.lengths.sum() / rate / 3600
    print(
        f"{spec.name} on {device}: {hours[0]:.2f} h of speech, {hours[1]:.2f} h of noise at all speeds; "
        f"{settings.steps - trainer.step} steps of {settings.batch} x {settings.seconds:g} s to go; "
        f"{arguments.out / BEST}",
        flush=True,
    )
    return trainer


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.train",
        description=__doc__.split(":")[0],
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Settings("")
    parser.add_argument("model", help="registered name; see speechzoo list")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for checkpoints and log")
    parser.add_argument("--speech", type=Path, nargs="+", metavar="DIR", help="clean speech to train on")
    parser.add_argument("--noise", type=Path, nargs="+", metavar="DIR", help="noise to train on")
    parser.add_argument("--valid-speech", type=Path, nargs="+", metavar="DIR", help="speech to validate on")
    parser.add_argument("--valid-noise", type=Path, nargs="+", metavar="DIR", help="noise to validate on")
    parser.add_argument("--valid-count", type=int, default=30, metavar="N", help="mixtures (default 30)")
    parser.add_argument("--validate-every", type=int, default=1000, metavar="N", help="steps (default 1000)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    parser.add_argument("--weights", help="tag or checkpoint to start from (default: random weights)")
    parser.add_argument("--steps", type=int, default=default.steps, help=f"default {default.steps}")
    parser.add_argument(
        "--minutes", type=float, metavar="M", help="as many steps as this machine makes in M minutes"
    )
    parser.add_argument("--batch", type=int, default=default.batch, help=f"default {default.batch}")
    parser.add_argument("--seconds", type=float, default=default.seconds, help="of a mixture (default 2)")
    parser.add_argument("--lr", type=float, default=default.lr, help=f"highest (default {default.lr:g})")
    parser.add_argument(
        "--warm-up", type=int, default=default.warm_up, help=f"steps (default {default.warm_up})"
    )
    parser.add_argument(
        "--perceptual",
        type=float,
        default=default.perceptual,
        metavar="W",
        help=f"weight of PESQ's disturbances in the loss (default {default.perceptual:g})",
    )
    parser.add_argument(
        "--intelligibility",
        type=float,
        default=default.intelligibility,
        metavar="W",
        help=f"weight of what STOI misses in the loss (default {default.intelligibility:g})",
    )
    parser.add_argument(
        "--teacher", metavar="MODEL=TAG", help="weights whose output is a second target, as ulunas=dns3"
    )
    parser.add_argument(
        "--teach",
        type=float,
        default=default.teach,
        metavar="SHARE",
        help=f"of the loss that is against the teacher's output (default {default.teach:g})",
    )
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--device", help="default: cuda if there is one, else cpu")
    parser.add_argument("--threads", type=int, help="of the CPU (default: PyTorch's choice)")
    parser.add_argument("--plot", type=Path, metavar="PICTURE", help="draw the log in --out, and end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
