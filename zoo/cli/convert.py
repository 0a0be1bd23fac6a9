"""Convert a checkpoint to safetensors, or back.

Reads any checkpoint that the zoo reads: a public file, a public training folder, or a safetensors file of
ours. It must fit its model to the last parameter. Writes what --output ends in:

  .safetensors       parameters under their public names; the header holds model, sizes, licence and hash,
                     so that no configuration file has to stay with it
  .tar, .pt, .pth    {"model": parameters}, which the public implementations load

examples:
  speechzoo convert logs/my_run -o my_run.safetensors
  speechzoo convert model.tar --model gtcrn --licence MIT -o gtcrn.safetensors
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.cli._arguments import add_offline, one_sentence
from zoo.errors import CheckpointError
from zoo.extras import extra
from zoo.files import atomic

if TYPE_CHECKING:
    from zoo.networks.base import Network

GROUP = "make artifacts"
PUBLIC = (".tar", ".pt", ".pth")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("checkpoint", metavar="CHECKPOINT", help="file or training folder, or a tag together with --model")
    add("-o", "--output", type=Path, required=True, metavar="FILE", help="what to write")
    add("--model", metavar="NAME", help="whose it is, where the checkpoint does not say")
    add("--licence", metavar="SPDX", help="of the weights, for the header")
    add("--training-data", metavar="TEXT", help="what they were trained on, for the header")
    add("--force", action="store_true", help="replace a file that exists")
    add_offline(parser)


def run(args: argparse.Namespace) -> int:
    with one_sentence():
        model = _convert(args)
        size = args.output.stat().st_size / 1e3
    count = sum(parameter.numel() for parameter in model.parameters())
    print(f"{args.output}: {model.spec.name}, {count:,} parameters, {size:.0f} kB")
    print(f"parameters' sha256 {model.provenance['sha256']}")
    return 0


def _convert(args: argparse.Namespace) -> Network:
    """Write what the options ask for, and return the network that was loaded.

    Raises:
        SpeechZooError: the checkpoint cannot be read or does not fit, or the output cannot be written.
    """
    with extra("torch", "a checkpoint"):
        import torch

        from zoo.checkpoint import write_parameters
        from zoo.create import create_model, model_of
    output = args.output
    if output.suffix not in (".safetensors", *PUBLIC):
        raise CheckpointError(f"{output}: expected a name that ends in .safetensors, {', '.join(PUBLIC)}")
    if output.exists() and not args.force:
        raise CheckpointError(f"{output}: it exists; pass --force to replace it")
    path = Path(args.checkpoint)
    if not args.model and not path.exists():
        raise CheckpointError(f"{path}: there is no such file or folder")
    model = create_model(args.model or model_of(path), args.checkpoint)
    given = {"licence": args.licence, "training_data": args.training_data}
    model.provenance = {**model.provenance, **{name: text for name, text in given.items() if text}}
    with atomic(output) as temporary:
        if output.suffix == ".safetensors":
            write_parameters(model, model.spec, model.provenance, temporary)
        else:
            buffer = io.BytesIO()
            torch.save({"model": model.state_dict()}, buffer)
            temporary.write_bytes(buffer.getvalue())
    return model
