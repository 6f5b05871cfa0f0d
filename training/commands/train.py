"""`safelight train ...`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from catalog import (
    UsageError,
    Workspace,
    emit_json,
    examples,
    existing_workspace_option,
    json_format_option,
    json_lines_option,
    json_option,
    progress_task,
    track,
    writes_json,
)
from training.commands.compare import benchmark, compare, leaderboard
from training.commands.explain import explain
from training.commands.options import (
    checked_options,
    dataset_option,
    epochs_option,
    label_option,
    preset_option,
    seed_option,
)
from training.commands.rank import rank
from training.commands.series import series
from training.commands.studies import STUDIES
from training.commands.two_classes import cross, dream

if TYPE_CHECKING:
    from training.commands.predictions import PredictionRow
    from training.fit.run_request import TrainingResult
    from training.predict.each_face import FaceAnswers
    from training.predict.predict_files import Model


UNITS = {"s": 1, "m": 60, "h": 3600}


@click.group(epilog=examples("train recipes", "train run exif --dataset mine", "train leaderboard"))
def train() -> None:
    """Train models on a published data set, evaluate them, predict with them."""


for _study in STUDIES:
    train.add_command(_study)


@train.command(
    "run",
    epilog=examples(
        "train run exif --dataset mine",
        "train run classify --dataset mine --label breed --budget 10m",
        "train run ./noise.py --dataset mine --preset smoke",
    ),
)
@click.argument("recipe")
@dataset_option
@preset_option
@label_option
@epochs_option
@click.option(
    "--set", "options", metavar="NAME=VALUE", multiple=True,
    help="Another hyperparameter, such as learning_rate=1e-3.",
)  # fmt: skip
@seed_option
@click.option(
    "--policies", default="split,random_split", show_default=True,
    help="Split policies: split keeps groups whole, random_split does not. An embedder takes split only.",
)  # fmt: skip
@click.option("--budget", metavar="TIME", help="End each training after this time: 90s, 10m, 2h.")
@click.option("--resume/--fresh", default=True, help="Continue an earlier training, or delete it.")
@json_option
@existing_workspace_option
def run_recipe(  # noqa: PLR0913, PLR0917  # one parameter an option
    workspace: Workspace,
    recipe: str,
    dataset: str | None,
    preset: str,
    label: str | None,
    epochs: int | None,
    options: tuple[str, ...],
    seed: int,
    policies: str,
    budget: str | None,
    resume: bool,
) -> None:
    """Train RECIPE under each split policy and write the report."""
    chosen = _policies(policies)
    budget_s = _seconds(budget)
    options = checked_options(recipe, preset, options, label)

    with progress_task(f"train {recipe}"):
        from training.explain.picture_maps import write_heat_maps
        from training.fit.run_request import TrainingRequest
        from training.report.report import write_report
        from training.runs.run import train

        request = TrainingRequest(
            recipe, dataset, preset, epochs, seed, chosen,
            fresh=not resume, options=options, budget_s=budget_s,
        )  # fmt: skip
        result = train(workspace, request)
        if os.environ.get("RANK", "0") != "0":  # one process of torchrun reports
            return
        with progress_task("report"):
            write_heat_maps(result.folder, workspace)
            write_report(result.folder, workspace)
    _print_result(workspace, result)


def _print_result(workspace: Workspace, result: TrainingResult) -> None:
    if writes_json():
        from training.commands.documents import training_document

        emit_json(training_document(workspace, result))
        return
    from training.commands.printing import summary
    from training.predict.saved_model import embedder_of
    from training.report.binary.biases import bias_lines
    from training.report.saved_run import read_run
    from training.report.tables import conclusions

    for policy in result.existed:
        click.echo(f"{policy}: model {result.models[policy].name} exists, nothing to train")
    click.echo(summary(result.models))
    run = read_run(result.folder, workspace.models)
    click.echo(conclusions(run)["headline"])
    for line in bias_lines(run):
        click.echo(line)
    click.echo(f"models: {', '.join(folder.name for folder in result.models.values())}")
    click.echo(f"report: {result.folder / 'report.html'}")
    for folder in result.models.values():
        if name := embedder_of(folder):
            click.echo(f'use it: [curate] embedder = "{name}" in safelight.toml')


def _policies(text: str) -> tuple[str, ...]:
    chosen = tuple(part.strip() for part in text.split(",") if part.strip())
    unknown = set(chosen) - {"split", "random_split"}
    if unknown or not chosen:
        raise UsageError(f"--policies takes split and random_split, not {text!r}")
    return tuple(dict.fromkeys(chosen))


def _seconds(text: str | None) -> float:
    """Read a time such as 90s, 10m or 2h; without a unit it is in seconds.

    >>> _seconds("10m"), _seconds("1.5h"), _seconds(None)
    (600.0, 5400.0, 0.0)
    """
    if text is None:
        return 0.0
    number, unit = (text[:-1], text[-1]) if text[-1:] in UNITS else (text, "s")
    try:
        seconds = float(number) * UNITS[unit]
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UsageError(f"--budget takes a time such as 90s, 10m or 2h, not {text!r}")
    return seconds


@train.command(epilog=examples("train monitor", "train monitor --once"))
@click.argument("model_id", default="")
@click.option("--once", is_flag=True, help="Print what is there now, and end.")
@click.option(
    "--tensorboard", "events", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
    help="Write event files for TensorBoard below DIR, too.",
)  # fmt: skip
@click.option("--page", is_flag=True, help="Write a page, too, that reloads itself in a browser.")
@json_lines_option
@existing_workspace_option
def monitor(
    workspace: Workspace, *, model_id: str, once: bool, events: Path | None, page: bool
) -> None:
    """Follow a training from its log. Without MODEL_ID it is the newest one.

    Prints one line an epoch as it ends; it works during a training and afterwards. With --json it is one line a record
    of the log, and a last one that says whether the training is finished.
    """
    from training.commands.monitor import find_log, follow, follow_records

    log = find_log(workspace, model_id)
    writers: list[Callable[[Sequence[dict[str, Any]]], None]] = []
    if events is not None:
        from training.commands.tensorboard import EventWriter

        writers.append(EventWriter(events / log.parent.name).write)
    if page:
        from training.commands.monitor_page import PageWriter

        writer = PageWriter(log)
        writers.append(writer.write)
        click.echo(f"page: {writer.path}")

    def write_all(records: Sequence[dict[str, Any]]) -> None:
        for write in writers:
            write(records)

    if writes_json():
        for record in follow_records(log, once=once, also=write_all):
            emit_json(record)
        return
    for line in follow(log, once=once, also=write_all):
        click.echo(line)


@train.command(epilog=examples("train evaluate MODEL_ID"))
@click.argument("model_id")
@json_option
@existing_workspace_option
def evaluate(workspace: Workspace, model_id: str) -> None:
    """Score a model again from its weights. Compares the scores with the stored figures."""
    with progress_task("evaluate"):
        from training.commands.printing import model_heads, table
        from training.predict.saved_model import find_model
        from training.runs.run import evaluate as score

        metrics, difference, lost = score(workspace, model_id)
        folder = find_model(workspace, model_id)
        heads = model_heads(folder)
    stored = int(metrics["is_stored"].sum())
    document = {
        "model_id": folder.name,
        "difference": difference,
        "n_stored": stored,
        "lost_slices": lost,
        "metrics": metrics,
    }
    if emit_json(document):
        return
    click.echo(table({metrics["split"][0].removesuffix(":test"): metrics}, heads))
    verdict = "equal to" if difference < 1e-6 else f"up to {difference:.2g} away from"
    later = f"; {len(metrics) - stored} more are new in this version" * (stored < len(metrics))
    click.echo(f"{stored} figures, {verdict} the stored ones{later}")
    if lost:
        click.echo(f"stored, but not computed in this version: the figures of {', '.join(lost)}")


@train.command(epilog=examples("train recipes"))
@json_option
def recipes() -> None:
    """List the recipes, one line each."""
    from training.recipes import RECIPES

    names = ("name", "summary", "policies", "studies", "looks_at", "is_default")
    if emit_json(
        {**{name: getattr(each, name) for name in names}, "presets": list(each.presets)}
        for each in RECIPES.values()
    ):
        return
    for each in RECIPES.values():
        click.echo(f"{each.name:14} {each.summary} (presets: {', '.join(each.presets)})")


@train.command(
    epilog=examples("predict MODEL_ID photo.jpg", "predict MODEL_ID photo.jpg --format json")
)
@click.argument("model_id")
@click.argument(
    "images", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="json: one object a line.",
)
@json_format_option
@click.option(
    "--each-face", is_flag=True, help="Find the faces of a picture and predict each of them."
)
@click.option(
    "--quantised",
    is_flag=True,
    help="Use the smaller form of the model (models export --quantise).",
)
@existing_workspace_option
def predict(
    workspace: Workspace,
    model_id: str,
    images: tuple[Path, ...],
    style: str,
    *,
    each_face: bool,
    quantised: bool,
) -> None:
    """Print what a model predicts for picture files.

    This is the probability of each class, or a value with its interval. A file that cannot be decoded is
    named on stderr, the others are predicted; the exit code is then 1. One that is smaller than the limit of
    `train limits` is named, too, and has no row.
    """
    with progress_task("load the model"):
        from catalog import counted, terminal_width
        from training.commands.predictions import prediction_lines
        from training.errors import TrainingError
        from training.evaluation.saved_head import saved_heads
        from training.predict.predict_files import load_model

        model = load_model(workspace, model_id, quantised=quantised)
    undecodable: list[Path] = []
    rows = _predict_files(model, images, undecodable, each_face=each_face)
    for line in prediction_lines(rows, style, saved_heads(model.facts), width=terminal_width()):
        click.echo(line)
    if not each_face and _answers_without_a_face(model):
        click.echo(
            "this model was trained on pictures of one face and answers for any picture; --each-face finds the faces",
            err=True,
        )
    if undecodable:
        files = counted(len(images), "file")
        raise TrainingError(f"{len(undecodable)} of {files} cannot be decoded")


def _answers_without_a_face(model: Model) -> bool:
    """Say whether a model of faces takes whole pictures as they are; others refuse a picture without a face."""
    from training.data.views import AlignedFaces
    from training.predict.picture_predictor import looks_at_faces

    is_aligned = isinstance(model.view, AlignedFaces)
    return not is_aligned and looks_at_faces(model.folder, model.facts, model.view)


def _predict_files(
    model: Model, images: Sequence[Path], undecodable: list[Path], *, each_face: bool
) -> Iterator[PredictionRow]:
    """Predict file by file; those that cannot be decoded are named on stderr and added to `undecodable`."""
    from training.commands.predictions import face_rows, prediction_rows
    from training.errors import NoFaceError, PictureTooSmallError, UndecodablePictureError
    from training.evaluation.saved_head import saved_heads
    from training.predict.predict_files import predict_picture

    heads = saved_heads(model.facts)
    # On a terminal the printed lines are the progress, and a bar would be among them.
    for path in images if sys.stdout.isatty() else track(images, "predict", unit="pictures"):
        try:
            if each_face:
                faces = _predict_faces(model, path)
                yield from face_rows(str(path), str(model.facts["model_id"]), heads, faces)
                continue
            answers = predict_picture(model, path.read_bytes(), str(path))
        except (NoFaceError, PictureTooSmallError) as error:
            click.echo(str(error), err=True)
        except UndecodablePictureError as error:
            click.echo(str(error), err=True)
            undecodable.append(path)
        else:
            yield from prediction_rows(str(path), str(model.facts["model_id"]), heads, answers)


def _predict_faces(model: Model, path: Path) -> list[FaceAnswers]:
    """Predict the faces of a file; those that are too small are named on stderr."""
    from training.predict.each_face import predict_faces

    faces = predict_faces(model, path.read_bytes(), str(path))
    for number, face in enumerate(faces, 1):
        if face.refusal:
            click.echo(f"{path} face {number} is {face.refusal}", err=True)
    return faces


for _command in (compare, benchmark, leaderboard, series, dream, cross, explain, rank):
    train.add_command(_command)
