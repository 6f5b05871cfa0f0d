"""`safelight demo`: the embedded photo site and its camera, from the command line."""

from pathlib import Path

import click

from catalog import (
    Workspace,
    emit_json,
    examples,
    existing_workspace_option,
    json_option,
    workspace_option,
    writes_json,
)

COUNT = click.option(
    "--count", default=720, show_default=True, type=click.IntRange(1), help="photos of the plan"
)
SEED = click.option("--seed", default=7, show_default=True, help="seed of the plan")


@click.group(epilog=examples("demo run", "demo site --port 8000"))
def demo() -> None:
    """Serve, draw and run the embedded demo."""


@demo.command(epilog=examples("demo site --port 8000", "demo site --photos ~/Pictures"))
@click.option("--port", default=0, help="port on 127.0.0.1; 0 takes a free one")
@click.option(
    "--photos",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="serve the pictures below this folder, not the plan",
)
@COUNT
@SEED
@click.option("--no-faults", is_flag=True, help="no HTTP faults, no matter what the plan says")
@click.option("--quota", type=click.IntRange(0), help="API requests an hour; no limit by default")
@click.option("--workers", default=2, show_default=True, help="processes that render ahead")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="folder that keeps rendered pictures for the next run",
)
def site(  # noqa: PLR0913, PLR0917  # click gives one argument for each option
    port: int,
    photos: Path | None,
    count: int,
    seed: int,
    no_faults: bool,
    quota: int | None,
    workers: int,
    cache: Path | None,
) -> None:
    """Serve a photo site with the Unsplash API (key: demo). It ends at SIGTERM or SIGINT.

    The first line of the output is its address.
    """
    from photosite.plan.plan import DemoPlan
    from photosite.site.server import serve
    from photosite.site.site import PhotoSite

    what = photos or DemoPlan(seed=seed, photos=count)
    serve(
        PhotoSite(
            what, port=port, quota=quota, has_faults=not no_faults, workers=workers, cache=cache
        ),
        announce=click.echo,
    )


@demo.command("contact-sheet", epilog=examples("demo contact-sheet sheet.jpg --count 24"))
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--count", default=48, show_default=True, type=click.IntRange(1), help="pictures")
@SEED
@json_option
def contact_sheet(path: Path, count: int, seed: int) -> None:
    """Draw pictures of the plan with their settings into PATH. PATH ends in .jpg or .png."""
    from photosite.contact_sheet import draw_sheet

    draw_sheet(count=count, seed=seed).save(path)
    if not emit_json({"path": path, "pictures": count}):
        click.echo(f"{path}: {count} pictures")


@demo.command(epilog=examples("demo run", "demo run --count 240"))
@COUNT
@SEED
@workspace_option
def run(workspace: Workspace, count: int, seed: int) -> None:
    """Crawl, curate, publish and train on the embedded site. Prints a summary at the end."""
    from photosite.run import run_demo

    run_demo(workspace, count=count, seed=seed)


@demo.command(epilog=examples("demo score"))
@COUNT
@SEED
@json_option
@existing_workspace_option
def score(workspace: Workspace, count: int, seed: int) -> None:
    """Compare the catalog of a demo run with the ground truth. The ground truth is the plan of the site."""
    from photosite.plan.plan import DemoPlan
    from photosite.score import score_document, summary

    plan = DemoPlan(seed=seed, photos=count)
    if writes_json():
        emit_json(score_document(workspace, plan))
    else:
        click.echo(summary(workspace, plan))
