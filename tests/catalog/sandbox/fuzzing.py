"""Statements made from a small grammar, allowed and forbidden ones mixed, and written in many ways."""

import random
from collections.abc import Callable

from tests.catalog.web.hostile import HOSTILE

RELATIONS = [
    "photos",
    "labels",
    "v_photos",
    "lake.photos",
    "lake.main.labels",
    '"PHOTOS"',
    "information_schema.tables",
]
FORBIDDEN = [
    "read_text('{file}')", "read_blob('{file}')", "read_csv('{csv}')", "'{csv}'", '"{csv}"', "glob('{folder}/*')",
    "query('FROM read_' || 'text(''{file}'')')", "query('FROM duckdb_' || 'settings()')", "query_table('{csv}')",
    "duckdb_settings()", "duckdb_databases()", "duckdb_secrets()", "sqlite_master", "pg_catalog.pg_settings",
    "histogram_values('{csv}', secret)", "pragma_database_list", "pragma_table_info('{csv}')", "sniff_csv('{csv}')",
    "canary.main.secrets", "canary.secrets", "json_execute_serialized_sql('{{}}')", "parquet_schema('{csv}')",
]  # fmt: skip
SCALARS = ["1", "'a'", "iso + 1", "lower('X')", "count(*) OVER ()", "current_setting('secret_directory')",
           "getvariable('canary')", "current_query()", "now()", "list_transform([1], lambda x: x + 1)"]  # fmt: skip
SPACES = [" ", "  ", "\n", "\t", "\r", "\r\n", "\f", "\v", "\u00a0", "\u2003", "\u3000", "\u200b", "/**/", "/* x */",
          "/* /* y */ */", "--\n", "--\r", "-- z\r\n", "-- ' \n", "/* ' */", "--/*\n"]  # fmt: skip
ODD = ["IMPORT DATABASE '{folder}'", "COPY photos TO '{folder}/x'", "CALL query('FROM photos')", "SET threads = 1",
       "PRAGMA database_list", "ATTACH '{file}' AS x", "PREPARE p AS FROM photos", "SHOW DATABASES", "SHOW TABLES",
       "FROM photos; IMPORT DATABASE '{folder}'", "SET VARIABLE x = 1", "CREATE MACRO m() AS 1"]  # fmt: skip
_HOSTILE = [sql for kind, sql in HOSTILE if kind not in ("memory", "time", "floods")]
GLUE = ["", "", "", "/**/", "--\r", " ", "\n", "/* ( */", "\u00a0"]
FOLDS = {"s": "\u017f", "k": "\u212a", "i": "\u0131"}


class Grammar:
    """Make statements from a seed; `names` fill the places of files."""

    def __init__(self, seed: int, names: dict[str, str]) -> None:
        self._random = random.Random(seed)
        self._names = names

    def statement(self) -> str:
        """Make one statement, disguised."""
        shapes: list[Callable[[], str]] = [
            self._hostile, self._hostile, self._select, self._select, self._pivot, self._pivot, self._pivot,
            self._with, self._explain, self._show,
            self._union, self._odd,
        ]  # fmt: skip
        return self._disguised(self._random.choice(shapes)())

    def _one(self, choices: list[str]) -> str:
        return self._random.choice(choices)

    def _relation(self, depth: int = 0) -> str:
        chance = self._random.random()
        if chance < 0.35:
            return self._one(FORBIDDEN).format(**self._names)
        if chance < 0.55 and depth < 3:
            inner = self._random.choice([self._select, self._pivot, self._with])
            return f"({inner(depth + 1)})"
        return self._one([*RELATIONS, "range(3)", "t"])

    def _select(self, depth: int = 0) -> str:
        if depth < 3 and self._random.random() < 0.15:
            return f"SELECT (FROM {self._relation(depth + 1)} LIMIT 1)"
        tail = self._one(["", " LIMIT 2", " ORDER BY ALL", " WHERE true", " USING SAMPLE 2"])
        return self._one(
            [f"FROM {{}}{tail}", f"SELECT {self._one(SCALARS)} FROM {{}}{tail}"]
        ).format(self._relation(depth).replace("{", "{{").replace("}", "}}"))

    def _pivot(self, depth: int = 0) -> str:
        word = self._one(["PIVOT", "PIVOT_WIDER", "PIVOT"])
        on = self._one(
            [
                "source",
                "kind",
                "1",
                "source || licence",
                "source, licence",
                "iso",
                "secret",
                "content",
                "name",
            ]
        )
        values = self._one(
            ["", "", "", " IN ('a', 'b')", f" IN (SELECT 1 FROM {self._relation(depth + 1)})"]
        )
        using = self._one(["", " USING count(*)", f" USING first({self._one(SCALARS)})"])
        tail = self._one(["", " GROUP BY licence", " LIMIT 1"])
        return f"{word} {self._relation(depth + 1)} ON {on}{values}{using}{tail}"

    def _with(self, depth: int = 0) -> str:
        name = self._one(
            ["t", "photos", '"{csv}"', "duckdb_settings", "sqlite_master", "read_text"]
        )
        made = self._select(depth + 1)
        return f"WITH {name.format(**self._names)} AS ({made}) FROM {self._relation(depth + 1)}"

    def _explain(self) -> str:
        how = self._one(
            [
                "EXPLAIN ",
                "EXPLAIN ANALYZE ",
                "EXPLAIN (FORMAT json) ",
                "EXPLAIN (ANALYZE, FORMAT json) ",
            ]
        )
        return how + self._random.choice([self._select, self._pivot, self._odd])()

    def _show(self) -> str:
        return f"{self._one(['DESCRIBE ', 'SUMMARIZE ', 'SHOW ', 'DESC '])}{self._relation()}"

    def _union(self) -> str:
        return f"({self._select()}) UNION ALL BY NAME ({self._pivot()})"

    def _odd(self) -> str:
        return self._one(ODD).format(**self._names)

    def _hostile(self) -> str:
        """Take one of the statements that are known to be hostile; those that never end are left out."""
        sql = self._one(_HOSTILE)
        for name, value in self._names.items():
            sql = sql.replace(f"{{{name}}}", value)
        return sql

    def _disguised(self, sql: str) -> str:
        """Write a statement another way: case, spaces, comments, quotes; outside of texts most of the time."""
        kept, quote = [], ""
        for character in sql:
            if quote:
                quote = "" if character == quote else quote
                kept.append(character)
                continue
            kept.append(self._other(character))
            quote = character if character in "'\"" else ""
        return (
            self._one(["", "", "", "\ufeff", "\u00a0", "/**/"])
            + "".join(kept)
            + self._one(["", "", ";", "--", " ;;"])
        )

    def _other(self, character: str) -> str:
        chance = self._random.random()
        if character == " ":
            return self._one(SPACES) if chance < 0.3 else " "
        if character == "(":
            return (self._one(GLUE) if chance < 0.4 else "") + "("
        if character.isalpha() and chance < 0.2:
            return character.swapcase()
        return FOLDS.get(character, character) if chance > 0.997 else character
