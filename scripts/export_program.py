"""Export a model as a program of torch.export, plain or compiled: python -m scripts.export_program --help"""

from __future__ import annotations

import sys

import converters
from scripts import exporting

EXAMPLES = """examples:
  python -m scripts.export_program --model gtcrn --weights dns3 --out gtcrn.pt2
  python -m scripts.export_program --model fastenhancer_t --weights mine.safetensors --compiled --out f.pt2
"""


def main(argv: list[str] | None = None) -> int:
    parser = exporting.parser("export_program", __doc__, "--out", EXAMPLES)
    parser.add_argument("--hops", type=int, default=1, help="frames of a call (default 1)")
    parser.add_argument(
        "--compiled", action="store_true", help="machine code for such processors; takes a C++ compiler"
    )
    arguments = parser.parse_args(argv)
    return exporting.run(
        arguments, lambda: converters.export_program, hops=arguments.hops, compiled=arguments.compiled
    )


if __name__ == "__main__":
    sys.exit(main())
