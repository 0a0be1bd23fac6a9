"""The options that name a network: which model, and where its parameters are."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from zoo.errors import CheckpointError, SpeechZooError
from zoo.extras import extra
from zoo.hub.repository import fetched_folder, is_repository
from zoo.hub.weights import tell
from zoo.registry import get_spec

if TYPE_CHECKING:
    from zoo.networks.base import Network
    from zoo.tasks.enhancement.enhancer import Enhancer
    from zoo.tasks.speaker.embedder import Embedder

Model = TypeVar("Model", "Enhancer", "Embedder")

NONE = "none"  # in place of weights: random ones


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="NAME", help="registered name; see speechzoo list")
    source = parser.add_mutually_exclusive_group()
    add = source.add_argument
    add(
        "--weights",
        metavar="TAG|PATH|ORG/NAME",
        help="tag of trained weights, default for the one that the model recommends, the path of a "
        "checkpoint or public graph, a repository of the Hub, or none for random ones",
    )
    add("--checkpoint", metavar="PATH", help="a checkpoint or a training folder")
    add("--folder", metavar="DIR", help="a training folder, which names the model")
    add("-n", "--name", help="training folder logs/NAME; its config.yaml names the model")


def named_model(args: argparse.Namespace) -> tuple[str, str | Path | None]:
    """Say which model the options name, and its weights.

    Raises:
        CheckpointError: there is no such training folder, or it does not say whose it is.
        HubError: a repository of the Hub cannot be had.
        SpeechZooError: no model is named.
    """
    weights = args.weights or args.checkpoint or args.folder
    if args.name is not None:
        weights = Path("logs") / args.name
        if not weights.is_dir():
            raise CheckpointError(f"{weights}: there is no training folder with a config.yaml")
    if args.model is not None:
        return args.model, weights
    repository = isinstance(weights, str) and is_repository(weights)
    if weights is None or not (repository or Path(weights).exists()):
        raise SpeechZooError(
            "--model is needed, unless -n names a training folder, or what --weights, --checkpoint or "
            "--folder names is there and says whose it is"
        )
    with extra("torch", "a checkpoint"):
        from zoo.create import model_of
    if repository:
        fetched = fetched_folder(str(weights), tell)
        return model_of(fetched.path), fetched.name
    return model_of(Path(weights)), weights


def load_model(args: argparse.Namespace, brought_by: str = "torch") -> Network:
    """Build the network that the options name, with its weights, or random ones if there are none.

    Args:
        args: those of ``add_model_arguments``.
        brought_by: the extra that brings all that the command needs.

    Without any it says on standard error that they are random, unless they are asked for.

    Raises:
        SpeechZooError: there is no such model, or it cannot be loaded.
    """
    name, weights = named_model(args)
    with extra(brought_by, f"a network of {name}"):
        from zoo.create import create_model, random_weights
    if weights is None:
        print(f"speechzoo: warning: {random_weights(get_spec(name))} (--weights)", file=sys.stderr)
    return create_model(name, None if weights == NONE else weights)


def warn_of_weights(session: Any) -> None:
    """Say on standard error if what runs has random weights."""
    manifest = getattr(getattr(session, "graph", None), "manifest", None)
    if manifest is not None and manifest.warning:
        print(f"speechzoo: {session.name}: {manifest.warning}", file=sys.stderr)


def tell_what_runs(model: Model) -> Model:
    """Give a model back; say on standard error if it is a graph that others published, and its framing."""
    if model.public:
        tell(f"{model.name} runs as its authors published it ({model.public})")
    return model
