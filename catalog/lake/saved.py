"""Questions that people save: `queries/NAME.sql` in the workspace, beside those that Safelight ships.

A saved file is SQL with a comment as its first line: `-- title: How many photos?`. Its parameters are DuckDB's named
ones (`$name`), null unless they are given.
"""

import re
from pathlib import Path

from catalog.errors import QuestionNotFoundError, ShippedQuestionError, UsageError
from catalog.tables.questions import QUESTIONS, Parameter, Question
from catalog.workspace.files import write_text
from catalog.workspace.workspace import Workspace

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_TITLE = "-- title: "
# A parameter, or what may hold something that looks like one: a text, a name, a comment.
_PARAMETER = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|\$([A-Za-z_]\w*)", re.DOTALL
)


def questions(workspace: Workspace) -> dict[str, Question]:
    """Give all questions by name, the shipped ones first."""
    own = {path.stem: _read(path) for path in sorted(_folder(workspace).glob("*.sql"))}
    return {**QUESTIONS, **{name: sql for name, sql in own.items() if name not in QUESTIONS}}


def question(workspace: Workspace, name: str) -> Question:
    """Give the question of this name; raises `QuestionNotFoundError`."""
    saved = questions(workspace)
    if name not in saved:
        raise QuestionNotFoundError(name, list(saved))
    return saved[name]


def save_question(workspace: Workspace, name: str, title: str, sql: str) -> Question:
    """Keep a question under a name of small letters, digits, `-` and `_`.

    Raises `UsageError` for another name, `ShippedQuestionError` for one that is taken.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a question: use small letters, digits, - and _")
    if name in QUESTIONS:
        raise ShippedQuestionError(name)
    path = _folder(workspace) / f"{name}.sql"
    path.parent.mkdir(exist_ok=True)
    write_text(path, f"{_TITLE}{' '.join(title.split())}\n{sql.strip()}\n")
    return _read(path)


def delete_question(workspace: Workspace, name: str) -> None:
    """Delete a question of people; raises `QuestionNotFoundError`, `ShippedQuestionError`."""
    if name in QUESTIONS:
        raise ShippedQuestionError(name)
    path = _folder(workspace) / f"{name}.sql"
    if not NAME.fullmatch(name) or not path.exists():
        raise QuestionNotFoundError(name, list(questions(workspace)))
    path.unlink()


def parameter_names(sql: str) -> list[str]:
    """List the named parameters of a statement, in the order in which they first stand.

    >>> parameter_names("SELECT $a, '$b', $a -- $c")
    ['a']
    """
    return list(dict.fromkeys(match[1] for match in _PARAMETER.finditer(sql) if match[1]))


def _folder(workspace: Workspace) -> Path:
    return workspace.home / "queries"


def _read(path: Path) -> Question:
    first, _, rest = path.read_text("utf-8").partition("\n")
    titled = first.startswith(_TITLE)
    sql = (rest if titled else f"{first}\n{rest}").strip()
    parameters = tuple(Parameter(name, "") for name in parameter_names(sql))
    title = first.removeprefix(_TITLE).strip() if titled else path.stem
    return Question(path.stem, title, sql, "", parameters)
