"""The commands `crawl run NAME` and `crawl plan NAME` of the sources that read a user's files.

Each source is one function here: its options are those of the command, its docstring is the help, and the source that
it returns is run or planned.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from catalog import Workspace, counted, emit_json, examples, format_bytes, workspace_option
from crawler.commands.basis import BASIS

if TYPE_CHECKING:
    from crawler.listing.file_source import FileSource

Make = Callable[..., "FileSource"]
Run = Callable[..., None]

PATH = click.Path(path_type=Path, resolve_path=True)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path, resolve_path=True)


@click.argument("path", type=FOLDER)
@click.option(
    "--class-level",
    type=click.IntRange(min=1),
    metavar="N",
    help="The N-th folder of the path is the class, the first other one the group.",
)
@click.option("--author", metavar="TEXT", help="Who took the pictures.")
def folder(path: Path, class_level: int | None, author: str | None) -> "FileSource":
    """Import every picture below PATH. Folder names become labels."""
    from crawler.sources import FolderSource

    return FolderSource(str(path), class_level, author)


@click.argument("path", type=PATH)
@BASIS
def utkface(path: Path, training_basis: str | None) -> "FileSource":
    """Import the faces of UTKFace below PATH. File names become labels, bad names are quarantined."""
    from crawler.sources import UtkFaceSource

    return UtkFaceSource(str(path), training_basis)


@click.argument("mat", type=PATH)
@click.option("--images", type=PATH, help="Folder of the pictures (default: that of MAT).")
@click.option("--keep-all", is_flag=True, help="Keep rows without a face or with a second one.")
@BASIS
def imdb_wiki(
    mat: Path, images: Path | None, keep_all: bool, training_basis: str | None
) -> "FileSource":
    """Import the faces that MAT lists (imdb.mat or wiki.mat). Names of persons are left out."""
    from crawler.sources import ImdbWikiSource

    return ImdbWikiSource(str(mat), str(images) if images else None, keep_all, training_basis)


@click.argument("path", type=PATH)
@click.option(
    "--pattern",
    metavar="REGEX",
    help="Matches a whole file name; its named groups become labels "
    "(default: digit_speaker_take.wav).",
)
def sounds(path: Path, pattern: str | None) -> "FileSource":
    """Import the WAV files below PATH. Parts of their names become labels."""
    from crawler.sources.sounds import SPOKEN_DIGIT, SoundsSource

    return SoundsSource(str(path), pattern or SPOKEN_DIGIT)


@click.argument("votes", type=PATH)
@click.option("--images", type=PATH, help="Folder of the pictures, IMAGE_ID.jpg.")
@click.option("--suffix", default=".jpg", show_default=True, help="End of the pictures' names.")
@BASIS
def ava(votes: Path, images: Path | None, suffix: str, training_basis: str | None) -> "FileSource":
    """Import VOTES on photographs (AVA.txt, JSON or CSV). With --images it imports the pictures, too."""
    from crawler.sources import AvaSource

    return AvaSource(str(votes), str(images) if images else None, suffix, training_basis)


@click.argument("table", type=PATH)
@click.option("--fetch", is_flag=True, help="Ask the addresses for their pictures, too.")
@BASIS
def defects(table: Path, fetch: bool, training_basis: str | None) -> "FileSource":
    """Import TABLE, a CSV of the severities of seven defects. It names pictures by their addresses."""
    from crawler.sources import DefectsSource

    return DefectsSource(str(table), fetch, training_basis)


@click.argument("images", type=PATH)
@click.argument("labels", type=PATH)
@click.option("--task", default="digit", show_default=True, help="What the labels say.")
@click.option("--limit", type=click.IntRange(min=1), help="Import the first so many only.")
def idx(images: Path, labels: Path, task: str, limit: int | None) -> "FileSource":
    """Import the pictures of an IDX file (MNIST) with LABELS. Each picture is stored as PNG."""
    from crawler.sources import IdxSource

    return IdxSource(str(images), str(labels), task, limit)


@click.argument("path", type=PATH)
@click.option(
    "--date-format", metavar="FORMAT", help="How days are written, such as %m/%d/%Y (default: ISO)."
)
def table(path: Path, date_format: str | None) -> "FileSource":
    """Import daily prices from PATH. It is a CSV file or a folder of them."""
    from crawler.sources import TableSource

    return TableSource(str(path), date_format)


MAKERS: Mapping[str, Make] = {
    "folder": folder,
    "utkface": utkface,
    "imdb-wiki": imdb_wiki,
    "ava": ava,
    "defects": defects,
    "idx": idx,
    "sounds": sounds,
    "table": table,
}


EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "folder": ("~/Pictures", "photos --class-level 1"),
    "utkface": ("UTKFace",),
    "imdb-wiki": ("imdb/imdb.mat",),
    "ava": ("AVA.txt", "AVA.txt --images ~/ava"),
    "defects": ("severities.csv",),
    "idx": ("train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz",),
    "sounds": ("recordings",),
    "table": ("prices.csv", "prices --date-format %m/%d/%Y"),
}
"""Source -> what is typed behind its name in the examples of its commands."""


def add_commands(run: click.Group, plan: click.Group, start: Run) -> None:
    """Add the commands of every source to the groups; `start` runs a source and prints its summary."""
    for name, make in MAKERS.items():
        run.add_command(_command("run", name, partial(_start, start), make.__doc__ or ""))
        counts = f"Count what `crawl run {name}` would read. Nothing is written."
        plan.add_command(_command("plan", name, _plan, counts))


def _command(verb: str, name: str, act: Run, help_text: str) -> click.Command:
    make = MAKERS[name]

    @workspace_option
    def command(workspace: Workspace, **options: Any) -> None:
        act(workspace, make(**options))

    # click keeps the options of decorators in this attribute; both commands of a source share them.
    shared = getattr(make, "__click_params__", [])
    command.__click_params__ = [*command.__click_params__, *shared]  # type: ignore[attr-defined]  # set by click
    typed = examples(*(f"crawl {verb} {name} {words}" for words in EXAMPLES[name]))
    return click.command(name, help=help_text, epilog=typed)(command)


def _start(start: Run, workspace: Workspace, source: "FileSource") -> None:
    start(workspace, source)


def _plan(workspace: Workspace, source: "FileSource") -> None:  # noqa: ARG001 - as `_start`
    from crawler.commands.planner import plan_files

    plan = plan_files(source)
    if emit_json(plan):
        return
    click.echo(f"{counted(plan.files, 'file')}, {format_bytes(plan.bytes)}")
    for table, n in sorted(plan.rows.items()):
        click.echo(f"{counted(n, 'row')} of {table} without files")
    if plan.refused:
        click.echo(f"{counted(plan.refused, 'name')} will be refused (error rows)")
    click.echo(
        f"{counted(plan.skipped, 'entry')} will be passed over: hidden, links, unusable lines"
    )
