"""`safelight train explain`: where in a picture a model looks."""

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


@click.command("explain", epilog=examples("train explain MODEL_ID photo.jpg"))
@click.argument("model_id")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--out", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the overlays; by default reports/heat_maps/MODEL_ID.",
)  # fmt: skip
@json_option
@existing_workspace_option
def explain(
    workspace: Workspace, *, model_id: str, files: tuple[Path, ...], out: Path | None
) -> None:
    """Draw where a model looks in picture files.

    Writes one PNG for each file and head: the picture as the network sees it with the Grad-CAM map of the answer
    over it. Needs pip install "safelight[explain]".
    """
    with progress_task("explain"):
        from training.explain.picture_maps import explain_files

        explained = explain_files(workspace, model_id, files, out)
    if emit_json(explained):
        return
    for each in explained:
        click.echo(f"{each.file}: {each.head} {each.explained}  {each.overlay}")
