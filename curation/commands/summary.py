"""Print what a curation run did: one line a count, its classes, and what leaks through its splits."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

import click

from catalog import counted, emit_json, format_share, shortened

if TYPE_CHECKING:
    from curation.run.summary import CurationSummary
    from curation.splits.leaks import LeakAudit


def print_summary(summary: CurationSummary) -> None:
    """Print what a run did, one line a count, the balance of its classes and what leaks through its splits."""
    if not emit_json({**vars(summary), "permission": summary.permission.as_json}):
        _print_text(summary)
    for note in summary.notes:
        click.echo(f"note: {note}", file=sys.stderr)


def _print_text(summary: CurationSummary) -> None:
    if not summary.is_new:
        click.echo(f"nothing new: run {summary.run_id} already curated these pictures by this plan")
    lines = [
        ("run", summary.run_id),
        (f"{summary.media} in", summary.n_input),
        *((f"dropped {name}", n) for name, n in summary.dropped.items()),
        ("kept", summary.n_kept),
        *((f"voided {name}", n) for name, n in summary.voided.items()),
        *((f"flagged {name}", n) for name, n in summary.flagged.items()),
        (
            "duplicate groups",
            f"{summary.n_duplicate_groups} with {counted(summary.n_duplicate_members, summary.media[:-1])}",
        ),
        *((f"compared: {name}", n) for name, n in summary.edges.items()),
        *(("label", str(label)) for label in summary.labels),
        ("split groups", f"{summary.n_groups} by {summary.keys_text()}"),
        *((name, summary.splits.get(name, 0)) for name in ("train", "validation", "test")),
        *((f"leaks of {audit.policy}", _leaks(audit)) for audit in summary.audits),
    ]
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        click.echo(f"{name:<{width}}  {value}")
    _print_classes(summary)
    for sentence in summary.audits[0].sentences():
        click.echo(sentence)
    if summary.permission.allowed < summary.permission.total:
        from catalog import curated

        click.echo(summary.permission.advice(curated(summary.run_id)))


def _leaks(audit: LeakAudit) -> str:
    available = [key for key in audit.shared_values if not audit.shared(key).endswith("unknown")]
    unknown = [audit.shared(key) for key in audit.shared_values if key not in available]
    shared = f"{', '.join(map(audit.shared, available)) or 'nothing known to be'} shared"
    cosine = "" if math.isnan(audit.max_cosine) else f"closest cosine {audit.max_cosine:.3f}"
    n = audit.n_sharing_content
    content = "" if n is None else f"{counted(n, 'pair', 'shares')} content across splits"
    return "; ".join(filter(None, [shared, ", ".join(unknown), cosine, content]))


def _print_classes(summary: CurationSummary) -> None:
    rows = [row for row in summary.classes.iter_rows(named=True) if row["split"] == "train"]
    if not rows:
        return
    first, second = (max(len(row[name]) for row in rows) for name in ("setting", "class"))
    first, second = max(first, len("exposure_time")) + 2, min(max(second, 8), _CLASS_WIDTH)
    click.echo(f"{'train':<{first}} {'class':<{second}} {'n':>6} {'before':>8} {'after':>8}")
    for row in rows:
        shares = (
            f"{row['n']:>6} {format_share(row['share']):>8} {format_share(row['weight_share']):>8}"
        )
        name = shortened(row["class"], second)
        click.echo(f"{row['setting']:<{first}} {name:<{second}} {shares}")


_CLASS_WIDTH = 40
