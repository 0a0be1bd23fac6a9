"""Export a model to ONNX, checked against its training form: python -m scripts.export_onnx --help"""

from __future__ import annotations

import sys

import converters
from scripts import exporting

EXAMPLES = """examples:
  python -m scripts.export_onnx --model gtcrn --weights dns3 --form wav2wav --onnx-path gtcrn.onnx
  python -m scripts.export_onnx --model dpcrn --checkpoint dpcrn.pt --offline --frames 563 --onnx-path d.onnx
  python -m scripts.export_onnx -n fastenhancer_t --onnx-path fastenhancer_t.onnx   # from logs/fastenhancer_t
"""


def main(argv: list[str] | None = None) -> int:
    parser = exporting.parser("export_onnx", __doc__, "--onnx-path", EXAMPLES)
    parser.add_argument("--hops", type=int, help="frames of a call; 0 leaves the number free (default 1)")
    parser.add_argument("--opset", type=int, help="of ONNX, 18 to 23 (default: the lowest that is fast)")
    arguments = parser.parse_args(argv)
    hops = {None: 1, 0: "hops"}.get(arguments.hops, arguments.hops)
    return exporting.run(arguments, lambda: converters.export_onnx, hops=hops, opset=arguments.opset)


if __name__ == "__main__":
    sys.exit(main())
