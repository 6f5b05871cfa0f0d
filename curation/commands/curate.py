"""`safelight curate`: run a plan, show what it did, write the report, take decisions by hand and take them back."""

from __future__ import annotations

import dataclasses
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from catalog import (
    Workspace,
    command_name,
    counted,
    emit_json,
    examples,
    existing_workspace_option,
    format_bytes,
    home_words,
    json_format_option,
    json_option,
    load_settings,
    progress_task,
    writes_json,
)
from curation.commands.summary import print_summary
from curation.splits.rebalance import Rebalance

if TYPE_CHECKING:
    from curation.run.plan import CurationPlan
    from curation.run.summary import CurationSummary


def _days(_context: click.Context, _option: click.Parameter, value: str) -> timedelta:
    """Read a number of days, written 30d or 30."""
    digits = value.removesuffix("d")
    if not digits.isdecimal():
        raise click.BadParameter(f"{value!r} is no number of days; write it as 30d")
    return timedelta(days=int(digits))


@click.group(epilog=examples("curate run", "curate report"))
def curate() -> None:
    """Turn crawled pictures into labelled, split and weighted items."""


@curate.command(
    epilog=examples(
        "curate run", "curate run --plan plan.json --seed 7", "curate run --cluster auto"
    )
)
@click.option("--plan", "plan_file", type=click.Path(path_type=Path), help="Plan as JSON.")
@click.option("--seed", type=int, help="Seed of the splits.")
@click.option("--runner", type=click.Choice(["daft", "threads"]), help="Engine of the stages.")
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Ray cluster that runs the stages (local, auto, HOST:PORT).",
)
@click.option(
    "--rebalance",
    type=click.Choice(get_args(Rebalance)),
    help="How rare classes are lifted.",
)
@click.option("--allow-thin", is_flag=True, help="Lift classes that rest on few scenes, too.")
@click.option(
    "--media",
    type=click.Choice(["pictures", "sounds"]),
    help="What is curated; by default pictures where there are any, else sounds.",
)
@click.option("--again", is_flag=True, help="Bring a run back that was taken back (curate undo).")
@click.option("--fresh-splits", is_flag=True, help="Ignore the splits of earlier releases.")
@json_option
@existing_workspace_option
def run(  # noqa: PLR0913 - one argument an option
    workspace: Workspace,
    *,
    plan_file: Path | None,
    seed: int | None,
    runner: str | None,
    cluster: str | None,
    rebalance: str | None,
    allow_thin: bool,
    media: str | None,
    again: bool,
    fresh_splits: bool,
) -> None:
    """Curate all pictures of the workspace. The same plan over the same pictures is done once."""
    from curation.settings import CurateSettings

    settings = load_settings(CurateSettings, "curate", workspace)
    if runner:
        settings = dataclasses.replace(settings, runner=runner)
    if cluster is not None:
        settings = dataclasses.replace(settings, cluster=cluster)
    plan = _plan(plan_file, seed, rebalance, inherit_splits=not fresh_splits)
    if allow_thin:
        plan = dataclasses.replace(plan, allow_thin=True)
    if media:
        plan = dataclasses.replace(plan, media=media)

    with progress_task("curate"):
        from curation.run.run import curate as run_plan  # what is mistyped was answered before this

        summary = run_plan(workspace, plan, settings, again=again)
    print_summary(summary)
    if summary.is_new and settings.faces == "auto":
        _print_faces_hint(workspace)
    _print_next_step(summary)


@curate.command(epilog=examples("curate report", "curate report RUN_ID"))
@click.argument("run_id", default="")
@json_option
@existing_workspace_option
def report(workspace: Workspace, run_id: str) -> None:
    """Write the HTML report of RUN_ID and print its path. The default is the newest run."""
    with progress_task("report"):
        from curation.report.report import write_report

        path = write_report(workspace, run_id)
    if not emit_json({"path": path}):
        click.echo(path)


