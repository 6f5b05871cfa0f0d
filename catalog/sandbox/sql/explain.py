"""Take EXPLAIN off the beginning of a statement, and semicolons off its end, by DuckDB's own tokens."""

import re
from collections.abc import Sequence

import duckdb

_OPTION = re.compile(r"ANALYZE|FORMAT|JSON|TEXT|HTML|GRAPHVIZ|YAML|MERMAID|,", re.IGNORECASE)


def tokens(sql: str) -> list[tuple[int, str]]:
    """Give place (in characters) and beginning of every token: a word, or one sign. Comments are not tokens."""
    body, words, place, before = sql.encode(), [], 0, 0
    for start, _ in duckdb.tokenize(sql):
        place += len(body[before:start].decode(errors="replace"))
        before = start
        word = re.match(r"\w+|.", sql[place:], re.DOTALL)
        words.append((place, word.group() if word else ""))
    return words


def without_semicolons(sql: str) -> str:
    """Cut off the semicolons at the end, with the comments behind them.

    >>> without_semicolons("FROM photos ; -- all; of them")
    'FROM photos '
    """
    words = tokens(sql)
    while words and words[-1][1] == ";":
        sql = sql[: words.pop()[0]]
    return sql


def split_explain(sql: str) -> tuple[str, str] | None:
    """Split a text into `EXPLAIN` with its options, written anew, and the statement that is explained.

    None when it does not look like one.

    >>> split_explain("explain /* why */ (analyze, format json) FROM photos")
    ('EXPLAIN (analyze, format json)', 'FROM photos')
    """
    located = tokens(sql)
    words = [word for _, word in located]
    if not words or words[0].upper() != "EXPLAIN":
        return None
    n, how = 1, "EXPLAIN"
    if len(words) > n and words[n].upper() == "ANALYZE":
        n, how = n + 1, f"{how} ANALYZE"
    if len(words) > n + 1 and words[n] == "(" and _OPTION.fullmatch(words[n + 1]):
        options = _options(words[n + 1 :])
        if options is None:
            return None
        n, how = n + len(options) + 2, f"{how} ({' '.join(options).replace(' ,', ',')})"
    return (how, sql[located[n][0] :]) if len(located) > n else None


def _options(words: Sequence[str]) -> list[str] | None:
    """Take the options up to the closing parenthesis; None when there is something else among them."""
    taken: list[str] = []
    for word in words:
        if word == ")":
            return taken
        if not _OPTION.fullmatch(word):
            return None
        taken.append(word)
    return None
