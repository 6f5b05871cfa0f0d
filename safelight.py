"""The command `safelight`, and what Python programs import: `import safelight`.

`load`, `dataset`, `loader`, `similar`, `sql`, `predict`, `Workspace`: see docs/python.md. A room is imported only
when one of its commands or names is used.
"""

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
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from catalog import SafelightError, Workspace, load, sql
    from catalog.takedown.crawl_queue import CrawlQueue
    from catalog.web.models.model_library import ModelLibrary
    from catalog.web.predictions.predictor import Predictor
    from catalog.web.similarity.searcher import Searcher
    from catalog.workspace.logs import Format
    from curation import similar
    from training.data.dataset import dataset
    from training.data.loader import loader

__all__ = ["SafelightError", "Workspace", "dataset", "load", "loader", "main", "predict", "similar", "sql"]  # fmt: skip

ROOMS = {
    "crawl": ("crawler.commands.crawl:crawl", "crawl", "Fetch photographs and their EXIF into the catalog."),
    "catalog": ("catalog.commands.catalog:catalog", "", "Query the tables, look at snapshots, check the workspace."),
    "curate": ("curation.commands.curate:curate", "curate", "Find duplicates and corrupt EXIF, split, rebalance."),
    "dataset": ("catalog.commands.dataset:dataset", "", "Publish, pull, check, compare and export dataset releases."),
    "train": ("training.commands.train:train", "train", "Train models on releases and report on them."),
    "models": ("training.commands.models:models", "train", "Add encoders with weights of your own."),
    "predict": ("training.commands.train:predict", "train", "Print what a model predicts for files."),
    "serve": ("catalog.commands.serve:serve", "serve", "Serve the console, SQL over HTTP and releases."),
    "init": ("catalog.commands.setup:init", "", "Make a workspace with its safelight.toml."),
    "doctor": ("catalog.commands.setup:doctor", "", "Look at installation, machine and workspace."),
    "demo": ("photosite.cli:demo", "crawl", "The embedded photo site, and all steps in one command."),
}  # fmt: skip
"""Command -> (where it lives, the extra that installs its libraries, what it does)."""

EXTRAS = {"ray": "cluster", "obstore": "s3"}
"""Library -> the extra that installs it, where that is not the extra of the room."""

SETTINGS = {
    "catalog": "catalog.lake.choose_store:CatalogSettings",
    "storage": "catalog.packs.buckets:StorageSettings",
    "crawl": "crawler.settings:CrawlSettings",
    "curate": "curation.settings:CurateSettings",
    "dataset": "catalog.pull.pull:DatasetSettings",
    "train": "training.settings:TrainSettings",
    "serve": "catalog.web.http.settings:ServeSettings",
}
"""Section of safelight.toml -> the dataclass that reads it; `doctor` checks them all."""

PREDICTOR = "safelight.open_predictor"
"""Where `safelight serve` looks for `open_predictor`: OPENER of `catalog.web.predictions.predictor`."""

MODELS = "safelight.open_models"
"""Where `safelight serve` looks for `open_models`: OPENER of `catalog.web.models.model_library`."""

SEARCHER = "safelight.open_searcher"
"""Where `safelight serve` looks for `open_searcher`: OPENER of `catalog.web.similarity.searcher`."""

BROKEN_PIPE = 128 + 13

OURS = ("catalog", "crawler", "curation", "photosite", "training", "safelight")

RECIPE_PARTS = (
    "Config", "Crops", "DistributionHead", "EditedPairs", "EmbeddingHead", "Head", "HeadedNetwork", "OrdinalHead",
    "PatchesAndThumbnail", "Recipe", "RegressionHead", "SoftmaxHead", "View", "channels_first",
    "picture_features", "stacked",
)  # fmt: skip
"""What a recipe of one's own is made of (docs/training.md)."""

PUBLIC = {
    **dict.fromkeys(("SafelightError", "Workspace", "load"), ("catalog", "")),
    "similar": ("curation", "curate"),
    "sql": ("catalog", "train"),
    "dataset": ("training.data.dataset", "train"),
    "loader": ("training.data.loader", "train"),
    **dict.fromkeys(RECIPE_PARTS, ("training", "train")),
}
"""Name of the Python interface -> (where it lives, the extra that installs its libraries)."""


