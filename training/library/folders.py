"""Read the folder of a model that nobody vouches for: each file is checked before it is read.

A folder or file that is a link is not followed, so that nothing outside the workspace is shown. A file that is missing,
too large or of another shape is a `FolderProblemError`, whose text is a sentence for people.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from catalog import Workspace, counted
from training.errors import FolderProblemError
from training.evaluation.saved_head import CLASS_FAMILY, SavedHead, saved_heads
from training.predict.saved_model import EMBEDDER_CARD, FINISHED

MOST_JSON_BYTES = 8 * 10**6
MOST_CARD_BYTES = 200_000
MOST_REPORT_BYTES = 100 * 10**6
MOST_ROWS = 5_000_000
MOST_TABLE_BYTES = 2 * 10**9  # of a table in memory, as its footer states it

HISTORY, METRICS, PREDICTIONS = "history.parquet", "metrics.parquet", "predictions.parquet"

_SCHEMAS: dict[str, dict[str, pl.DataType | type[pl.DataType]]] = {
    METRICS: {
        "task": pl.String, "metric": pl.String, "predictor": pl.String, "slice": pl.String, "split": pl.String,
        "value": pl.Float64, "low": pl.Float64, "high": pl.Float64, "n": pl.Int64, "n_groups": pl.Int64,
    },
    PREDICTIONS: {
        "asset_sha256": pl.String, "group_id": pl.String, "task": pl.String, "split": pl.String,
        "predicted": pl.Int64, "target": pl.Int64, "nll": pl.Float64, "probabilities": pl.List(pl.Float64),
        "value": pl.Float64, "target_value": pl.Float64, "low": pl.Float64, "high": pl.Float64,
    },
}  # fmt: skip
_REQUIRED = {METRICS: 6, PREDICTIONS: 3}  # the first columns that a table must have


@dataclass(frozen=True)
class ModelFolder:
    """The folder of a finished model: its facts, heads and history; tables are read when they are needed."""

    path: Path
    facts: dict[str, Any]
    heads: tuple[SavedHead, ...]

    @property
    def model_id(self) -> str:
        """The id of the model: the name of its folder."""
        return self.path.name

    @property
    def config(self) -> dict[str, Any]:
        """The content of `config.json`."""
        return self.facts

    @property
    def history(self) -> pl.DataFrame:
        """One row an epoch; raises FolderProblemError."""
        table = _read_table(self.path / HISTORY)
        if "epoch" not in table.columns:
            raise _wrong(self.path / HISTORY, "it has no column epoch")
        numbers = [name for name, kind in table.schema.items() if kind.is_numeric()]
        return table.select(numbers)

    @property
    def metrics(self) -> pl.DataFrame:
        """The rows of the table `metrics`; raises FolderProblemError."""
        numbers = ("low", "high")
        rows = _typed(self.path / METRICS).filter(pl.col("value").is_finite())
        return rows.with_columns(
            pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in numbers
        )

    @property
    def predictions(self) -> pl.DataFrame:
        """The predictions of the test pictures that can be shown; raises FolderProblemError.

        Rows without the SHA-256 of a picture, or with a class or value that the head does not have, are left out.
        """
        rows = _typed(self.path / PREDICTIONS).with_columns(
            pl.col("group_id").fill_null(pl.col("asset_sha256")),
            pl.col("nll", "value", "target_value", "low", "high").fill_nan(None),
        )
        is_test = pl.col("split").str.ends_with("test")
        is_picture = pl.col("asset_sha256").str.contains("^[0-9a-f]{64}$")
        is_usable = pl.any_horizontal(pl.lit(value=False), *map(_usable, self.heads))
        return rows.filter(is_test & is_picture & is_usable)

    @property
    def card(self) -> str:
        """The model card, Markdown; raises FolderProblemError."""
        return _text(self.path / "README.md", MOST_CARD_BYTES)


def folder_names(workspace: Workspace) -> list[str]:
    """List the names of all folders of models, also of those that cannot be read."""
    if not workspace.models.is_dir():
        return []
    return sorted(
        path.name for path in workspace.models.iterdir() if path.is_dir() or path.is_symlink()
    )


def is_unfinished(path: Path) -> bool:
    """Whether a training works in this folder, or was stopped there: it has a log or checkpoints and no facts."""
    has_facts = any((path / name).exists() for name in (FINISHED, EMBEDDER_CARD))
    return not has_facts and not path.is_symlink()


def read_folder(path: Path) -> ModelFolder:
    """Read the facts of a finished model; raises FolderProblemError."""
    if path.is_symlink():
        raise FolderProblemError(
            "its folder is a link, and links are not followed: copy the folder into models/ of the workspace"
        )
    facts = _facts(path)
    try:
        heads = saved_heads(facts)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _wrong(
            path / FINISHED, "its heads are not described as Safelight writes them"
        ) from error
    return ModelFolder(path, facts, heads)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; raises FolderProblemError."""
    try:
        content = json.loads(_text(path, MOST_JSON_BYTES))
    except (ValueError, RecursionError) as error:
        raise _wrong(path, "it is not JSON") from error
    if not isinstance(content, dict):
        raise _wrong(path, "it is not a JSON object")
    return content


