"""Write a model repository for Triton Inference Server: `speechzoo serve`."""

import sys

from scripts.shims import shim

main = shim("serve")

if __name__ == "__main__":
    sys.exit(main())
