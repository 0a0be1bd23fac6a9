"""Export a speaker network to ONNX: `speechzoo export --target onnx`."""

import sys

from scripts.shims import shim

main = shim("export", "--target", "onnx")

if __name__ == "__main__":
    sys.exit(main())