@curate.command(epilog=examples("curate audit", "curate audit --top 50"))
@click.argument("run_id", default="")
@click.option("--top", default=20, show_default=True, help="Issues that are printed.")
@json_option
@existing_workspace_option
def audit(workspace: Workspace, run_id: str, top: int) -> None:
    """Rank the labels of RUN_ID that are likely wrong. The default is the newest run.

    They become rows of `issues`, which the review lists under "Suspected errors". Camera settings are not labels here:
    the next `curate run` lists those that a trained model finds implausible.
    """
    with progress_task("audit labels"):
        from curation.report.labels import caption
        from curation.review.label_audit import audit_labels

        result = audit_labels(workspace, run_id)
    document = {
        "run_id": result.run_id,
        "n_labelled": result.n_labelled,
        "counts": result.counts(),
        "issues": result.issues[:top],
    }
    if emit_json(document):
        return
    for task, n in result.n_labelled.items():
        click.echo(f"labelled by {task}: {n}")
    for kind, n in result.counts().items():
        click.echo(f"{kind}: {n}")
    for issue in result.issues[:top]:
        text = caption(issue.asset_sha256, issue.detail)
        click.echo(f"{issue.severity:.2f}  {issue.kind:<15}  {text}")


@curate.command(
    epilog=examples(
        "curate similar 3f2a9c",
        "curate similar holiday.jpg --limit 5",
        "curate similar 3f2a9c --format json",
    )
)
@click.argument("picture")
@click.option("--limit", type=click.IntRange(min=1), default=10, show_default=True)
@click.option(
    "--format",
    "style",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
)
@json_format_option
@existing_workspace_option
def similar(workspace: Workspace, picture: str, limit: int, style: str) -> None:
    """Print pictures that look like PICTURE.

    PICTURE is a SHA-256 of the catalog, the beginning of one, or an image file.
    """
    with progress_task("similar pictures"):
        from curation.report.similar import similar as similar_pictures

        rows = similar_pictures(picture, workspace, limit=limit)
    if style != "table":
        click.echo(rows.write_json() if style == "json" else rows.write_csv(), nl=style == "json")
        return
    for row in rows.iter_rows(named=True):
        name = f"{row['source']}: {row['source_photo_id']}" if row["source"] else ""
        click.echo(
            f"{row['cosine']:.3f}  {row['asset_sha256']}  {row['width']} x {row['height']}  {name}"
        )


@curate.command(epilog=examples("curate runs", "curate runs --json"))
@json_option
@existing_workspace_option
def runs(workspace: Workspace) -> None:
    """List the curation runs, newest first. A star marks the current one, a minus those taken back."""
    from catalog import open_catalog

    with open_catalog(workspace) as catalog:
        rows = catalog.records(
            "SELECT r.*, v.is_current FROM curation_runs r LEFT JOIN v_runs v USING (run_id) "
            "ORDER BY r.finished_at DESC, r.run_id"
        )
    if emit_json(rows):
        return
    for row in rows:
        mark = {True: "*", False: " ", None: "-"}[row["is_current"]]  # type: ignore[index]  # a truth value
        click.echo(
            f"{mark} {row['run_id']}  {str(row['finished_at'])[:19]}  in {row['n_input']}  kept {row['n_kept']}"
        )
    if not rows:
        click.echo(f"no curation runs yet; make one with: {command_name()} curate run")


@curate.command(epilog=examples('curate decide 3fa9 drop --reason "not ours"'))
@click.argument("asset")
@click.argument("choice", type=click.Choice(["keep", "drop"]))
@click.option("--reason", required=True, help="Why; whoever undoes it reads it.")
@json_option
@existing_workspace_option
def decide(workspace: Workspace, asset: str, choice: str, reason: str) -> None:
    """Keep or drop the picture ASSET in the next run.

    The rules do not change this decision. ASSET is its SHA-256, or the first letters.
    """
    from catalog import decide as write_decision, resolve_sha256

    name = resolve_sha256(workspace, asset)
    saved = write_decision(workspace, choice, [name], reason=reason)
    if emit_json(saved):
        return
    click.echo(
        f"{saved.decision_id}: {choice} {name}; it counts from the next: {command_name()} curate run"
    )


@curate.command(epilog=examples("curate undo RUN_ID"))
@click.argument("run_or_decision")
@json_option
@existing_workspace_option
def undo(workspace: Workspace, run_or_decision: str) -> None:
    """Take back RUN_OR_DECISION (first letters will do). A second time brings it back."""
    from catalog import undo as take_back

    target, holds = take_back(workspace, run_or_decision)
    if emit_json({"undone": target, "holds": holds}):
        return
    click.echo(f"{target} {'counts again' if holds else 'is taken back'}")