def _public_attribute(name: str) -> Any:
    """Import a name of the Python interface on its first use (PEP 562).

    Raises `ImportError` when another module hides a package of Safelight.
    """
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _require_own_packages()
    where, extra = PUBLIC[name]
    value = globals()[name] = getattr(_import(where, extra), name)
    return value


if not TYPE_CHECKING:  # mypy would take every name for one that `__getattr__` knows
    __getattr__ = _public_attribute


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC})


def predict(
    model_id: str,
    files: str | Path | Sequence[str | Path],
    workspace: "Workspace | str | Path | None" = None,
    *,
    each_face: bool = False,
    quantised: bool = False,
) -> list[dict[str, Any]]:
    """Predict picture files with a trained model: one dict for each file and task, as `--format json` prints them.

    With `each_face` it is one for each face and task, with the box of the face under `face`. `model_id` may be the
    unique beginning of one; `quantised` takes its smaller form. `workspace` is by default that of SAFELIGHT_HOME, else
    ./workspace.
    Raises `ModelNotFoundError`, and `UndecodablePictureError` for a file that is not a picture.
    """
    _require_own_packages()
    _import("onnxruntime", "train")
    from catalog import find_workspace
    from training.commands.predictions import face_rows, prediction_rows
    from training.evaluation.saved_head import saved_heads
    from training.predict.each_face import predict_faces
    from training.predict.predict_files import load_model, predict_picture

    model = load_model(find_workspace(workspace), model_id, quantised=quantised)
    name, heads = str(model.facts["model_id"]), saved_heads(model.facts)
    rows: list[dict[str, Any]] = []
    for path in [files] if isinstance(files, str | Path) else files:
        if each_face:
            faces = predict_faces(model, Path(path).read_bytes(), str(path))
            rows += [row.as_json for row in face_rows(str(path), name, heads, faces)]
            continue
        answers = predict_picture(model, Path(path).read_bytes(), str(path))
        rows += [row.as_json for row in prediction_rows(str(path), name, heads, answers)]
    return rows


def _require_own_packages() -> None:
    if shadow := _shadowing_module():
        raise ImportError(shadow)


class _RoomCommands(click.Group):
    """A command group that imports a member on its first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """List the commands in the order of the pipeline."""
        return list(ROOMS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the room of one command."""
        if cmd_name not in ROOMS:
            return None
        where, extra, _ = ROOMS[cmd_name]
        module, name = where.split(":")
        command = _import(module, extra)
        loaded: click.Command = getattr(command, name)
        return loaded

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command as click does; for a mistyped name suggest the nearest one."""
        near = [] if args[0] in ROOMS else difflib.get_close_matches(args[0], ROOMS, n=1)
        if near and not ctx.resilient_parsing:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the rooms without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, _, about) in ROOMS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write examples, which name the program as it was started."""
        from catalog.workspace.options import examples

        self.epilog = examples("init ~/safelight-photos", "crawl run folder ~/Pictures", "doctor")
        super().format_epilog(ctx, formatter)


def _import(module: str, extra: str) -> object:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise _missing_extra(error, extra) from error


def _missing_extra(error: ModuleNotFoundError, extra: str) -> Exception:
    """Return an error with the pip command for a missing library; a missing module of Safelight is a bug."""
    name = (error.name or "").split(".")[0]
    if not extra or not name or name in OURS:
        return error
    from catalog.errors import MissingPartError

    return MissingPartError(name, EXTRAS.get(name, extra))


@click.group(cls=_RoomCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home",
    metavar="DIR",
    envvar="SAFELIGHT_HOME",
    help="Workspace folder (default: ./workspace).",
)
@click.option("-v", "--verbose", is_flag=True, help="Log what happens to stderr.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress on stderr.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    envvar="SAFELIGHT_LOG_FORMAT",
    default="text",
    help="json: stderr is one JSON object a line, with the id of the run.",
)
@click.version_option(package_name="safelight", message="safelight %(version)s")
@click.pass_context
def cli(
    ctx: click.Context,
    *,
    home: str | None,  # noqa: ARG001 - commands read `home` from the root context
    verbose: bool,
    quiet: bool,
    log_format: "Format",
) -> None:
    """Collect photographs and faces, curate them into versioned datasets, train models on them."""
    import logging

    ctx.obj = open_crawl_queue
    ctx.meta[PREDICTOR] = open_predictor
    ctx.meta[MODELS] = open_models
    ctx.meta[SEARCHER] = open_searcher
    ctx.meta["safelight.settings"] = SETTINGS

    from catalog.workspace.logs import start_logging
    from catalog.workspace.progress import show_progress

    start_logging(log_format, level=logging.INFO if verbose else logging.WARNING)
    if (
        not quiet and os.environ.get("RANK", "0") == "0"
    ):  # of the processes of torchrun, one shows progress
        ctx.with_resource(show_progress())


