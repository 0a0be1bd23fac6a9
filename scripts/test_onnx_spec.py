"""Run a graph of spectra on real audio and time it: `speechzoo test`, which sees what a graph takes."""

import sys
from pathlib import Path

from scripts.shims import shim

EXAMPLE = Path(__file__).parent.parent / "examples" / "noisy.wav"

main = shim("test", "--audio-path", str(EXAMPLE))

if __name__ == "__main__":
    sys.exit(main())
