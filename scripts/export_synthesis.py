"""Export text to speech as ONNX graphs of several sizes: `speechzoo export --model fastspeech`."""

import sys

from scripts.shims import shim

main = shim("export", "--target", "onnx", "--model", "fastspeech")

if __name__ == "__main__":
    sys.exit(main())
