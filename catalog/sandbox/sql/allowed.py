"""What a statement may name: relations, table functions and functions. Everything else is refused.

Lists name what is allowed, so that what a later DuckDB or an extension adds is refused until somebody has looked at it.
`tests/catalog/sandbox/functions.txt` holds the functions of the DuckDB that was reviewed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import duckdb


def words(text: str) -> frozenset[str]:
    """Give the words of a text as a set."""
    return frozenset(text.split())


TABLE_FUNCTIONS = words(
    "generate_series generate_subscripts icu_calendar_names json_each json_tree pg_timezone_names range "
    "regexp_split_to_table repeat repeat_row unnest"
)
"""Table functions that make rows from nothing or from their arguments.

`histogram`, `histogram_values`, `summary`, `query`, `query_table` and `pragma_*` take the name of a relation, or a
whole statement, as a text, which no parser sees.
"""

_READ_THE_PROCESS = words(
    "current_setting getenv getvariable write_log parse_duckdb_log_message json_execute_serialized_sql "
    "json_serialize_plan json_serialize_sql json_deserialize_sql nextval currval stats current_query current_query_id "
    "current_connection_id current_transaction_id txid_current get_block_size pg_get_viewdef pg_get_constraintdef "
    "format_type"
)
"""Functions that look at the process or at definitions, and not at the data."""

_VOLATILE = words(
    "random setseed uuid gen_random_uuid uuidv4 uuidv7 error sleep_ms now today current_date get_current_time "
    "get_current_timestamp transaction_timestamp current_database current_schema current_schemas in_search_path"
)
"""Functions whose result changes from call to call, reviewed one by one; others of this kind are refused."""

SYSTEM_RELATIONS = {
    "information_schema": words(
        "columns tables schemata views character_sets key_column_usage table_constraints check_constraints "
        "constraint_column_usage constraint_table_usage referential_constraints"
    ),
    "pg_catalog": words(
        "pg_tables pg_views pg_class pg_attribute pg_namespace pg_type pg_description"
    ),
}
"""Views of DuckDB that describe tables and columns, by schema."""

SHOWN = frozenset(["", '"tables"', "__show_tables_expanded"])
"""What `SHOW` and `DESCRIBE` may list without naming a relation: SHOW TABLES, SHOW ALL TABLES, DESCRIBE."""

_PLAIN_NAME = re.compile(r"[\w $-]+")
"""A name that is not the path or the address of a file."""

_FUNCTIONS = (
    "SELECT DISTINCT function_name, function_type, stability FROM duckdb_functions() "
    "WHERE function_type IN ('scalar', 'aggregate', 'macro')"
)
_RELATIONS = (
    "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake' AND schema_name = 'main' AND NOT internal "
    "UNION ALL SELECT view_name FROM duckdb_views() "
    "WHERE database_name = 'lake' AND schema_name = 'main' AND NOT internal"
)
_SYSTEM = "SELECT view_name FROM duckdb_views() WHERE internal"
_UPPER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def lower(name: str) -> str:
    """Fold the case of a name as DuckDB does: A to Z only, where Python would take a Kelvin sign for a k.

    >>> lower("QUERY"), lower(chr(0x212A)) == "k"
    ('query', False)
    """
    return name.translate(_UPPER)


@dataclass(frozen=True)
class Allowed:
    """The relations of one attached catalog, and the functions of this DuckDB; names are in lower case."""

    relations: frozenset[str]
    functions: frozenset[str]
    system: frozenset[str]
    """Views of DuckDB itself, which no common table expression may be named like."""

    def allows_relation(self, catalog: str, schema: str, table: str) -> bool:
        """Say whether this is a table or view of the catalog, or a harmless view of DuckDB."""
        catalog, schema, table = map(lower, (catalog, schema, table))
        if schema in SYSTEM_RELATIONS:
            return catalog in ("", "lake", "system") and table in SYSTEM_RELATIONS[schema]
        if not catalog and not schema and table in SYSTEM_RELATIONS["pg_catalog"]:
            return True
        in_lake = (catalog, schema) in (("", ""), ("", "main"), ("", "lake"), ("lake", "main"))
        return in_lake and table in self.relations

    def allows_expression_name(self, name: str) -> bool:
        """Say whether a common table expression may have this name: that of no file and of no view of DuckDB."""
        return bool(_PLAIN_NAME.fullmatch(name)) and lower(name) not in self.system

    def allows_function(self, name: str, schema: str = "", catalog: str = "") -> bool:
        """Say whether this scalar, aggregate or window function may be called."""
        return lower(name) in self.functions and _is_builtin(schema, catalog)

    def allows_table_function(self, name: str, schema: str = "", catalog: str = "") -> bool:
        """Say whether this function may stand where a table stands."""
        return lower(name) in TABLE_FUNCTIONS and _is_builtin(schema, catalog)


def allowed_by(connection: duckdb.DuckDBPyConnection) -> Allowed:
    """List what statements on this connection may name; takes some 60 ms."""
    functions = frozenset(_reviewed(connection)) | {"unnest", "generate_subscripts"}
    names = [name for (name,) in connection.execute(_SYSTEM).fetchall()]
    empty = Allowed(frozenset(), functions, frozenset(map(lower, names)))
    return with_relations(empty, connection)


def with_relations(allowed: Allowed, connection: duckdb.DuckDBPyConnection) -> Allowed:
    """Take the relations of the catalog that is attached now."""
    names = [name for (name,) in connection.execute(_RELATIONS).fetchall()]
    return replace(allowed, relations=frozenset(map(lower, names)))


def _reviewed(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    for name, kind, stability in connection.execute(_FUNCTIONS).fetchall():
        steady = kind == "macro" or stability == "CONSISTENT" or name in _VOLATILE
        if steady and lower(name) not in _READ_THE_PROCESS and not name.startswith("__internal"):
            yield lower(name)


def _is_builtin(schema: str, catalog: str) -> bool:
    return lower(schema) in ("", "main", "pg_catalog") and lower(catalog) in ("", "system")
