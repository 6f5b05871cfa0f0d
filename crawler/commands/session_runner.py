"""Run a session from the command line: options, progress, summary and exit code."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from catalog import Workspace, json_option, load_settings, logs_json, progress_task
from crawler.commands.summary import print_summary

if TYPE_CHECKING:
    from crawler.session.crawl import CrawlOptions
    from crawler.session.progress import CrawlProgress
    from crawler.session.summary import CrawlSummary
    from crawler.settings import CrawlSettings


log = logging.getLogger(__name__)


WORKERS, CLUSTER, RECRAWL = "safelight.workers", "safelight.cluster", "safelight.recrawl"


EXIT_CODES = {"finished": 0, "failed": 1, "stopped": 3}


UNCOMMITTED = 4
"""Exit code of a session whose segments are in the spool, but not in the catalog."""


LOGGED = ("done", "failed", "bytes", "queued", "listing")
"""Counts that are fields of a JSON log."""


METRICS_PORT, METRICS_HOST = "safelight.metrics_port", "safelight.metrics_host"


def crawl_settings(workspace: Workspace) -> "CrawlSettings":
    """Load the crawl settings of a workspace."""
    from crawler.settings import CrawlSettings

    return load_settings(CrawlSettings, "crawl", workspace)


def run_source(
    workspace: Workspace, source: Any, *, allow_private: bool = False, wait: bool = False
) -> None:
    """Crawl a source under a progress bar, print its summary and exit with its code."""
    source.check()  # `crawl` does it, too, but not before its modules are loaded
    settings = crawl_settings(workspace)

    def act(report: Any) -> "CrawlSummary":
        from crawler.session import crawl

        options = session_options(report, wait=wait, allow_private=allow_private)
        return crawl.crawl(workspace, source, settings, options)

    run_session(act, source.name)


def session_options(
    report: Any, *, wait: bool = False, allow_private: bool = False
) -> "CrawlOptions":
    """Make the options of a session from those that every session command has."""
    from crawler.session import crawl

    meta = click.get_current_context().meta
    return crawl.CrawlOptions(
        workers=meta.get(WORKERS, 1),
        cluster=meta.get(CLUSTER),
        wait_for_quota=wait,
        recrawl_s=meta.get(RECRAWL),
        changed={"allow_private": True} if allow_private else {},
        report=report,
    )


def _age_s(text: str | None) -> float | None:
    """Read 30d, 12h, 15m or 20s as seconds."""
    if text is None:
        return None
    units = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.isdecimal():
        raise click.BadParameter(f"{text!r} is no age; write 30d, 12h, 15m or 20s")
    return int(number) * units[unit]


def run_session(act: "Callable[[Any], CrawlSummary]", name: str = "crawl") -> None:
    """Run a session under a progress bar, print its summary and exit with its code."""
    seen: list[CrawlProgress] = []

    def text() -> str:
        return seen[-1].line(time.monotonic()) if seen else ""

    # A log is not to begin with a line about the catalog when the crawl is then refused; a terminal may show it.
    title = f"{name}: opening the catalog"
    with _metrics() as update, progress_task(title, text=text, announce=True) as task:

        def report(progress: "CrawlProgress") -> None:
            seen[:] = [progress]
            counts = {name: getattr(progress, name) for name in LOGGED}
            completed, total = progress.ended(), progress.total()
            task.update(description=name, completed=completed, total=total, fields=counts)
            update(progress)

        summary = act(report)
    print_summary(summary)
    sys.exit(UNCOMMITTED if summary.uncommitted else EXIT_CODES[summary.status])


@contextmanager
def _metrics() -> "Iterator[Callable[[CrawlProgress], None]]":
    """Serve metrics while a session runs, if --metrics-port is given; give the function for its progress."""
    meta = click.get_current_context().meta
    if meta.get(METRICS_PORT) is None:
        yield lambda _progress: None
        return
    from crawler.session.metrics import CrawlMetrics, serve_metrics

    metrics = CrawlMetrics()
    with serve_metrics(metrics, meta[METRICS_HOST], meta[METRICS_PORT]) as address:
        if logs_json():
            log.info("metrics: %s", address)
        else:
            click.echo(f"metrics: {address}", err=True)
        yield metrics.update


def add_session_options(command: click.Command) -> None:
    """Add the options of every session; they are stored in click's context, not passed to the command."""

    def keep(
        name: str, read: Callable[[Any], Any]
    ) -> Callable[[click.Context, click.Parameter, Any], None]:
        return lambda context, _parameter, value: context.meta.update({name: read(value)})

    def add(flag: str, name: str, read: Callable[[Any], Any] = lambda v: v, **more: Any) -> None:
        click.option(flag, expose_value=False, callback=keep(name, read), **more)(command)

    several = "Processes; each asks hosts of its own."
    add("--workers", WORKERS, type=click.IntRange(1), default=1, show_default=True, help=several)
    actors = "Workers are actors of this Ray cluster (local, auto, ray://...)."
    add("--cluster", CLUSTER, metavar="ADDRESS", help=actors)
    again = "Also ask again for pictures that came in longer ago: 30d, 12h. Unchanged ones cost no bytes."
    add("--recrawl", RECRAWL, _age_s, metavar="AGE", help=again)
    port = "Serve Prometheus metrics while it runs; 0 takes a free port."
    add("--metrics-port", METRICS_PORT, type=click.IntRange(0, 65535), help=port)
    at = "Address of the metrics."
    add("--metrics-host", METRICS_HOST, default="127.0.0.1", show_default=True, help=at)
    json_option(command)
