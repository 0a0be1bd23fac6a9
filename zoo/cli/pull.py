"""Fetch a model's files from the Hub, proved on this machine.

Prints the path of the file, in the cache or in --output. Three things are checked: its bytes, against the
repository's index; its manifest, against what was asked for; and what it computes, against the recording that
comes with it. If anything differs there is an error, and no file.

examples:
  speechzoo pull gtcrn --repo ORG/NAME -o .
  speechzoo pull gtcrn --repo ORG/NAME --form spec2spec --whole
  speechzoo pull fastenhancer_t -o .                               # no repository: what is in the package
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo.cli._arguments import add_trust, positive
from zoo.download import VARIABLE, pull

GROUP = "find and share models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="registered model, see `speechzoo list`")
    add("--repo", metavar="ORG/NAME", help=f"repository on the Hub (default ${VARIABLE})")
    add(
        "--revision",
        metavar="SHA",
        help="commit, branch or tag (default main); a commit is fetched only once",
    )
    add(
        "--format",
        default="onnx",
        help="onnx (default), safetensors, tensorrt, ... as the repository has them",
    )
    add(
        "--form",
        help="of a graph: wav2wav (default) or spec2spec, wav (default) or feats for speaker models, or the "
        "size for text to speech, as 32/256 (default the largest)",
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--streaming", action="store_true", default=None, help="a graph for streams")
    kind.add_argument("--whole", dest="streaming", action="store_false", help="one for whole recordings")
    kind.add_argument("--offline", dest="streaming", action=_Offline, help=argparse.SUPPRESS)
    add("--precision", default="fp32", help="of an engine: fp32 (default), fp16, ...")
    add(
        "--streams",
        type=positive,
        default=1,
        metavar="N",
        help="that an engine must take at once (default 1)",
    )
    add("-o", "--output", metavar="DIR", help="copy the file to this folder")
    add("--force", action="store_true", help="replace another file there")
    add_trust(parser)


class _Offline(argparse.Action):
    """The older name of --whole, which sounds as if no network was asked."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option: object = "",
    ) -> None:
        print(
            "speechzoo: warning: --offline is now --whole, a graph for whole recordings; to keep off the "
            "network set HF_HUB_OFFLINE=1",
            file=sys.stderr,
        )
        setattr(namespace, self.dest, False)


def run(args: argparse.Namespace) -> int:
    path = pull(
        args.model,
        format=args.format,
        form=args.form,
        streaming=args.streaming,
        precision=args.precision,
        streams=args.streams,
        repo=args.repo,
        revision=args.revision,
        out=args.output,
        force=args.force,
        build=_build,
        trust=args.trust,
        progress=lambda line: print(line, file=sys.stderr),
    )
    print(path)
    return 0


def _build(onnx: Path, **options: Any) -> Path:
    """Build an engine, where the repository has none for this machine."""
    import converters

    return converters.cached_engine(onnx, **options)
