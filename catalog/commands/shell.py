"""What `safelight catalog shell` does with each line: it needs no terminal, so that pipes and tests can speak to it."""

import time
from collections.abc import Callable, Iterator

from catalog.commands.formats import TEXT_FORMATS
from catalog.commands.interrupts import stoppable
from catalog.commands.printing import described, render
from catalog.commands.run_query import filled, typed
from catalog.commands.text_table import aligned, terminal_width
from catalog.errors import SafelightError, UsageError
from catalog.lake.describe import describe_one
from catalog.lake.lake import Catalog, open_catalog
from catalog.lake.saved import question, questions
from catalog.plurals import counted
from catalog.workspace.workspace import Workspace

SHOWN = 500
"""Rows of a result that are shown in a format for people to read."""
_READ_BY_PEOPLE = ("table", "vertical")

COMMANDS = {
    ".tables": "list tables and views",
    ".schema NAME": "say what the columns of a table or view mean",
    ".snapshots": "list snapshots, newest first",
    ".as-of N": "read snapshot N from now on; .as-of newest goes back",
    ".mode NAME": f"show rows as {', '.join(TEXT_FORMATS[:-1])} or {TEXT_FORMATS[-1]}",
    ".saved": "list saved questions; .saved NAME [name=value ...] asks one",
    ".help": "show this",
    ".quit": "end (also Ctrl+D)",
}


class Shell:
    """A session on the tables of a workspace. Use as a context manager."""

    def __init__(self, workspace: Workspace, *, as_of: int | None = None) -> None:
        self.ended = False
        self._workspace = workspace
        self._mode = "table"
        self._begun = ""
        self._tables: Catalog = open_catalog(workspace, as_of=as_of)

    def take(self, line: str) -> Iterator[str]:
        """Take a line; a command or the end of a statement gives text to show. Errors are text, too."""
        if not self._begun and line.strip().startswith("."):
            yield from self._answer(lambda: self._command(line.strip()))
            return
        self._begun = f"{self._begun}\n{line}".strip("\n")
        if self._begun.rstrip().endswith(";"):
            yield from self.finish()

    def finish(self) -> Iterator[str]:
        """Run what has been typed, with or without its `;`."""
        sql, self._begun = self._begun.strip().rstrip(";").strip(), ""
        if sql:
            yield from self._answer(lambda: self._run(sql, {}))

    def _answer(self, ask: Callable[[], Iterator[str]]) -> Iterator[str]:
        try:
            yield from ask()
        except SafelightError as error:
            yield f"error: {error}"
        except KeyboardInterrupt:
            yield "interrupted"

    def _run(self, sql: str, parameters: dict[str, object]) -> Iterator[str]:
        started = time.monotonic()
        rows = stoppable(lambda: self._tables.query(sql, parameters), self._tables.interrupt)
        took = time.monotonic() - started
        is_read = self._mode in _READ_BY_PEOPLE
        visible = rows.slice(0, SHOWN) if is_read else rows
        yield render(visible, self._mode, width=terminal_width())
        if is_read:
            cut = f", the first {SHOWN} shown" if len(rows) > SHOWN else ""
            yield f"({counted(len(rows), 'row')}{cut}, {took:.2f} s)"

    def _command(self, line: str) -> Iterator[str]:
        name, *words = line.split()
        commands = {
            ".tables": self._list_tables,
            ".schema": self._schema,
            ".snapshots": self._snapshots,
        }
        commands |= {".as-of": self._go_to, ".mode": self._set_mode, ".saved": self._saved}
        commands |= {".help": self._help, ".quit": self._quit, ".exit": self._quit}
        if name not in commands:
            raise UsageError(f"no command {name}; .help lists them")
        return commands[name](words)

    def _list_tables(self, _words: list[str]) -> Iterator[str]:
        header = ["name", "kind", "rows", "meaning"]
        cells = [[str(row[key]) for key in header] for row in self._tables.tables()]
        return aligned(header, cells, width=terminal_width(), numbers={"rows"}, prose={"meaning"})

    def _schema(self, words: list[str]) -> Iterator[str]:
        if len(words) != 1:
            raise UsageError("give the name of one table: .schema photos")
        yield from described(describe_one(self._tables, words[0]), width=terminal_width())

    def _snapshots(self, _words: list[str]) -> Iterator[str]:
        snapshots = self._tables.snapshots()
        cells = [[str(s.snapshot_id), f"{s.at:%Y-%m-%d %H:%M:%S}", s.message] for s in snapshots]
        header = ["snapshot", "at (UTC)", "message"]
        return aligned(
            header, cells, width=terminal_width(), numbers={"snapshot"}, prose={"message"}
        )

    def _go_to(self, words: list[str]) -> Iterator[str]:
        if len(words) != 1 or not (words[0].isdecimal() or words[0] == "newest"):
            raise UsageError("give the number of a snapshot, or newest: .as-of 12")
        snapshot_id = None if words[0] == "newest" else int(words[0])
        fresh = open_catalog(self._workspace, as_of=snapshot_id)
        self._tables.close()
        self._tables = fresh
        yield f"reading snapshot {self._tables.snapshot()}"

    def _set_mode(self, words: list[str]) -> Iterator[str]:
        if len(words) != 1 or words[0] not in TEXT_FORMATS:
            raise UsageError(f"modes: {', '.join(TEXT_FORMATS)}")
        self._mode = words[0]
        yield from ()

    def _saved(self, words: list[str]) -> Iterator[str]:
        if not words:
            saved = questions(self._workspace)
            cells = [[name, found.title] for name, found in saved.items()]
            return aligned(["name", "title"], cells, width=terminal_width(), prose={"title"})
        saved_question = question(self._workspace, words[0])
        return self._run(saved_question.sql, filled(saved_question, typed(words[1:])))

    def _help(self, _words: list[str]) -> Iterator[str]:
        yield "A statement ends with a line that ends with ;"
        width = max(map(len, COMMANDS))
        yield from (f"{name.ljust(width)}  {about}" for name, about in COMMANDS.items())

    def _quit(self, _words: list[str]) -> Iterator[str]:
        self.ended = True
        yield from ()

    def close(self) -> None:
        """Let go of the tables."""
        self._tables.close()

    def __enter__(self) -> "Shell":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