def check_file(path: Path, most_bytes: int) -> None:
    """Raise FolderProblemError unless this is a file of at most this size, and no link."""
    if path.is_symlink():
        raise _wrong(path, "it is a link, and links are not followed")
    if not path.is_file():
        raise FolderProblemError(f"{path.name} is missing")
    if path.stat().st_size > most_bytes:
        raise _wrong(path, f"it is larger than {most_bytes:,} bytes")


def _usable(head: SavedHead) -> pl.Expr:
    """Return whether a row is one of this head with an answer of its kind."""
    is_own = pl.col("task") == head.name
    if head.family != CLASS_FAMILY:
        return is_own & pl.col("value").is_finite()
    count = len(head.classes)
    has_target = pl.col("target").is_null() | pl.col("target").is_between(0, count - 1)
    is_complete = pl.col("probabilities").list.len() == count
    is_number = pl.col("probabilities").list.eval(pl.element().is_finite()).list.all()
    return (
        is_own & pl.col("predicted").is_between(0, count - 1) & has_target & is_complete & is_number
    )


def _facts(path: Path) -> dict[str, Any]:
    if (path / FINISHED).exists() or (path / FINISHED).is_symlink():
        facts = read_json(path / FINISHED)
    else:
        about = read_json(path / EMBEDDER_CARD).get("about")
        facts = about if isinstance(about, dict) else {}
    for name in ("config", "calibration", "view"):
        if not isinstance(facts.get(name) or {}, dict):
            raise _wrong(path / FINISHED, f"{name} is not a JSON object")
    for name in ("heads", "encoders"):
        listed = facts.get(name) or []
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            raise _wrong(path / FINISHED, f"{name} is not a list of JSON objects")
    return facts


def _text(path: Path, most_bytes: int) -> str:
    check_file(path, most_bytes)
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, ValueError) as error:
        raise _wrong(path, "it cannot be read as text") from error


def _typed(path: Path) -> pl.DataFrame:
    """Read a table with the columns of its schema; optional ones that are missing are null."""
    schema = _SCHEMAS[path.name]
    table = _read_table(path, list(schema))
    missing = [name for name in list(schema)[: _REQUIRED[path.name]] if name not in table.columns]
    if missing:
        raise _wrong(path, f"it has no column {missing[0]}")
    columns = [
        pl.col(name).cast(kind) if name in table.columns else pl.lit(None, dtype=kind).alias(name)
        for name, kind in schema.items()
    ]
    try:
        return table.select(columns)
    except pl.exceptions.PolarsError as error:
        raise _wrong(path, "a column is of another type") from error


def _read_table(path: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    check_file(path, MOST_TABLE_BYTES)
    try:
        with pq.ParquetFile(path) as stored:
            _check_size(path, stored.metadata)
            chosen = [n for n in stored.schema_arrow.names if columns is None or n in columns]
            table = pl.from_arrow(stored.read(chosen))
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise _wrong(path, "it is not a Parquet file that can be read") from error
    assert isinstance(table, pl.DataFrame)
    return table


def _check_size(path: Path, footer: Any) -> None:
    stated = sum(footer.row_group(n).total_byte_size for n in range(footer.num_row_groups))
    if footer.num_rows > MOST_ROWS or stated > MOST_TABLE_BYTES:
        raise _wrong(path, f"it has {counted(footer.num_rows, 'row')}, more than pages show")


def _wrong(path: Path, why: str) -> FolderProblemError:
    return FolderProblemError(f"{path.name} cannot be shown: {why}")
