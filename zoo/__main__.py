"""``python -m zoo`` is ``speechzoo``."""

import sys

if __name__ == "__main__":
    from zoo.cli import main

    sys.exit(main())
