"""Convert a checkpoint to safetensors, or back: python -m scripts.convert_checkpoint --help"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import zoo
from zoo.errors import CheckpointError, SpeechZooError

if TYPE_CHECKING:
    from zoo.networks.streaming import StreamingModule

DESCRIPTION = """Reads any checkpoint that the zoo reads: a public file, a public training folder,
or a safetensors file of ours. It must fit its model to the last parameter. Writes what --output
ends in:

  .safetensors       parameters under their public names; the header holds model, sizes, licence and hash,
                     so that no configuration file has to stay with it
  .tar, .pt, .pth    {"model": parameters}, which the public implementations load
"""
PUBLIC = (".tar", ".pt", ".pth")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.convert_checkpoint",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", help="file or training folder, or a tag together with --model")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="what to write")
    parser.add_argument("--model", metavar="NAME", help="whose it is, where the checkpoint does not say")
    parser.add_argument("--licence", metavar="SPDX", help="of the weights, for the header")
    parser.add_argument("--training-data", metavar="TEXT", help="what they were trained on, for the header")
    parser.add_argument("--force", action="store_true", help="replace a file that exists")
    arguments = parser.parse_args(argv)
    try:
        model = convert(arguments)
    except (SpeechZooError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f'error: checkpoints need {error.name}: pip install ".[torch]"', file=sys.stderr)
        return 1
    size = arguments.output.stat().st_size / 1e3
    count = sum(parameter.numel() for parameter in model.parameters())
    print(f"{arguments.output}: {model.spec.name}, {count:,} parameters, {size:.0f} kB")
    print(f"parameters' sha256 {model.provenance['sha256']}")
    return 0


def convert(arguments: argparse.Namespace) -> StreamingModule:
    """Write what the options ask for, and return the network that was loaded.

    Raises:
        SpeechZooError: the checkpoint cannot be read or does not fit, or the output cannot be written.
    """
    import torch

    from zoo.checkpoint import write_parameters
    from zoo.create import model_of
    from zoo.files import atomic

    output = arguments.output
    if output.suffix not in (".safetensors", *PUBLIC):
        raise CheckpointError(f"{output}: expected a name that ends in .safetensors, {', '.join(PUBLIC)}")
    if output.exists() and not arguments.force:
        raise CheckpointError(f"{output}: it exists; pass --force to replace it")
    path = Path(arguments.checkpoint)
    if not arguments.model and not path.exists():
        raise CheckpointError(f"{path}: there is no such file or folder")
    model = zoo.create_model(arguments.model or model_of(path), arguments.checkpoint)
    given = {"licence": arguments.licence, "training_data": arguments.training_data}
    model.provenance = {**model.provenance, **{name: text for name, text in given.items() if text}}
    with atomic(output) as temporary:
        if output.suffix == ".safetensors":
            write_parameters(model, model.spec, model.provenance, temporary)
        else:
            buffer = io.BytesIO()
            torch.save({"model": model.state_dict()}, buffer)
            temporary.write_bytes(buffer.getvalue())
    return model


if __name__ == "__main__":
    sys.exit(main())
