"""`safelight catalog sql` and `safelight catalog shell`."""

import sys
from pathlib import Path

import click

from catalog.commands.formats import BINARY_FORMATS, FORMATS
from catalog.commands.json_output import json_format_option
from catalog.errors import UsageError
from catalog.plurals import counted
from catalog.workspace.options import examples, existing_workspace_option
from catalog.workspace.workspace import Workspace

_AS_OF = "Read the tables as they were at this snapshot."


@click.command(
    epilog=examples(
        'catalog sql "SELECT camera, count(*) AS n FROM v_photos GROUP BY camera"',
        'catalog sql "FROM photos" --output photos.parquet',
        "catalog sql - --format json < question.sql",
    )
)
@click.argument("query", required=False)
@click.option("--format", "style", type=click.Choice(FORMATS), default="table", show_default=True)
@json_format_option
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write to FILE.",
)
@click.option("--as-of", type=int, metavar="SNAPSHOT", help=_AS_OF)
@click.option(
    "--parameter",
    "-p",
    "words",
    multiple=True,
    metavar="NAME=VALUE",
    help="Value of $NAME; may be repeated.",
)
@click.option(
    "--saved", metavar="NAME", help="Ask a saved question; `catalog shell` lists them with .saved."
)
@click.option(
    "--sandbox", is_flag=True, help="Run it as the server runs statements of others, within limits."
)
@existing_workspace_option
def sql(  # noqa: PLR0913, PLR0917 - one for each option
    workspace: Workspace,
    query: str | None,
    style: str,
    output: Path | None,
    as_of: int | None,
    words: tuple[str, ...],
    saved: str | None,
    sandbox: bool,
) -> None:
    """Run one reading SQL statement. Example: "SELECT count(*) FROM photos"; - reads it from stdin."""
    from catalog.commands.run_query import ask, filled, typed, write
    from catalog.lake.saved import question

    if (query is None) == (saved is None):
        raise click.UsageError("give one statement, or --saved with the name of a question")
    if style in BINARY_FORMATS and output is None and sys.stdout.isatty():
        raise UsageError(f"{style} is not for a terminal: add --output FILE")
    parameters = typed(words)
    if saved is not None:
        saved_question = question(workspace, saved)
        query, parameters = saved_question.sql, filled(saved_question, parameters)
    text = sys.stdin.read() if query == "-" else str(query)
    rows = ask(workspace, text, parameters, as_of=as_of, sandbox=sandbox)
    if output is None:
        write(rows, style, sys.stdout.buffer)
    else:
        with output.open("wb") as target:
            write(rows, style, target)
        click.echo(f"{counted(rows.num_rows, 'row')} in {output}", err=True)


@click.command(epilog=examples("catalog shell", "catalog shell --as-of 12"))
@click.option("--as-of", type=int, metavar="SNAPSHOT", help=_AS_OF)
@existing_workspace_option
def shell(workspace: Workspace, as_of: int | None) -> None:
    """Run one statement after another. It completes words and has a history; .help lists what else it does."""
    from catalog.commands.shell import Shell

    if sys.stdin.isatty() and sys.stdout.isatty():
        from catalog.commands.shell_prompt import lines

        click.echo(f"Safelight SQL on {workspace.home}. A statement ends with ; and .help helps.")
        given = lines(workspace)
    else:
        given = (line.rstrip("\n") for line in sys.stdin)
    with Shell(workspace, as_of=as_of) as session:
        for line in given:
            for text in session.take(line):
                click.echo(text)
            if session.ended:
                break
        for text in session.finish():
            click.echo(text)
