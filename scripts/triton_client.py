"""Use the models on a Triton server: `speechzoo client`."""

import sys

from scripts.shims import shim

main = shim("client")

if __name__ == "__main__":
    sys.exit(main())
