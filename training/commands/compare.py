"""`safelight train compare`, `train benchmark` and `train leaderboard`."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import click

from catalog import (
    Workspace,
    emit_json,
    examples,
    existing_workspace_option,
    json_option,
    progress_task,
    writes_json,
)
from training.commands.documents import board_document, comparison_document
from training.commands.options import checked_options, training_options
from training.errors import OptionError, TrainingError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@click.command(epilog=examples("train compare MODEL_ID OTHER_MODEL_ID"))
@click.argument("model_ids", metavar="MODEL_ID MODEL_ID...", nargs=-1, required=True)
@click.option(
    "--unequal", is_flag=True, help="Compare models that were trained under unequal conditions."
)
@json_option
@existing_workspace_option
def compare(workspace: Workspace, model_ids: tuple[str, ...], *, unequal: bool) -> None:
    """Compare models on the same test pictures, paired.

    Each is compared with the first one. Models that differ in data, split, seed, epochs, patience or examples seen are
    refused.
    """
    from training.predict.saved_model import find_model

    if len(model_ids) < 2:
        raise TrainingError("a comparison needs two models or more: MODEL_ID MODEL_ID...")
    folders = [find_model(workspace, each) for each in model_ids]
    _compare(workspace, folders, unequal=unequal)


def _compare(
    workspace: Workspace,
    folders: list[Path],
    *,
    unequal: bool = False,
    variations: Sequence[Sequence[str]] = (),
) -> None:
    from training.commands.printing import comparison_lines
    from training.evaluation.model_comparison import compare_models
    from training.report.comparison_page import read_models, write_comparison

    models = read_models(folders)
    result = compare_models(models, allow_unequal=unequal)
    if writes_json():
        page = write_comparison(workspace, models, result)
        varied = dict(zip([folder.name for folder in folders], variations, strict=False))
        emit_json(
            {**comparison_document(result, page), **({"variations": varied} if varied else {})}
        )
        return
    for line in comparison_lines(result):
        click.echo(line)
    click.echo(f"page: {write_comparison(workspace, models, result)}")


@click.command(epilog=examples("train benchmark classify --vary hidden=128,384 --dataset mine"))
@click.argument("recipe")
@click.option(
    "--vary", "variations", metavar="NAME=A,B,...", multiple=True, required=True,
    help="The hyperparameter that differs; of several every combination is trained.",
)  # fmt: skip
@training_options
@json_option
@existing_workspace_option
def benchmark(  # noqa: PLR0913, PLR0917  # one parameter an option
    workspace: Workspace,
    recipe: str,
    variations: tuple[str, ...],
    dataset: str | None,
    preset: str,
    label: str | None,
    epochs: int | None,
    options: tuple[str, ...],
    seed: int,
) -> None:
    """Train variations of RECIPE alike and compare them.

    They have the same data, seed, epochs and early stopping.
    """
    fixed = checked_options(recipe, preset, options, label)
    combinations = [
        (*fixed, *each) for each in product(*(_values(variation) for variation in variations))
    ]
    for each in combinations:
        checked_options(recipe, preset, each)
    with progress_task(f"benchmark {recipe}"):
        from training.fit.run_request import TrainingRequest
        from training.runs.run import train

        folders = []
        for each in combinations:
            request = TrainingRequest(
                recipe, dataset, preset, epochs, seed, ("split",), options=each
            )
            folders.append(train(workspace, request).models["split"])
    varied = [each[len(fixed) :] for each in combinations]
    for folder, each in () if writes_json() else zip(folders, varied, strict=True):
        click.echo(f"{folder.name}: {' '.join(each)}")
    _compare(workspace, folders, variations=varied)


def _values(variation: str) -> list[str]:
    """Cut `arch=joint,split` into arch=joint and arch=split; raises OptionError.

    >>> _values("arch=joint,split")
    ['arch=joint', 'arch=split']
    """
    name, separator, rest = variation.partition("=")
    values = [value for value in rest.split(",") if value]
    if not separator or len(values) < 2 or len(set(values)) < len(values):
        raise OptionError(variation, ["NAME=A,B,... with two different values or more"])
    return [f"{name}={value}" for value in values]


@click.command(epilog=examples("train leaderboard", "train leaderboard --dataset mine"))
@click.option("--dataset", metavar="NAME[@VERSION]", help="Models of this data set only.")
@click.option("--task", help="This head only, such as iso or age.")
@json_option
@existing_workspace_option
def leaderboard(workspace: Workspace, dataset: str | None, task: str | None) -> None:
    """List the models of each data set, the best first.

    Each stands beside its best baseline. Models of one list were tested on the same pictures.
    """
    from training.commands.printing import leaderboard_lines
    from training.evaluation.leaderboard import leaderboards

    boards = leaderboards(_metrics_of(workspace), dataset, task)
    if not boards:
        raise TrainingError("there is no finished model with such figures")
    if emit_json(map(board_document, boards)):
        return
    click.echo("\n\n".join("\n".join(leaderboard_lines(board)) for board in boards))


def _metrics_of(workspace: Workspace) -> Sequence[Path]:
    from training.predict.saved_model import model_ids

    folders = [workspace.models / each for each in model_ids(workspace)]
    return [folder for folder in folders if (folder / "metrics.parquet").is_file()]
