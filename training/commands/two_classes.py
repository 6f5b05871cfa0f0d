"""`safelight train dream` and `safelight train cross`: what a model of two classes likes, and where it holds."""

from __future__ import annotations

from pathlib import Path

import click

from catalog import (
    Workspace,
    emit_json,
    examples,
    existing_workspace_option,
    json_option,
    progress_task,
)
from training.commands.options import checked_options, epochs_option, preset_option, seed_option


@click.command("dream", epilog=examples("train dream MODEL_ID photo.jpg"))
@click.argument("model_id")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--steps", type=click.IntRange(min=1), default=20, show_default=True)
@json_option
@existing_workspace_option
def dream(workspace: Workspace, *, model_id: str, file: Path, steps: int) -> None:
    """Change a picture until the model finds it better.

    Follows the gradient of the second class (good) on the pixels of FILE, and saves pictures of some steps.
    """
    with progress_task("dream"):
        from training.studies.dream import dream as ascend

        result = ascend(workspace, model_id, file, steps=steps)
    if emit_json(result):
        return
    for path, logit in zip(result.files, result.logits, strict=True):
        click.echo(f"{result.class_name} {logit:+.3f}  {path}")
    if len(result.files) == 1:
        click.echo(f"no step raises {result.class_name}: the gradient is 0")


@click.command(
    "cross",
    epilog=examples(
        "train cross mine ava --label \"ava=CASE WHEN mean_score >= 6 THEN 'good' WHEN mean_score <= 5 THEN 'bad' END\""
    ),
)
@click.argument("datasets", nargs=-1, required=True, metavar="DATASET DATASET [...]")
@click.option(
    "--recipe", default="", help="Recipe with two classes; by default the one for any picture size."
)
@preset_option
@click.option(
    "--label", "labels", metavar="[DATASET=]COLUMN", multiple=True,
    help="Label column or SQL, of all data sets or of one; by default the recipe looks for it.",
)  # fmt: skip
@epochs_option
@seed_option
@json_option
@existing_workspace_option
def cross(  # noqa: PLR0913  # one parameter an option
    workspace: Workspace,
    *,
    datasets: tuple[str, ...],
    recipe: str,
    preset: str,
    labels: tuple[str, ...],
    epochs: int | None,
    seed: int,
) -> None:
    """Train on each data set and test on all of them.

    Prints a matrix of the area under the ROC curve. Models that are there are not trained again.
    """
    from training.recipes import recipe_with_study

    recipe = recipe or recipe_with_study("cross").name
    with progress_task("cross"):
        from training.fit.run_request import TrainingRequest
        from training.studies.cross_data_sets import (
            cross as measure,
            labels_by_data_set,
            matrix_lines,
        )

        label, own_labels = labels_by_data_set(labels, datasets)
        for each in own_labels.values():
            checked_options(recipe, preset, (), each)
        options = checked_options(recipe, preset, (), label)
        request = TrainingRequest(recipe, None, preset, epochs, seed, options=options)
        cells = measure(workspace, request, datasets, own_labels)
    if emit_json(cells):
        return
    for line in matrix_lines(cells):
        click.echo(line)
