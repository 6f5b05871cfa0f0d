import numpy as np
import pyarrow as pa
import pytest

from catalog import from_numpy, to_numpy


@pytest.mark.parametrize("kind", [pa.int64(), pa.int32(), pa.float32(), pa.float64(), pa.bool_()])
def test_missing_values_are_zeros_also_in_a_slice(kind: pa.DataType) -> None:
    values = [1, None, 0, 1, None, 1] * 5
    column = pa.array(values, pa.int64()).cast(kind)
    expected = [value or 0 for value in values]
    assert to_numpy(column).tolist() == expected
    assert to_numpy(column[7:19]).tolist() == expected[7:19]
    assert to_numpy(pa.chunked_array([column, column[3:]])).tolist() == expected + expected[3:]
    assert to_numpy(column).dtype == np.dtype(
        str(kind).replace("double", "f8").replace("float", "f4")
    )
    assert not len(to_numpy(column[:0]))


def test_whole_numbers_become_a_column() -> None:
    assert from_numpy(np.arange(10)[::3]).to_pylist() == [0, 3, 6, 9]
    assert from_numpy(np.empty(0, np.int64)).to_pylist() == []
