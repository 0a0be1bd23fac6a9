"""``python -m zoo.cli``, for a clone that is not installed."""

import sys

from zoo.cli import main

sys.exit(main())
