"""Export a model that takes spectra to ONNX: `speechzoo export --target onnx --form spec2spec`."""

import sys

from scripts.shims import shim

main = shim("export", "--target", "onnx", "--form", "spec2spec")

if __name__ == "__main__":
    sys.exit(main())
