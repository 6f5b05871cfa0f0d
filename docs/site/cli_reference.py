"""The pages about the command line, made from the commands themselves."""

import inspect
from collections.abc import Iterator

import click

import safelight

GROUPS = tuple(safelight.ROOMS)
HOME = "--home"  # explained once, on the page about the command line


def page(name: str) -> str:
    """Write the page of one command of `safelight` with all commands below it."""
    root = click.Context(safelight.cli, info_name="safelight", terminal_width=100)
    command = safelight.cli.get_command(root, name)
    assert command is not None
    return "\n".join(_sections(command, name, root, 1)) + "\n"


def _sections(
    command: click.Command, name: str, parent: click.Context, depth: int
) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent, terminal_width=100)
    yield f"{'#' * min(depth, 4)} {context.command_path} {{ data-toc-label='{name}' }}\n"
    yield f"{_plain(command.help)}\n"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{context.command_path} {usage}\n```\n"
    if command.epilog:
        yield f"```text\n{_plain(command.epilog).partition(':')[2].strip()}\n```\n".replace(
            "\n  ", "\n"
        )
    yield from _options(command)
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            below = command.get_command(context, each)
            assert below is not None
            yield from _sections(below, each, context, depth + 1)


def _options(command: click.Command) -> Iterator[str]:
    options = [
        each
        for each in command.params
        if isinstance(each, click.Option) and not each.hidden and HOME not in each.opts
    ]
    if not options:
        return
    yield "| option | value | default | meaning |\n| --- | --- | --- | --- |"
    for each in options:
        names = ", ".join(f"`{name}`" for name in [*each.opts, *each.secondary_opts])
        yield f"| {names} | {_value(each)} | {_default(each)} | {_cell(each.help or '')} |"
    yield ""


def _value(option: click.Option) -> str:
    if option.is_flag:
        return ""
    if isinstance(option.type, click.Choice):
        return ", ".join(f"`{choice}`" for choice in option.type.choices)
    several = ", several times" if option.multiple else ""
    return (option.metavar or option.type.name.upper()).replace("|", "/") + several


def _default(option: click.Option) -> str:
    if option.required:
        return "required"
    plain = isinstance(option.default, str | int | float) and not option.is_flag
    return f"`{option.default}`" if plain and option.default != "" else ""


def _plain(text: str | None) -> str:
    return inspect.cleandoc((text or "").replace("\b\n", ""))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
