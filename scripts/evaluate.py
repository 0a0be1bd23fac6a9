"""Measure enhancement models and artifacts side by side: `speechzoo evaluate`."""

import sys

from scripts.shims import shim

main = shim("evaluate")

if __name__ == "__main__":
    sys.exit(main())
