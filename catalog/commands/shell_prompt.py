"""The prompt of `safelight catalog shell` on a terminal: colours, completion, history, statements of several lines."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from catalog.commands.formats import TEXT_FORMATS
from catalog.commands.shell import COMMANDS
from catalog.errors import MissingPartError
from catalog.lake.describe import describe
from catalog.lake.lake import open_catalog
from catalog.lake.saved import questions
from catalog.workspace.workspace import Workspace

try:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.application import get_app
    from prompt_toolkit.completion import CompleteEvent, Completer, Completion
    from prompt_toolkit.document import Document
    from prompt_toolkit.filters import Condition
    from prompt_toolkit.history import FileHistory
    from prompt_toolkit.lexers import PygmentsLexer
    from pygments.lexers.sql import SqlLexer
except ModuleNotFoundError as error:
    raise MissingPartError(error.name or "prompt_toolkit", "shell") from error

_WORD = re.compile(r"[\w.-]*$")
_NAMES = (
    "SELECT DISTINCT function_name AS word, 'function' AS kind FROM duckdb_functions() "
    "WHERE regexp_full_match(function_name, '[a-z][a-z0-9_]*') UNION ALL "
    "SELECT upper(keyword_name), 'keyword' FROM duckdb_keywords() ORDER BY word"
)


@dataclass(frozen=True)
class CompletionWords:
    """What may be completed: (word, what it is); columns by table; names of saved questions."""

    words: list[tuple[str, str]]
    columns: dict[str, list[str]]
    saved: list[str] = field(default_factory=list)


def known_words(workspace: Workspace) -> CompletionWords:
    """Gather tables, columns, functions, keywords and saved questions."""
    with open_catalog(workspace) as tables:
        described = describe(tables)
        names = [(str(row["word"]), str(row["kind"])) for row in tables.records(_NAMES)]
    columns = {table.name: [column.name for column in table.columns] for table in described}
    own = [(table.name, table.kind) for table in described]
    own += [
        (name, "column") for name in sorted({name for some in columns.values() for name in some})
    ]
    return CompletionWords([*own, *names], columns, list(questions(workspace)))


class SqlCompleter(Completer):
    """Complete the word before the cursor; after `table.` its columns, after a command what it takes."""

    def __init__(self, words: CompletionWords) -> None:
        self._words = words

    def get_completions(self, document: Document, _event: CompleteEvent) -> Iterable[Completion]:
        """Give what begins like the word before the cursor, own names first."""
        before = document.text_before_cursor
        match = _WORD.search(before)
        word = match[0] if match else ""
        start = word.rpartition(".")[2] if not before.lstrip().startswith(".") else word
        for text, kind in self._candidates(before.lstrip(), word):
            if text.lower().startswith(start.lower()) and (start or kind == "column of"):
                yield Completion(text, start_position=-len(start), display_meta=kind)

    def _candidates(self, line: str, word: str) -> Iterable[tuple[str, str]]:
        if line.startswith("."):
            command, _, rest = line.partition(" ")
            if not rest and " " not in line:
                return [(name.split()[0], "command") for name in COMMANDS]
            taken = {
                ".schema": list(self._words.columns),
                ".saved": self._words.saved,
                ".mode": TEXT_FORMATS,
            }
            return [(name, command) for name in taken.get(command, [])]
        table = word.rpartition(".")[0]
        if table in self._words.columns:
            return [(name, "column of") for name in self._words.columns[table]]
        return self._words.words


def session(workspace: Workspace) -> "PromptSession[str]":
    """Make the prompt; its history lies in the workspace."""
    return PromptSession(
        "sql> ",
        history=FileHistory(str(workspace.home / ".shell_history")),
        lexer=PygmentsLexer(SqlLexer),
        completer=SqlCompleter(known_words(workspace)),
        complete_while_typing=False,
        multiline=Condition(lambda: not is_whole(get_app().current_buffer.text)),
        prompt_continuation="...> ",
        enable_open_in_editor=True,
    )


def is_whole(text: str) -> bool:
    """Say whether Enter ends the input: an empty line, a command, or a statement with its `;`."""
    stripped = text.strip()
    return not stripped or stripped.startswith(".") or stripped.endswith(";")


def lines(workspace: Workspace) -> Iterator[str]:
    """Give what people type, until Ctrl+D."""
    prompt = session(workspace)
    while True:
        try:
            yield from prompt.prompt().splitlines()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
