"""Make one line of what an error, or a program that failed, has written."""

from catalog.workspace.explained import in_plain_words

LONGEST = 2_000
"""Characters of a line."""


def first_line(error: BaseException) -> str:
    r"""Return the first line of an error's text, or the name of its type where it has none.

    >>> first_line(ValueError("\n the actor died\n\tclass: A")), first_line(ValueError())
    ('the actor died', 'ValueError')
    """
    line = next(iter(str(error).strip().splitlines()), "")
    return line.strip()[:LONGEST] or type(error).__name__


def first_paragraph(error: BaseException) -> str:
    r"""Return an error's text up to the first empty line, as one line, with damaged files in plain words.

    DuckDB breaks its sentences, and writes position marks below an empty line.

    >>> first_paragraph(ValueError("no column x!\nDid you mean y?\n\nLINE 1: SELECT x"))
    'no column x! Did you mean y?'
    """
    paragraph = " ".join(str(error).strip().split("\n\n")[0].split())[:LONGEST]
    return in_plain_words(paragraph) or type(error).__name__


def last_line(text: str) -> str:
    r"""Return the last line of what a program wrote to standard error: the message below a traceback.

    >>> last_line("Traceback:\n  File x\nOSError: no\n")
    'OSError: no'
    """
    return text.strip().rpartition("\n")[2].strip()[:LONGEST]
