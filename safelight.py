"""The command `safelight`. It loads a room only when one of its commands is asked for."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - before anything else is imported
if __name__ == "__main__" and sys.path and sys.path[0] in ("", os.getcwd()) and sys.path[0] != HERE:  # noqa: PTH109
    del sys.path[0]  # `python -m` searches the current folder first: a catalog.py there is not ours

import contextlib
import difflib
import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from catalog.takedown.crawl_queue import CrawlQueue
    from catalog.workspace.logs import Format
    from catalog.workspace.workspace import Workspace

ROOMS = {
    "crawl": (
        "crawler.commands.crawl:crawl",
        "crawl",
        "Bring photographs and their EXIF into the catalog.",
    ),
    "catalog": (
        "catalog.commands.catalog:catalog",
        "",
        "Query the tables, look at snapshots, check the workspace.",
    ),
    "curate": (
        "curation.commands.curate:curate",
        "curate",
        "Find duplicates and corrupt EXIF, split, rebalance.",
    ),
    "dataset": (
        "catalog.commands.dataset:dataset",
        "",
        "Publish, pull, check, compare and export dataset releases.",
    ),
    "train": (
        "training.commands.train:train",
        "train",
        "Train models on releases and report on them.",
    ),
    "serve": (
        "catalog.commands.serve:serve",
        "serve",
        "Serve the console, SQL over HTTP and releases.",
    ),
    "demo": (
        "photosite.cli:demo",
        "crawl",
        "The embedded photo site, and the whole way in one command.",
    ),
}
"""Command -> (where it lives, the extra that installs its libraries, what it does)."""

EXTRAS = {"ray": "cluster", "obstore": "s3"}
"""Library -> the extra that installs it, where that is not the extra of the room."""

BROKEN_PIPE = 128 + 13

OURS = ("catalog", "crawler", "curation", "photosite", "training", "safelight")


class _Rooms(click.Group):
    """A group whose members are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the rooms in the order of the work."""
        return list(ROOMS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the room of one command."""
        if cmd_name not in ROOMS:
            return None
        where, extra, _ = ROOMS[cmd_name]
        module, name = where.split(":")
        command = _import(module, extra)
        found: click.Command = getattr(command, name)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command as click does; a mistyped name is answered with the nearest one."""
        near = [] if args[0] in ROOMS else difflib.get_close_matches(args[0], ROOMS, n=1)
        if near and not ctx.resilient_parsing:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the rooms without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, _, about) in ROOMS.items()])


def _import(module: str, extra: str) -> object:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise _missing(error, extra) from error


def _missing(error: ModuleNotFoundError, extra: str) -> Exception:
    """Say which pip command adds a library; a module of our own that is missing is a bug."""
    name = (error.name or "").split(".")[0]
    if not extra or not name or name in OURS:
        return error
    from catalog.errors import MissingPartError

    return MissingPartError(name, EXTRAS.get(name, extra))


@click.group(cls=_Rooms, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home",
    metavar="DIR",
    envvar="SAFELIGHT_HOME",
    help="Workspace folder (default: ./workspace).",
)
@click.option("-v", "--verbose", is_flag=True, help="Log what happens to stderr.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    envvar="SAFELIGHT_LOG_FORMAT",
    default="text",
    help="json: stderr is one JSON object a line, with the id of the run.",
)
@click.version_option(package_name="safelight", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, home: str | None, verbose: bool, log_format: "Format") -> None:  # noqa: ARG001 - commands read `home` from the root context
    """Collect photographs and faces, curate them into versioned datasets, train models on them."""
    import logging

    ctx.obj = open_crawl_queue

    from catalog.workspace.logs import start_logging

    start_logging(log_format, level=logging.INFO if verbose else logging.WARNING)


def open_crawl_queue(workspace: "Workspace") -> "CrawlQueue":
    """Open what takedown and purge must tell the crawler; the catalog may not import it."""
    crawler = _import("crawler", "crawl")
    opened: CrawlQueue = crawler.FrontierQueue(workspace)  # type: ignore[attr-defined]  # a module, loaded by name
    return opened


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; an error that a person can act on is one line and exit code 1."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None:  # for the processes that libraries start, as -P is for ours
        os.environ.setdefault("PYTHONSAFEPATH", "1")
    if shadow := _shadowed():
        click.echo(f"error: {shadow}", err=True)
        sys.exit(1)
    try:
        _run(given)
    except Exception as error:
        from catalog.workspace.explained import is_broken_pipe  # not before: it loads the catalog

        is_unread = is_broken_pipe(error) and _has_no_reader()
        _drop_unwritten()
        if is_unread:  # as SIGPIPE ends a program: without a word, by the code that shells give it
            sys.exit(BROKEN_PIPE)
        line = _one_line(error, given)
        if line is None:
            raise
        _say(line)
        sys.exit(getattr(error, "exit_code", 1))


def _shadowed() -> str:
    """Name the first module that Python takes for a part of Safelight though it lies elsewhere."""
    packages = OURS[:-1]
    for name in packages:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        # Ours lie side by side, each with its mark.
        beside = Path(spec.origin).parents[1]
        if not all((beside / each / "py.typed").is_file() for each in packages):
            return (
                f"{spec.origin} hides Safelight's own {name}: Python searches its folder first. "
                "Rename it, or take its folder out of PYTHONPATH"
            )
    return ""


def _run(given: Sequence[str]) -> None:
    try:
        cli(given, prog_name="safelight")
    except SystemExit as end:
        if end.code == 1 and _has_no_reader():  # click has met a broken pipe
            raise BrokenPipeError from None
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        raise


def _has_no_reader() -> bool:
    """Say whether output goes into a pipe that nobody reads any more, as behind `| head`."""
    import select

    poll = select.poll()
    for number in (1, 2):
        poll.register(number, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _drop_unwritten() -> None:
    """Let go of output that cannot be written: Python would try again at its end, and complain."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _say(problem: str) -> None:
    """Write an error where people look for it, or as a line of the JSON log."""
    from catalog.workspace.logs import logs_json

    if logs_json():
        import logging

        logging.getLogger("safelight").error(problem)
    else:
        click.echo(f"error: {problem}", err=True)


def _one_line(error: Exception, given: Sequence[str]) -> str | None:
    """Say what a person can act on; None for a bug, which deserves its traceback."""
    from catalog.errors import SafelightError  # not before: it loads the catalog
    from catalog.workspace.explained import explained

    if isinstance(error, ModuleNotFoundError):
        extra = next((ROOMS[word][1] for word in given if word in ROOMS), "")
        error = _missing(error, extra)
    return str(error) if isinstance(error, SafelightError) else explained(error)


if __name__ == "__main__":
    main()
