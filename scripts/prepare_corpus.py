"""Make a corpus to train on from public repositories: python -m scripts.prepare_corpus --help"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scripts.training.corpus import Count, fetch, prepare
from scripts.training.sources import SOURCES
from zoo.errors import SpeechZooError

EXAMPLE = """Recordings that are silent, clipped, damaged, short or noisy are left out. No speaker is in
two of train, valid and judging. What is taken of which repository: docs/training-data.md

  python -m scripts.prepare_corpus --checkouts repositories --fetch --out corpus
  python -m scripts.train fastenhancer_t --speech corpus/speech/train --noise corpus/noise/train \\
      --valid-speech corpus/speech/valid --valid-noise corpus/noise/valid --out out/fastenhancer_t
"""


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    sources = [source for source in SOURCES if source.name in (arguments.only or [source.name])]
    try:
        if arguments.fetch:
            for source in sources:
                print(f"{source.name}: {source.repository} at {source.commit[:7]}", flush=True)
                fetch(source, arguments.checkouts)
        counts = prepare(sources, arguments.checkouts, arguments.out)
    except (SpeechZooError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(table(counts))
    return 0


def table(counts: dict[str, Count]) -> str:
    """What became of each source: hours, recordings and speakers by split, and what was left out."""
    lines = []
    for name, count in counts.items():
        kept = [
            f"{split} {count.seconds[split] / 3600:.2f} h, {count.files[split]} recordings"
            + (f", {count.speakers[split]} speakers" if split in count.speakers else "")
            for split in sorted(count.seconds)
        ]
        out = ", ".join(f"{number} {reason}" for reason, number in count.dropped.items())
        lines.append(f"{name}: {'; '.join(kept) or 'nothing'}{f'; left out: {out}' if out else ''}")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.prepare_corpus",
        description=__doc__.split(":")[0],
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the corpus")
    parser.add_argument(
        "--checkouts", type=Path, required=True, metavar="FOLDER", help="that holds the repositories"
    )
    parser.add_argument(
        "--fetch", action="store_true", help="get repositories that are not there from GitHub"
    )
    names = [source.name for source in SOURCES]
    parser.add_argument(
        "--only", nargs="+", choices=names, metavar="NAME", help=f"sources: of {', '.join(names)}"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
