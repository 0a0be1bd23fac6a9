"""Build an engine from a graph: `speechzoo build`."""

import sys

from scripts.shims import shim

main = shim("build")

if __name__ == "__main__":
    sys.exit(main())
