"""Export a model to TorchScript: `speechzoo export --target torchscript`."""

import sys

from scripts.shims import shim

main = shim("export", "--target", "torchscript")

if __name__ == "__main__":
    sys.exit(main())
