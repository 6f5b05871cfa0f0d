"""`safelight crawl run|plan` for web sources, datasets with addresses, and lists of addresses."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from catalog import Workspace, counted, emit_json, examples, workspace_option
from crawler.commands.basis import BASIS
from crawler.commands.options import LIMIT, PRIVATE, options

if TYPE_CHECKING:
    from crawler.sources.commons import CommonsSource
    from crawler.sources.generated_faces import GeneratedFacesSource
    from crawler.sources.spider import UserSpiderSource
    from crawler.sources.urls import UrlListSource


_PATH = click.Path(exists=True, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


WAIT = click.option(
    "--wait", is_flag=True, help="Wait when the API wants no more calls for now; do not stop."
)


url_options = options(
    click.option("--url-col", metavar="NAME", help="Column of addresses [url, URL]."),
    click.option("--caption-col", metavar="NAME", help="Column of titles [caption, TEXT]."),
    click.option(
        "--id-col", metavar="NAME", help="Column of ids; without it the address is the id."
    ),
    click.option("--label-col", "label_cols", multiple=True, metavar="NAME", help="Keep as label."),
    click.option("--labels-all", is_flag=True, help="Keep all other columns as labels."),
    click.option(
        "--as",
        "known_as",
        default="urls",
        metavar="SOURCE",
        help="Source whose ids --id-col holds.",
    ),
    LIMIT,
    BASIS,
)


@click.command(
    "urls",
    epilog=examples(
        "crawl run urls addresses.parquet",
        "crawl run urls addresses.csv --url-col link --label-col breed",
    ),
)
@click.argument("path", type=_PATH)
@url_options
@PRIVATE
@workspace_option
def run_urls(workspace: Workspace, path: Path, **options: Any) -> None:
    """Fetch the pictures behind the addresses in PATH.

    PATH is a csv, tsv, txt, json, jsonl or parquet file, or a folder of them.
    Needs SAFELIGHT_CONTACT for the User-Agent.
    """
    allow = options.pop("allow_private", False)
    _run(workspace, _urls(path, options), allow_private=allow)


@click.command("urls", epilog=examples("crawl plan urls addresses.parquet"))
@click.argument("path", type=_PATH)
@url_options
@workspace_option
def plan_urls(workspace: Workspace, path: Path, **options: Any) -> None:
    """Count the addresses and hosts of PATH. Computes the hours that the busiest host takes, too."""
    from crawler.commands.session_runner import crawl_settings

    plan, rate = _urls(path, options).plan(), crawl_settings(workspace).rate
    if emit_json({**vars(plan), "requests_per_s": rate, "hours": plan.hours(rate)}):
        return
    click.echo(f"{counted(plan.addresses, 'address')} on {counted(len(plan.hosts), 'host')}")
    click.echo(f"{counted(plan.skipped, 'line')} without an address will be passed over")
    for host, n in plan.hosts.most_common(1):
        click.echo(
            f"at {rate:g} requests a second to one host: {plan.hours(rate):.1f} hours "
            f"(the busiest, {host}, has {n})"
        )


def _urls(path: Path, options: dict[str, Any]) -> "UrlListSource":
    from crawler.sources.urls import UrlListSource

    return UrlListSource(str(path.resolve()), **options)


@click.command(
    "img2dataset",
    epilog=examples('crawl run img2dataset OUTPUT_FOLDER --training-basis "contract of 2 May"'),
)
@click.argument("path", type=_FOLDER)
@BASIS
@workspace_option
def run_img2dataset(workspace: Workspace, path: Path, training_basis: str | None) -> None:
    """Import the pictures that img2dataset wrote into PATH. No request is sent."""
    from crawler.sources.img2dataset import Img2DatasetSource

    _run(workspace, Img2DatasetSource(str(path.resolve()), training_basis))


@click.command("img2dataset", epilog=examples("crawl plan img2dataset OUTPUT_FOLDER"))
@click.argument("path", type=_FOLDER)
def plan_img2dataset(path: Path) -> None:
    """Count good and bad results of img2dataset below PATH."""
    from crawler.sources.img2dataset import Img2DatasetSource

    source = Img2DatasetSource(str(path.resolve()))
    source.check()
    plan = source.plan()
    if emit_json(plan):
        return
    pictures, failures = counted(plan.pictures, "picture"), counted(plan.failed, "failure")
    click.echo(f"{pictures} and {failures} in {counted(plan.shards, 'shard')}")


dataset_options = options(
    click.argument("path", type=_FOLDER),
    click.option(
        "--edition",
        type=click.Choice(["lite", "full"]),
        required=True,
        help="Which dataset it is: their terms differ.",
    ),
    LIMIT,
    BASIS,
)


@click.command(
    "unsplash-dataset",
    epilog=examples(
        "crawl run unsplash-dataset ~/unsplash-lite --edition lite",
        "crawl run unsplash-dataset ~/unsplash-lite --edition lite --pictures --limit 1000",
    ),
)
@dataset_options
@click.option("--pictures", is_flag=True, help="Fetch the pictures too.")
@click.option("--width", type=click.IntRange(min=1), help="Fetch pictures scaled to this width.")
@click.option(
    "--labels",
    multiple=True,
    type=click.Choice(["keywords", "colors", "collections", "conversions"]),
    help="Table that becomes labels (may be given more than once).",
)
@PRIVATE
@workspace_option
def run_unsplash_dataset(workspace: Workspace, path: Path, **options: Any) -> None:
    """Import the tables of the Unsplash Dataset in PATH. They hold photos with their EXIF; no call is made.

    With --pictures it needs SAFELIGHT_CONTACT for the User-Agent.
    """
    from crawler.sources.unsplash_dataset import UnsplashDatasetSource

    allow = options.pop("allow_private", False)
    _run(workspace, UnsplashDatasetSource(str(path.resolve()), **options), allow_private=allow)


@click.command(
    "unsplash-dataset",
    epilog=examples("crawl plan unsplash-dataset ~/unsplash-lite --edition lite"),
)
@dataset_options
@workspace_option
def plan_unsplash_dataset(workspace: Workspace, path: Path, **options: Any) -> None:
    """Count the photos of the tables in PATH. Says what their pictures would take, too."""
    from crawler.commands.session_runner import crawl_settings
    from crawler.sources.unsplash_dataset import UnsplashDatasetSource

    source = UnsplashDatasetSource(str(path.resolve()), **options)
    source.check()
    plan, rate = source.plan(), crawl_settings(workspace).rate
    hours = plan.photos / rate / 3600
    if emit_json({**vars(plan), "requests_per_s": rate, "hours": hours}):
        return
    click.echo(
        f"{counted(plan.photos, 'photo')}, {plan.with_settings:,} with all three settings, 0 API calls"
    )
    click.echo(f"{counted(plan.skipped, 'broken line')} will be passed over")
    click.echo(
        f"with --pictures: {counted(plan.photos, 'request')}, {hours:.1f} hours at {rate:g} a second"
    )


commons_options = options(
    click.option("--category", metavar="NAME", help="Files of a category."),
    click.option(
        "--recurse", type=click.IntRange(min=0), default=0, help="Depth of subcategories."
    ),
    click.option("--search", metavar="TEXT", help="Files found by these words."),
    click.option("--from", "start", metavar="DATE", help="Files uploaded from this day on."),
    click.option("--to", "end", metavar="DATE", help="Files uploaded before this day."),
    click.option(
        "--width", type=click.IntRange(min=1), help="Fetch pictures scaled to this width."
    ),
    click.option("--api-base", metavar="URL", help="Another MediaWiki's api.php."),
    LIMIT,
    BASIS,
)


@click.command(
    "commons",
    epilog=examples(
        'crawl run commons --category "Photographs of bridges" --limit 500',
        "crawl run commons --search lighthouse",
    ),
)
@commons_options
@WAIT
@PRIVATE
@workspace_option
def run_commons(workspace: Workspace, *, wait: bool, **options: Any) -> None:
    """Crawl pictures of Wikimedia Commons. They are those of a category, a search, or a window of upload dates.

    Needs SAFELIGHT_CONTACT for the User-Agent, no key.
    """
    allow = options.pop("allow_private", False)
    _run(workspace, _commons(options), allow_private=allow, wait=wait)


@click.command("commons", epilog=examples('crawl plan commons --category "Photographs of bridges"'))
@commons_options
@workspace_option
def plan_commons(workspace: Workspace, **options: Any) -> None:
    """Compute the calls to the API. One call gets the number of files."""
    from crawler.commands.planner_web import plan_commons as plan
    from crawler.commands.session_runner import crawl_settings

    cost = asyncio.run(plan(_commons(options), crawl_settings(workspace)))
    if emit_json(cost):
        return
    click.echo(f"{counted(cost.files, 'file')}, {counted(cost.calls, 'API call')}, no key")
    if cost.subcategories:
        click.echo(f"{counted(cost.subcategories, 'subcategory', 'is')} not counted in this")


def _commons(options: dict[str, Any]) -> "CommonsSource":
    from crawler.sources.commons import API, CommonsSource

    category, search = options.pop("category"), options.pop("search")
    dates = options["start"] or options["end"]
    if sum(map(bool, (category, search, dates))) != 1:
        raise click.UsageError("give one of --category, --search, or --from with --to")
    listing: Any = "category" if category else "search" if search else "dates"
    options["api_base"] = options["api_base"] or API
    return CommonsSource(listing, category or search or "", **options)


faces_options = options(
    click.option("--endpoint", metavar="URL", help="The address [thispersondoesnotexist.com]."),
    click.option("--generator", metavar="NAME", help="Program behind it [StyleGAN2]."),
    click.option("--limit", type=click.IntRange(min=1), help="Draws at most [1000]."),
    click.option(
        "--stop-after-repeats", type=click.IntRange(min=1), metavar="K", help="End after K [20]."
    ),
    BASIS,
)


@click.command("generated-faces", epilog=examples("crawl run generated-faces --limit 1000"))
@faces_options
@workspace_option
def run_generated_faces(workspace: Workspace, **options: Any) -> None:
    """Draw made-up faces from an address. It gives another face at each request.

    Needs SAFELIGHT_CONTACT for the User-Agent. One request a second at most.
    """
    allow = options.pop("allow_private", False)
    _run(workspace, _faces(options), allow_private=allow)


@click.command("generated-faces", epilog=examples("crawl plan generated-faces --limit 1000"))
@faces_options
def plan_generated_faces(**options: Any) -> None:
    """Say how long the draws take at one request a second."""
    limit = _faces(options).limit
    if emit_json({"draws": limit, "hours": limit / 3600}):
        return
    click.echo(
        f"{counted(limit, 'draw')} at most, {limit / 3600:.1f} hours at one request a second"
    )


def _faces(options: dict[str, Any]) -> "GeneratedFacesSource":
    from crawler.sources.generated_faces import GeneratedFacesSource

    return GeneratedFacesSource(**{name: value for name, value in options.items() if value})


spider_options = options(
    click.argument("spider", metavar="FILE.py[:CLASS]"),
    click.option("-a", "arguments", multiple=True, metavar="KEY=VALUE", help="Spider argument."),
    LIMIT,
    BASIS,
)


@click.command(
    "spider",
    epilog=examples(
        "crawl run spider my_site.py", "crawl run spider my_site.py:Albums -a year=2024 --limit 100"
    ),
)
@spider_options
@PRIVATE
@workspace_option
def run_spider(workspace: Workspace, **options: Any) -> None:
    """Run a Scrapy spider of your own. Its items say where pictures are.

    Needs SAFELIGHT_CONTACT for the User-Agent. robots.txt is obeyed whatever the file says.
    """
    allow = options.pop("allow_private")
    _run(workspace, _spider(**options), allow_private=allow)


@click.command("spider", epilog=examples("crawl plan spider my_site.py"))
@spider_options
@workspace_option
def plan_spider(workspace: Workspace, **options: Any) -> None:
    """Say at what pace pages are requested. How many there are, only the spider finds out."""
    from crawler.commands.session_runner import crawl_settings

    source, rate = _spider(**options), crawl_settings(workspace).rate
    source.check()
    if emit_json({"limit": source.limit, "requests_per_s": rate}):
        return
    most = "no limit" if source.limit is None else f"at most {counted(source.limit, 'picture')}"
    click.echo(f"{most}; pages and pictures at {rate:g} a second to one host, robots.txt obeyed")


def _spider(
    spider: str, arguments: Sequence[str], limit: int | None, training_basis: str | None
) -> "UserSpiderSource":
    from crawler.sources.spider import UserSpiderSource

    file, _, class_name = spider.partition(".py:")
    if invalid := [text for text in arguments if "=" not in text]:
        raise click.UsageError(f"-a wants KEY=VALUE, not {invalid[0]}")
    pairs = dict(text.split("=", 1) for text in arguments)
    path = Path(f"{file}.py" if class_name else file).resolve()
    return UserSpiderSource(str(path), class_name, pairs, limit, training_basis)


def _run(
    workspace: Workspace, source: Any, *, allow_private: bool = False, wait: bool = False
) -> None:
    """Run a session of a source and exit with its code."""
    from crawler.commands.session_runner import run_source

    run_source(workspace, source, allow_private=allow_private, wait=wait)


def add_to(plan: click.Group, run: click.Group) -> None:
    """Add every command of this module to `crawl plan` and `crawl run`."""
    for command in (
        plan_urls,
        plan_img2dataset,
        plan_unsplash_dataset,
        plan_commons,
        plan_generated_faces,
        plan_spider,
    ):
        plan.add_command(command)
    for command in (
        run_urls,
        run_img2dataset,
        run_unsplash_dataset,
        run_commons,
        run_generated_faces,
        run_spider,
    ):
        run.add_command(command)
