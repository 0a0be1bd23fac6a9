"""Convert a checkpoint to safetensors, or back: `speechzoo convert`."""

import sys

from scripts.shims import shim

main = shim("convert")

if __name__ == "__main__":
    sys.exit(main())
