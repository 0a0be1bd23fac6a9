"""Compare every layer of a network with what a backend makes of it: `speechzoo compare-layers`."""

import sys

from scripts.shims import shim

main = shim("compare-layers")

if __name__ == "__main__":
    sys.exit(main())
