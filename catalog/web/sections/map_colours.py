"""The values of one column for the pictures of a map: classes by number, or numbers."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from catalog.errors import QueryError
from catalog.lake.lake import Catalog
from catalog.sandbox import MB

MOST_CLASSES = 11
"""Classes with a colour of their own; the others are together."""
OTHER = "all others"
MISSING = "NULL"
LONGEST = 80
_NUMBERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
    "U",
)
_TIMES = ("TIMESTAMP", "DATE")
_LEFT_OUT = frozenset({"asset_sha256"})
# One row a picture: the photo as it is now, and what the current run and people decided.
_RELATION = """(
    SELECT p.*, i.split, i.f_number_bin, i.iso_bin, i.exposure_time_bin,
           CASE WHEN d.reason IS NOT NULL THEN 'dropped: ' || d.reason WHEN i.asset_sha256 IS NOT NULL THEN 'kept' END
               AS decision
    FROM (SELECT * FROM v_photos QUALIFY row_number() OVER
          (PARTITION BY asset_sha256 ORDER BY fetched_at DESC, photo_id) = 1) p
    LEFT JOIN (SELECT asset_sha256, any_value(split) AS split, any_value(f_number_bin) AS f_number_bin,
                      any_value(iso_bin) AS iso_bin, any_value(exposure_time_bin) AS exposure_time_bin
               FROM curated_items WHERE run_id IN (SELECT run_id FROM v_runs WHERE is_current) GROUP BY asset_sha256) i
        ON i.asset_sha256 = p.asset_sha256
    LEFT JOIN (SELECT asset_sha256, min(reason) AS reason FROM decisions
               WHERE run_id IN (SELECT run_id FROM v_runs WHERE is_current) AND decision = 'drop'
               GROUP BY asset_sha256) d ON d.asset_sha256 = p.asset_sha256)"""


@dataclass(frozen=True)
class MapColours:
    """Values of a column in the order of the pictures of a map.

    For classes `values` are numbers of `names`, of which the last ones may stand for all others and for missing
    values. For numbers they are the numbers, and for times seconds since 1970; null where there is none.
    """

    column: str
    kind: Literal["class", "number", "time"]
    values: list[int | float | None]
    names: list[str]


def list_columns(catalog: Catalog) -> list[dict[str, str]]:
    """List the columns that colour a map: name and type."""
    rows = catalog.records(
        f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {_RELATION})"
    )
    listed = [{"name": str(row["column_name"]), "type": str(row["column_type"])} for row in rows]
    return [row for row in listed if row["name"] not in _LEFT_OUT]


def read_colours(catalog: Catalog, column: str, pictures: Sequence[str]) -> MapColours:
    """Read a column for pictures sorted by SHA-256; raises `QueryError` for a column that there is not."""
    types = {row["name"]: row["type"] for row in list_columns(catalog)}
    if column not in types:
        raise QueryError(f"a map has no column {column[:60]!r}; it has: {', '.join(types)}")
    name = '"' + column.replace('"', '""') + '"'
    kind = _kind(types[column])
    value = {
        "class": f"CAST({name} AS VARCHAR)",
        "number": f"CAST({name} AS DOUBLE)",
        "time": f"epoch({name})",
    }
    table = catalog.query(f"SELECT asset_sha256, {value[kind]} AS value FROM {_RELATION}")
    by_picture = dict(
        zip(table["asset_sha256"].to_pylist(), table["value"].to_pylist(), strict=True)
    )
    values = [by_picture.get(sha) for sha in pictures]
    if kind != "class":
        return MapColours(column, kind, [_short(value) for value in values], [])
    return _classes(column, values)


def _kind(type_name: str) -> Literal["class", "number", "time"]:
    if type_name.endswith("]"):
        return "class"
    if type_name.startswith(_TIMES):
        return "time"
    is_number = type_name.startswith(_NUMBERS) and not type_name.startswith(("UUID", "UNION"))
    return "number" if is_number else "class"


def _short(value: float | None) -> float | None:
    """Round to what a colour can show; infinities and NaN have none.

    >>> _short(0.1234567), _short(float("nan")), _short(None)
    (0.123457, None, None)
    """
    if value is None or not math.isfinite(value) or abs(value) > 1e300:
        return None
    return float(f"{value:.6g}") if abs(value) < MB else float(f"{value:.10g}")


def _classes(column: str, values: Sequence[str | None]) -> MapColours:
    """Give each class a number, the most frequent first; rare ones are together, and missing ones last."""
    counts = Counter(value for value in values if value is not None)
    ranked = sorted(counts, key=lambda each: (-counts[each], each))
    chosen = ranked if len(ranked) <= MOST_CLASSES else ranked[: MOST_CLASSES - 1]
    names = [each[:LONGEST] for each in chosen]
    names += [OTHER] * (len(ranked) > len(chosen))
    number_of: dict[str | None, int] = {each: number for number, each in enumerate(chosen)}
    if len(counts) < len(set(values)):
        number_of[None] = len(names)
        names.append(MISSING)
    other = len(chosen)
    numbers: list[int | float | None] = [number_of.get(value, other) for value in values]
    return MapColours(column, "class", numbers, names)
