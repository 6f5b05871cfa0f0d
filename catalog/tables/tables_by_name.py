"""Column contracts of the catalog tables: names, types, meanings, units and keys live here and nowhere else.

Types are those that DuckLake, polars and Iceberg readers share: no unsigned and no 8- or 16-bit integers.
Times are UTC without a zone. Every fact table is append-only; `key` says which columns make a row
unique, and the committing process drops rows whose key is already there.
"""

from catalog.tables.crawl_tables import CRAWL_TABLES
from catalog.tables.curation_tables import CURATION_TABLES
from catalog.tables.release_tables import RELEASE_TABLES
from catalog.tables.table_type import Table

TABLES: dict[str, Table] = {
    table.name: table for table in (*CRAWL_TABLES, *CURATION_TABLES, *RELEASE_TABLES)
}
"""Every catalog table by name."""

RETIRED: frozenset[tuple[str, str]] = frozenset({("exif", "thumbnail_correlation")})
"""Columns that older code wrote and this code does not; other unknown columns mean that the workspace is newer."""
