"""Types of arrays that all of training uses."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Arrays = Mapping[str, NDArray[Any]]
"""Named arrays: one prepared sample, or a batch whose arrays begin with the number of samples."""

MISSING = -1
"""The class of a picture without a label."""
