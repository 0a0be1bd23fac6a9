"""The array that samples, spectra, features and embeddings travel in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
