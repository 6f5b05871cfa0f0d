"""Numbers between Arrow and NumPy, without pandas: Arrow's own ways import it where it is installed (0.25 s of CPU)."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def to_numpy(column: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    """Return numbers or booleans (n,), not to be written to; 0 or false where a value is missing.

    >>> to_numpy(pa.array([True, None])).tolist(), to_numpy(pa.chunked_array([[1, None], [2]])).tolist()
    ([True, False], [1, 0, 2])
    """
    if pa.types.is_boolean(column.type):  # a bit each
        return to_numpy(pc.cast(column, pa.uint8())).view(np.bool_)
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    values = [None, array.buffers()[1]]
    stored = pa.Array.from_buffers(array.type, len(array), values, offset=array.offset)
    numbers = np.from_dlpack(stored)
    if not array.null_count:
        return numbers
    return np.where(to_numpy(array.is_valid()), numbers, numbers.dtype.type(0))


def from_numpy(numbers: NDArray[np.int64]) -> pa.Int64Array:
    """Return whole numbers (n,) as a column, of the same memory where it is contiguous.

    >>> from_numpy(np.array([3, 1])).to_pylist()
    [3, 1]
    """
    memory = pa.py_buffer(np.ascontiguousarray(numbers, np.int64))
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, memory])
