"""`safelight crawl basis`, and the option `--training-basis` of every source."""

import click

from catalog import (
    Workspace,
    command_name,
    counted,
    emit_json,
    examples,
    existing_workspace_option,
    home_words,
    json_option,
)


def _require_text(
    _context: click.Context, parameter: click.Parameter, value: str | None
) -> str | None:
    """Refuse a blank text: the text is stored with each picture as the reason."""
    if value is not None and not value.strip():
        raise click.BadParameter("say it in words; a blank text is no reason", param=parameter)
    return value


BASIS = click.option(
    "--training-basis",
    metavar="TEXT",
    callback=_require_text,
    help="Your right to train models on these pictures; also recorded for those that are here.",
)


@click.command(
    "basis",
    epilog=examples(
        'crawl basis --where "source = \'urls\'" --training-basis "contract of 2 May" --dry-run',
        "crawl basis --history",
    ),
)
@click.option(
    "--where",
    metavar="SQL",
    help="Photos for which this predicate holds, such as \"source = 'urls' AND image_url LIKE '%.gov/%'\".",
)
@click.option(
    "--training-basis",
    metavar="TEXT",
    callback=_require_text,
    help="Why models may be trained on them.",
)
@click.option(
    "--no-training",
    metavar="TEXT",
    callback=_require_text,
    help="Why models may not be trained on them.",
)
@click.option("--licence", metavar="TEXT", callback=_require_text, help="Their licence.")
@click.option(
    "--attribution",
    metavar="TEXT",
    callback=_require_text,
    help="Line that must stand beside them.",
)
@click.option("--by", default="local", show_default=True, metavar="NAME", help="Who says so.")
@click.option("--dry-run", is_flag=True, help="Count the photos; record nothing.")
@click.option("--undo", metavar="ID", help="Take back a statement; a second time brings it back.")
@click.option("--history", is_flag=True, help="List what was recorded, newest first.")
@json_option
@existing_workspace_option
def basis(  # noqa: PLR0913 - one for each option
    workspace: Workspace,
    *,
    where: str | None,
    training_basis: str | None,
    no_training: str | None,
    licence: str | None,
    attribution: str | None,
    by: str,
    dry_run: bool,
    undo: str | None,
    history: bool,
) -> None:
    """Record a basis for training, a licence or an attribution. It is for photos in the catalog; no request is sent.

    Columns for --where are those of view v_all_photos: source, crawl_id, image_url, photographer, licence,
    training_allowed, training_basis, title, folder and more. What is recorded counts from the next curation run.
    """
    from catalog import Rights, record_rights, undo_rights

    if history:
        _print_history(workspace)
        return
    if undo is not None:
        name, holds = undo_rights(workspace, undo, recorded_by=by)
        if emit_json({"statement_id": name, "holds": holds}):
            return
        click.echo(f"{name} {'counts again' if holds else 'is taken back'}")
        return
    if where is None:
        raise click.UsageError(
            "say which photos with --where, such as --where \"source = 'urls'\"; "
            f'sources and bases: {command_name()} catalog sql "SELECT * FROM v_licences"'
        )
    if training_basis is not None and no_training is not None:
        raise click.UsageError("give --training-basis or --no-training, not both")
    reason = training_basis if no_training is None else no_training
    allowed = None if reason is None else no_training is None
    rights = Rights(allowed, reason, licence, attribution)
    statement = record_rights(workspace, where, rights, recorded_by=by, dry_run=dry_run)
    if emit_json({"dry_run": dry_run, **vars(statement)}):
        return
    if dry_run:
        click.echo(
            f"{counted(statement.matched, 'photo', 'fits')}, {statement.changed:,} would change"
        )
    elif not statement.statement_id:
        click.echo(
            f"nothing new: {counted(statement.matched, 'photo', 'fits')}, with these values already"
        )
    else:
        fitting = counted(statement.matched, "photo")
        click.echo(
            f"{statement.statement_id}: recorded for {statement.changed:,} of {fitting} that fit"
        )
        home = home_words()
        click.echo(
            f"it counts from the next: {command_name()} curate run{home}, {command_name()} dataset publish NAME{home}"
        )
        click.echo(
            f"take it back with: {command_name()} crawl basis{home} --undo {statement.statement_id}"
        )


def _print_history(workspace: Workspace) -> None:
    from catalog import rights_history

    rows = rights_history(workspace)
    if emit_json(rows):
        return
    for row in rows:
        parts = [
            f"{name} {row[name]!r}"
            for name in ("training_basis", "licence", "attribution")
            if row[name] is not None
        ]
        if row["training_allowed"] is False:
            parts[0] = f"no training: {row['training_basis']!r}"
        mark = "" if row["holds"] else "  (taken back)"
        click.echo(
            f"{row['statement_id']}  {str(row['recorded_at'])[:19]}  {row['recorded_by']}  "
            f"{counted(int(str(row['photos'])), 'photo')}{mark}"
        )
        click.echo(f"  {', '.join(parts)}; where {row['predicate']}")
    if not rows:
        click.echo(
            f"nothing recorded yet; record with: {command_name()} crawl basis --where SQL --training-basis TEXT"
        )


def add_to(crawl: click.Group) -> None:
    """Add the command to `crawl`."""
    crawl.add_command(basis)