@curate.command(epilog=examples("curate review", "curate review --queue duplicates --limit 20"))
@click.option(
    "--queue", default="", help="List this queue: duplicates, bridges, settings, quality, issues."
)
@click.option("--kind", default="", help="Only items with this reason, or issues of this kind.")
@click.option("--limit", default=30, show_default=True, help="How many to list.")
@json_option
@existing_workspace_option
def review(workspace: Workspace, queue: str, kind: str, limit: int) -> None:
    """Count what waits for a person in each queue of the review. With --queue list its items, as /review does."""
    from catalog import count_review_items, list_review_items

    queues = [each for each in count_review_items(workspace) if queue in ("", each.queue)]
    if kind and not queue:
        queue = next((each.queue for each in queues if kind in dict(each.reasons)), "issues")
    if writes_json():
        items = list_review_items(workspace, queue, kind, limit) if queue else []
        counts = [{**vars(each), "reasons": dict(each.reasons)} for each in queues]
        emit_json({"queues": counts, "items": items})
        return
    for each in queues:
        reasons = ", ".join(f"{reason} {n}" for reason, n in each.reasons)
        click.echo(f"{each.queue:<11} {each.waiting:>6} of {each.total}  {reasons}".rstrip())
    if queue:
        for item in list_review_items(workspace, queue, kind, limit):
            click.echo(f"{item.item[:12]:<12}  {', '.join(item.reasons)}  {item.title}".rstrip())
    if not any(each.waiting for each in queues):
        click.echo("nothing waits for a decision")
    else:
        click.echo(f"decide with: {command_name()} serve{home_words()}, then open /review")


@curate.command(epilog=examples("curate purge --older-than 90"))
@click.option(
    "--older-than", required=True, metavar="DAYS", callback=_days, help="Grace period, such as 30d."
)
@click.option("--yes", is_flag=True, help="Delete; without it nothing is changed.")
@json_option
@existing_workspace_option
def purge(workspace: Workspace, older_than: timedelta, *, yes: bool) -> None:
    """Say which pictures have been dropped for long enough. With --yes their bytes are deleted for good."""
    from catalog import purge as delete_dropped, queue_opener

    with progress_task("purge"):
        result = delete_dropped(workspace, older_than, dry_run=not yes, opener=queue_opener())
    if emit_json(result):
        return
    for reason, n in result.by_reason.items():
        click.echo(f"{reason:<20}  {n}")
    verb = "deleted" if result.is_done else "would delete"
    click.echo(f"{verb} {counted(len(result.assets), 'picture')}, {format_bytes(result.bytes)}")
    if result.assets and not result.is_done:
        click.echo("nothing was changed; delete them with --yes, which cannot be undone")


def _plan(
    plan_file: Path | None, seed: int | None, rebalance: str | None, *, inherit_splits: bool
) -> CurationPlan:
    """Read the plan and lay the options over it."""
    from curation.run.plan import CurationPlan

    plan = CurationPlan.read(plan_file) if plan_file else CurationPlan()
    if seed is not None:
        plan = dataclasses.replace(plan, seed=seed)
    if rebalance is not None:
        plan = dataclasses.replace(plan, rebalance=rebalance)
    return plan if inherit_splits else dataclasses.replace(plan, inherit_splits=False)


def _print_faces_hint(workspace: Workspace) -> None:
    """Name the part that detects faces where it is not installed, after the first run of a workspace only."""
    from catalog import open_catalog
    from curation.run.stage_results import NO_FACES
    from curation.stages.faces import weights

    if weights() is not None:
        return
    with open_catalog(workspace) as catalog:
        (runs,) = catalog.records("SELECT count(*) AS n FROM curation_runs")
    if runs["n"] == 1:
        click.echo(f"note: {NO_FACES}", file=sys.stderr)


def _print_next_step(summary: CurationSummary) -> None:
    home = home_words()
    if summary.n_kept:
        click.echo(f"next: {command_name()} dataset publish NAME --run {summary.run_id}{home}")
    else:
        click.echo(
            f"no {summary.media[:-1]} is left to publish; see why: {command_name()} curate report{home}"
        )
