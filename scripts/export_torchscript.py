"""Export a model to TorchScript, checked against its training form: python -m scripts.export_torchscript"""

from __future__ import annotations

import sys

import converters
from scripts import exporting

EXAMPLES = """PyTorch has deprecated TorchScript; scripts.export_program makes what takes its place.

examples:
  python -m scripts.export_torchscript --model gtcrn --weights dns3 --out gtcrn.ts
  python -m scripts.export_torchscript --model dpcrn --checkpoint dpcrn.pt --offline --out dpcrn.ts
"""


def main(argv: list[str] | None = None) -> int:
    parser = exporting.parser("export_torchscript", __doc__, "--out", EXAMPLES)
    parser.add_argument("--hops", type=int, default=1, help="frames of a call (default 1)")
    arguments = parser.parse_args(argv)
    return exporting.run(arguments, lambda: converters.export_torchscript, hops=arguments.hops)


if __name__ == "__main__":
    sys.exit(main())