def open_crawl_queue(workspace: "Workspace") -> "CrawlQueue":
    """Open the crawler's queue for takedown and purge; the catalog may not import the crawler."""
    crawler = _import("crawler", "crawl")
    queue: CrawlQueue = crawler.FrontierQueue(workspace)  # type: ignore[attr-defined]  # a module, loaded by name
    return queue


def open_predictor(workspace: "Workspace") -> "Predictor":
    """Open the models of a workspace for the prediction page; the catalog may not import training."""
    _import("onnxruntime", "train")
    predictor: Predictor = _import("training", "train").PicturePredictor(workspace)  # type: ignore[attr-defined]  # a module, loaded by name
    return predictor


def open_models(workspace: "Workspace") -> "ModelLibrary":
    """Open the models of a workspace for the pages about them; the catalog may not import training."""
    library: ModelLibrary = _import("training", "train").TrainedModels(workspace)  # type: ignore[attr-defined]  # a module, loaded by name
    return library


def open_searcher(workspace: "Workspace") -> "Searcher":
    """Open the vectors of a workspace for the pages of similar pictures; the catalog may not import curation."""
    searcher: Searcher = _import("curation", "curate").PictureSearcher(workspace)  # type: ignore[attr-defined]  # a module, loaded by name
    return searcher


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; an expected error is printed as one line, with exit code 1."""
    arguments_given = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None:  # for child processes of libraries; ours are started with -P
        os.environ.setdefault("PYTHONSAFEPATH", "1")
    if shadow := _shadowing_module():
        click.echo(f"error: {shadow}", err=True)
        sys.exit(1)
    try:
        _run(arguments_given)
    except Exception as error:
        from catalog.workspace.explained import (
            is_broken_pipe,
        )  # imported late: it loads the catalog

        is_unread = is_broken_pipe(error) and _has_no_reader()
        _discard_output()
        if is_unread:  # like SIGPIPE: no message, the exit code that shells use
            sys.exit(BROKEN_PIPE)
        line = _one_line(error, arguments_given)
        if line is None:
            raise
        _print_error(line)
        sys.exit(getattr(error, "exit_code", 1))


def _shadowing_module() -> str:
    """Return a message about the first module elsewhere that hides a package of Safelight, or an empty text."""
    packages = OURS[:-1]
    for name in packages:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        # The packages of Safelight are in one folder, each with a py.typed.
        folder = Path(spec.origin).parents[1]
        if not all((folder / each / "py.typed").is_file() for each in packages):
            return (
                f"{spec.origin} hides Safelight's own {name}: Python searches its folder first. "
                "Rename it, or take its folder out of PYTHONPATH"
            )
    return ""


def _run(given: Sequence[str]) -> None:
    try:
        from catalog.program_name import command_name

        cli(given, prog_name=command_name())
    except SystemExit as end:
        if end.code == 1 and _has_no_reader():  # click has met a broken pipe
            raise BrokenPipeError from None
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        raise


def _has_no_reader() -> bool:
    """Return whether stdout or stderr is a pipe whose reader has closed it, as with `| head`."""
    import select

    poll = select.poll()
    for number in (1, 2):
        poll.register(number, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _discard_output() -> None:
    """Discard output that cannot be written; otherwise Python writes it again at exit and prints an error."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _print_error(problem: str) -> None:
    """Print an error to stderr, or write it as a line of the JSON log."""
    from catalog.workspace.logs import logs_json

    if logs_json():
        import logging

        logging.getLogger("safelight").error(problem)
    else:
        click.echo(f"error: {problem}", err=True)


def _one_line(error: Exception, given: Sequence[str]) -> str | None:
    """Return the message of an expected error; None for a bug, which is shown as a traceback."""
    from catalog.errors import SafelightError  # imported late: it loads the catalog
    from catalog.workspace.explained import explained

    if isinstance(error, ModuleNotFoundError):
        extra = next((ROOMS[word][1] for word in given if word in ROOMS), "")
        error = _missing_extra(error, extra)
    return str(error) if isinstance(error, SafelightError) else explained(error)


if __name__ == "__main__":
    main()
