"""Choose the rows of a release by their split and by an SQL predicate over its index.

Only the columns that the predicate names are read, and no row becomes a Python object.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog.errors import ReleaseError
from catalog.releases.deleted_data import INDEX
from catalog.releases.release import Release
from catalog.tables.number_arrays import to_numpy
from catalog.workspace.error_lines import first_paragraph


def select_rows(release: Release, split: str | None = None, where: str = "") -> NDArray[np.int64]:
    """Return the row numbers in the index, ascending, of the pictures in `split` that fulfil `where`.

    `where` is an SQL predicate such as `iso > 400 AND camera LIKE 'acme%'`; a row for which it is null is left out.
    Raises `ReleaseError` when the release has no such split, or the predicate cannot be evaluated.
    """
    check_split(release, split)
    if where.strip():
        return _matching(release, split, where)
    if split is None:
        return np.arange(release.manifest["n_items"])
    chosen = [
        _is_value(batch["split"], split) for batch in release.index_batches(["split"], ["split"])
    ]
    return np.flatnonzero(np.concatenate(chosen))


def _is_value(column: pa.DictionaryArray, value: str) -> NDArray[np.bool_]:
    """Return which texts (n,) are this one; a missing text is not."""
    is_it = np.array([text == value for text in column.dictionary.to_pylist()] or [False])
    chosen: NDArray[np.bool_] = to_numpy(column.is_valid()) & is_it[to_numpy(column.indices)]
    return chosen


def check_split(release: Release, split: str | None) -> None:
    """Raise `ReleaseError` when the release has no such split; None means all of them."""
    splits = release.manifest["splits"]
    if split is not None and split not in splits:
        raise ReleaseError(
            f"{release.name}@{release.version} has no split {split}; it has {', '.join(splits)}"
        )


def _matching(release: Release, split: str | None, where: str) -> NDArray[np.int64]:
    # Not at the top: a release without a predicate is read without DuckDB.
    import duckdb

    from catalog.stores.engine import give_back, take
    from catalog.tables.reading import is_one_select

    release.require_data()
    # The line break ends a comment of the predicate; the split stands outside, where no predicate changes it.
    sql = (
        "SELECT file_row_number FROM (SELECT * FROM read_parquet($path, file_row_number = true) "
        f"WHERE ({where}\n)) WHERE $split IS NULL OR split = $split"
    )
    connection = take(())
    try:
        if not is_one_select(duckdb.extract_statements(sql)):
            raise ReleaseError(f"where={where!r} is not one predicate")
        values = {"path": str(release.path / INDEX), "split": split}
        numbers = connection.execute(sql, values).fetchnumpy()["file_row_number"]
    except duckdb.Error as error:
        name = f"{release.name}@{release.version}"
        raise ReleaseError(
            f"where={where!r} cannot be evaluated on the index of {name}: {first_paragraph(error)}"
        ) from error
    finally:
        give_back(connection, ())
    return np.sort(np.asarray(numbers, np.int64))
