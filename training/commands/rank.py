"""`safelight train rank`: pictures of the catalog by what a model says about them."""

from __future__ import annotations

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


@click.command(
    "rank",
    epilog=examples('train rank MODEL_ID "SELECT asset_sha256 FROM photos" --by good --most 20'),
)
@click.argument("model_id")
@click.argument("sql")
@click.option(
    "--by", metavar="NAME", default="",
    help="Class (or HEAD=CLASS), or head with a value; may be left out for one value or two classes.",
)  # fmt: skip
@click.option(
    "--most", type=click.IntRange(1), default=50, show_default=True, help="Pictures to print."
)
@click.option("--save", is_flag=True, help="Write the answers into the table predictions, too.")
@json_option
@existing_workspace_option
def rank(workspace: Workspace, *, model_id: str, sql: str, by: str, most: int, save: bool) -> None:
    """Rank pictures of the catalog by a model. SQL names them in a column asset_sha256 or sha256.

    Prints place, probability or value, and SHA-256, the highest first. Pictures about which the model says nothing are
    counted on stderr.
    """
    with progress_task("load the model"):
        from catalog import counted
        from training.predict.predict_files import load_model
        from training.predict.rank import rank_pictures, save_ranking

        model = load_model(workspace, model_id)
    ranking = rank_pictures(workspace, model, sql, by)
    best = ranking.pictures[:most]
    for place, each in () if writes_json() else enumerate(best, 1):
        click.echo(f"{place:6}  {each.score:8.4g}  {each.asset_sha256}")
    click.echo(f"{counted(len(ranking.pictures), 'picture')} ranked by {ranking.by}", err=True)
    if ranking.left_out:
        click.echo(f"{counted(len(ranking.left_out), 'picture')} without an answer", err=True)
    n_saved = save_ranking(workspace, model, ranking) if save else 0
    if save:
        click.echo(f"{counted(n_saved, 'row')} for predictions", err=True)
    emit_json(
        {
            "task": ranking.head.name,
            "by": ranking.by,
            "n_ranked": len(ranking.pictures),
            "pictures": [{"asset_sha256": p.asset_sha256, "score": p.score} for p in best],
            "left_out": ranking.left_out,
            "rows_saved": n_saved,
        }
    )
