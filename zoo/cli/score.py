"""Score speaker verification trials.

Writes the scores of every list, report.json with equal error rates and detection costs, and plots.
A line of a trial list is "enrol test target" or "enrol test nontarget" (tgt and imp, 1 and 0 do as well),
"1 enrol test" as VoxCeleb has it, or "enrol test" alone, for scores without error rates.

examples:
  speechzoo score --embeddings vox1.npz --trials vox1_O --cohort vox2.npz --output scores/
  speechzoo score --embeddings vox1/ --trials vox1_O vox1_H --cohort vox2/ --norm asnorm --output s/
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from zoo.cli._arguments import one_sentence, positive
from zoo.figures import explain_table
from zoo.tasks.speaker.trials import PRIORS, TOP, score_trials

GROUP = "measure"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--embeddings", type=Path, required=True, help=".npz, .ark, .scp, or a folder of .scp files")
    add("--trials", type=Path, nargs="+", required=True, help="trial lists")
    add("--enrol", type=Path, help="recordings of each enrolled name, as Kaldi's spk2utt")
    add("--cohort", type=Path, help="embeddings of a cohort, for the mean and for normalisation")
    add("--cohort-speakers", type=Path, help="its speakers, as utt2spk: one embedding each for --norm")
    add("--mean", type=Path, help=".npy file with the mean to subtract (default: that of the cohort)")
    add("--no-mean", action="store_true", help="subtract no mean")
    add("--norm", choices=("none", "snorm", "asnorm"), default="none", help="of the scores (default none)")
    add("--top", type=positive, default=TOP, help=f"cohort scores a side of asnorm (default {TOP})")
    add("--priors", type=float, nargs="+", default=PRIORS, help="of a target, for minDCF (default 0.01 0.05)")
    add("--skip-missing", action="store_true", help="leave out, and count, trials without an embedding")
    add("-o", "--output", type=Path, required=True, help="folder for scores, report.json and plots")
    add("--no-plots", action="store_true", help="draw nothing")


def run(args: argparse.Namespace) -> int:
    with one_sentence():
        report = score_trials(
            args.embeddings,
            args.trials,
            args.output,
            enrol=args.enrol,
            cohort=args.cohort,
            cohort_speakers=args.cohort_speakers,
            mean=args.mean,
            centre=not args.no_mean,
            norm=args.norm,
            top=args.top,
            priors=args.priors,
            skip_missing=args.skip_missing,
            plots=not args.no_plots,
        )
    print(json.dumps(report, indent=2))
    explain_table(("EER %", "minDCF"))
    return 0
