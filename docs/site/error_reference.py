"""The page about errors and exit codes, made from the classes."""

import importlib
from collections.abc import Iterator

from catalog import SafelightError

MODULES = (
    "catalog.errors",
    "catalog.web.http.request_parsing",
    "catalog.web.statements.query_registry",
    "crawler.errors",
    "crawler.readers.url_lists",
    "crawler.session.metrics",
    "curation.errors",
    "curation.report.similar",
    "training.errors",
    "training.report.saved_run",
)
"""Every module that derives an error from `SafelightError`."""
INTRO = """# Errors and exit codes

An error that a person can act on is a `SafelightError`: the command prints one line (what is wrong, what there is,
what to do next) to standard error and ends with the code below. A traceback is a fault of Safelight. In a program
catch `safelight.SafelightError`, or one of the classes below; the message is the same.

| exit code | when |
| ---: | --- |
| 0 | the command did what it says; pictures that failed are rows and are counted |
| 1 | an error below; `verify` and `doctor` when something is wrong; `predict` when a file cannot be decoded |
| 2 | wrong usage: no such command or option, a value of the wrong type |
| 3 | a crawl was stopped before its end; `crawl resume` goes on |
| 4 | fetched, but not committed: it waits in the spool for `catalog commit` |
| 130 | interrupted by Ctrl+C |
| 141 | nobody reads the output any more, as with `\\| head` |
| 143 | a training was told to end (SIGTERM); its checkpoint is written |

Answers of the server have an HTTP status, and a body with `error` (a sentence) and `kind` (a word): [HTTP](http.md).
"""


def page() -> str:
    """Write the page: exit codes, then each class below the class that it derives from."""
    for module in MODULES:
        importlib.import_module(module)
    return "\n".join([INTRO, "## Classes\n", *_tree(SafelightError, 0)]) + "\n"


def _tree(kind: type[Exception], depth: int) -> Iterator[str]:
    if kind.__module__ not in MODULES:
        return
    about = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
    code = getattr(kind, "exit_code", 1)
    more = f" Exit code {code}." if code != 1 else ""
    yield f"{'    ' * depth}- `{kind.__name__}` (`{kind.__module__}`): {about}{more}"
    for below in sorted(kind.__subclasses__(), key=lambda each: each.__name__):
        yield from _tree(below, depth + 1)
