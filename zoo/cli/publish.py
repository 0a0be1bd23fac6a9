"""Make a model's artifact repository, and put it on the Hub.

The repository holds the parameters, ONNX graphs in every form (enhancers streaming and offline, text to
speech in each size), a golden recording, an index with the hash of every file, and a model card. With
--folder and without --repo it is built and not uploaded; a folder that was built before is checked and used
as it is. Every file is run and compared before anything is uploaded, all of it in one commit.

examples:
  speechzoo publish gtcrn --folder gtcrn/
  speechzoo publish gtcrn --weights mine.safetensors --licence MIT --repo ORG/NAME
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from converters.targets import PUBLISHED
from zoo.download import VARIABLE, repository_of
from zoo.errors import ArtifactError, HubError
from zoo.extras import extra
from zoo.hub import client
from zoo.hub.index import INDEX, Index
from zoo.registry import get_spec

GROUP = "find and share models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="registered model, see `speechzoo list`")
    add("--weights", metavar="TAG|PATH", help="default: those in the package")
    add("--repo", metavar="ORG/NAME", help=f"repository on the Hub (default ${VARIABLE}, unless --folder)")
    add("--folder", type=Path, metavar="DIR", help="build it here and keep it")
    add("--licence", default="", metavar="SPDX", help="of weights that do not say theirs")
    add("--training-data", default="", metavar="TEXT", help="of weights that do not say theirs")
    add(
        "--also",
        nargs="*",
        default=[],
        choices=PUBLISHED,
        help="formats besides ONNX",
    )
    add(
        "--engine",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a TensorRT engine to include, with its record FILE.json beside it",
    )
    add("--private", action="store_true", help="if the repository is made, only you can read it")


def run(args: argparse.Namespace) -> int:
    get_spec(args.model)
    repo = args.repo or os.environ.get(VARIABLE)
    if args.folder and not args.repo:
        _build(args, args.folder)
        print(args.folder)
        return 0
    if not repo:
        raise HubError(
            f"--repo is missing: pass --repo ORG/NAME or set {VARIABLE} to upload, or --folder DIR to build "
            f"only"
        )
    repo = repository_of(repo, args.model)
    with tempfile.TemporaryDirectory() as made:
        folder = args.folder or Path(made, "repository")
        index = _build(args, folder)
        paths = [INDEX, *(file.path for file in index.files)]
        message = f"{index.model}, weights {index.weights['sha256'][:12]}"
        commit = client.upload(folder, paths, repo, message, private=args.private)
    print(f"{repo}: commit {commit}")
    print(f"speechzoo pull {args.model} --repo {repo} --revision {commit}")
    return 0


def _build(args: argparse.Namespace, folder: Path) -> Index:
    """The folder, built or only checked if it is there."""
    with extra("onnx", "publishing"):
        from converters.publish.folder import build_repository, check_repository

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    if (folder / INDEX).is_file():
        index = check_repository(folder, say)
        if index.model != args.model:
            raise ArtifactError(f"{folder}: it is a repository of {index.model}, not of {args.model}")
        if args.weights or args.engine or args.also:
            raise ArtifactError(
                f"{folder}: it is built already, with weights {index.weights['source']}; leave --weights, "
                f"--also and --engine out to use it, or name another folder"
            )
        return index
    return build_repository(
        args.model,
        folder,
        weights=args.weights,
        licence=args.licence,
        training_data=args.training_data,
        also=args.also,
        engines=args.engine,
        repo=args.repo or os.environ.get(VARIABLE) or "ORG/NAME",
        progress=say,
    )
