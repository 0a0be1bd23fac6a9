"""Score speaker verification trials: `speechzoo score`."""

import sys

from scripts.shims import shim

main = shim("score")

if __name__ == "__main__":
    sys.exit(main())
