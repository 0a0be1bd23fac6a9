"""Time streaming models and graphs side by side: `speechzoo benchmark`."""

import sys

from scripts.shims import shim

main = shim("benchmark")

if __name__ == "__main__":
    sys.exit(main())
