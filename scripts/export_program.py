"""Export a model as a program of torch.export: `speechzoo export --target exported`."""

import sys

from scripts.shims import shim

main = shim("export", "--target", "exported")

if __name__ == "__main__":
    sys.exit(main())
