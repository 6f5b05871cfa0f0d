"""The commands that pages show in their blocks, and whether `safelight` would accept them."""

import re
import shlex
from pathlib import Path

import click

import safelight

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^ *```([^\n]*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
PLAIN = ("", "bash", "console", "sh")
STARTS = (["safelight"], ["python3", "dev.py", "run"])
OPERATORS = {"&&", "||", "|", ";", "&", ">", ">>", "<"}


def typed_commands(page: str) -> list[list[str]]:
    """List what is typed behind `safelight` or `python3 dev.py run` in the plain blocks of a page."""
    commands = []
    for kind, block in BLOCK.findall(page):
        if kind not in PLAIN:
            continue
        for line in block.replace("\\\n", " ").splitlines():
            commands += _of_line(line.strip().removeprefix("$ "))
    return commands


def _of_line(line: str) -> list[list[str]]:
    if not re.match(r"(\w+=\S* )*(safelight|python3 dev\.py run) ", line):
        return []
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = "#"
    parts: list[list[str]] = [[]]
    for word in lexer:
        if word in OPERATORS:
            parts.append([])
        else:
            parts[-1].append(word)
    found = []
    for part in parts:
        words = part[next((i for i, word in enumerate(part) if "=" not in word), 0) :]
        for start in STARTS:
            if words[: len(start)] == start:
                found.append(words[len(start) :])
    return found


def problem_of(words: list[str]) -> str:
    """Say why `safelight` would refuse these words; empty when it accepts them. Whether files exist does not matter."""
    command: click.Command = safelight.cli
    context, rest = click.Context(command, info_name="safelight"), list(words)
    while isinstance(command, click.Group):
        while rest and rest[0].startswith("-"):
            takes_value = rest[0] in ("--home", "--log-format")
            rest = rest[2 if takes_value else 1 :]
        if not rest:
            return ""
        below = command.get_command(context, rest[0])
        if below is None:
            return f"no command {' '.join(words[: len(words) - len(rest) + 1])}"
        command, rest = below, rest[1:]
        context = click.Context(command, info_name=words[-1], parent=context)
    if {"--help", "-h"} & set(rest):
        return ""
    try:
        values, left, _ = command.make_parser(context).parse_args(list(rest))
        for each in command.params:
            value = values.get(each.name or "")
            is_file = isinstance(each.type, click.Path | click.File)
            if isinstance(value, str) and not is_file and each.callback is None:
                each.type_cast_value(context, value)
            is_missing = isinstance(each, click.Argument) and each.required and value in (None, ())
            if is_missing or (each.required and each.name not in values):
                return f"{' '.join(words)}: {each.name} is missing"
    except click.UsageError as error:
        return f"{' '.join(words)}: {error.format_message()}"
    return f"{' '.join(words)}: {left} is too much" if left else ""
