"""Download trained weights ahead, for images and for machines without a network.

Every file of a tag comes into the cache, checked by its sha256: $SPEECHZOO_CACHE, or the user's cache folder.
Its path is printed. The folder may be copied to another machine, where --offline or HF_HUB_OFFLINE=1 forbid
requests.

With SPEECHZOO_MIRROR=https://MIRROR every file is asked for at https://MIRROR/HOST/PATH in place of
https://HOST/PATH, for places that reach neither GitHub nor the Hub; the hashes make any mirror safe.

--check reads every file from its address to the end, keeps nothing, and prints what came; the exit status is
1 if one is not as it should be.

examples:
  speechzoo download gtcrn:dns3 resnet34
  speechzoo download --all
  speechzoo download --all --check
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from tqdm import tqdm

from zoo.cli._arguments import Misuse, add_offline, print_table
from zoo.errors import CheckpointError
from zoo.hub import client
from zoo.hub.weights import fetch_all
from zoo.registry import find_weights, get_spec, list_models
from zoo.spec import DEFAULT, PACKAGE_SCHEME, ModelSpec, Weights

GROUP = "find and share models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "weights",
        nargs="*",
        metavar="MODEL[:TAG]",
        help="see `speechzoo list --weights`; without a tag the one that the model recommends",
    )
    parser.add_argument("--all", action="store_true", help="every tag of these models, or of all")
    parser.add_argument("--check", action="store_true", help="try the addresses and keep nothing")
    add_offline(parser)


def run(args: argparse.Namespace) -> int:
    if not args.weights and not args.all:
        raise Misuse("name MODEL[:TAG], or pass --all; `speechzoo list --weights` shows what there is")
    wanted = list(_wanted(args))
    if args.check:
        return _check(wanted)
    failed = 0
    for spec, weights in wanted:
        try:
            print(*fetch_all(spec, weights), sep="\n")
        except CheckpointError as error:  # the others may be had
            print(f"speechzoo: {spec.name}: {error}", file=sys.stderr)
            failed += 1
    return 1 if failed else 0


def _wanted(args: argparse.Namespace) -> Iterator[tuple[ModelSpec, Weights]]:
    """What the words name.

    Raises:
        UnknownModelError: no such model or tag.
    """
    for word in args.weights or list_models():
        name, _, tag = word.partition(":")
        spec = get_spec(name)
        if args.all and not tag:
            yield from ((spec, weights) for weights in spec.weights)
        else:
            yield spec, find_weights(spec, tag or DEFAULT)


def _check(wanted: list[tuple[ModelSpec, Weights]]) -> int:
    """Try every address, and print a table of what came."""
    rows = []
    asked = [(s, w, file) for s, w in wanted for file in w.files if not file.url.startswith(PACKAGE_SCHEME)]
    for spec, weights, file in tqdm(asked, unit="file", leave=False, disable=not sys.stderr.isatty()):
        answer = client.ask(file)
        rows.append(
            {
                "model": spec.name,
                "tag": weights.tag,
                "status": str(answer.status or "-"),
                "bytes": f"{answer.size:,}",
                "hash": "ok" if answer.right else "WRONG",
                "file": file.name,
                "reason": answer.reason,
            }
        )
    if rows:
        print_table(rows, numbers=("status", "bytes"))
    wrong = sum(row["hash"] != "ok" for row in rows)
    print(f"{len(rows) - wrong} of {len(rows)} files are as they should be")
    return 1 if wrong else 0
