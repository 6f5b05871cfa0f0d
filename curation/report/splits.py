"""The section of the report about splits: values that sides share, the closest pairs, metadata baselines."""

import itertools
from collections.abc import Callable

from catalog import FEW_GROUPS, known_text
from curation.report.pages import figure, section, table, text
from curation.run.summary import CurationSummary
from curation.splits.leaks import LeakAudit

SHOWN_PAIRS = 6
_KEYS = {
    "group_id": "groups cut",
    "scene_id": "scenes cut",
    "camera": "cameras shared",
    "photographer": "photographers shared",
    "session": "sessions cut",
    "person": "persons shared",
}


def pictures_of(summary: CurationSummary) -> list[str]:
    """Name the pictures that the section shows."""
    pairs = itertools.chain(*(audit.pairs[:SHOWN_PAIRS] for audit in summary.audits))
    return [name for pair in pairs for name in (pair.test, pair.train)]


def split_section(summary: CurationSummary, uri: Callable[[str], str | None]) -> str:
    """Write the section; `uri` gives a small picture as a data: URI, or None."""
    about = (
        f"<p>Groups by {text(summary.keys_text())}: {summary.n_groups} groups; "
        f"{summary.n_inherited} pictures keep the split that they had. In brackets: test pictures "
        "whose value is in train too. Where a key is unknown, nothing can be said of it. "
        "Cosines are those of test pictures to their closest training picture.</p>"
    )
    closest = [_closest(audit, uri) for audit in summary.audits if audit.pairs]
    return section(
        "Splits and leaks",
        about + _shared(summary) + "".join(closest) + _baselines(summary),
    )


def _shared(summary: CurationSummary) -> str:
    rows = []
    for audit in summary.audits:
        shared = [_shared_cell(audit, key) for key in _KEYS]
        sizes = [text(audit.n[name]) for name in ("train", "validation", "test")]
        cosines = [text(f"{audit.max_cosine:.3f}"), text(f"{audit.p99_cosine:.3f}")]
        rows.append([text(audit.policy), *sizes, *map(text, shared), *cosines])
    sides = ["policy", "train", "validation", "test"]
    return table([*sides, *_KEYS.values(), "max cosine", "99 % cosine"], rows)


def _shared_cell(audit: LeakAudit, key: str) -> str:
    """Write how many values are shared, and the share of pictures that have the key where it is small."""
    cell = f"{audit.shared_values[key]} ({audit.pictures_in_shared[key]})"
    unknown = known_text("", audit.known_shares[key]).strip()
    return unknown if unknown == "unknown" else f"{cell}, {unknown}" if unknown else cell


def _closest(audit: LeakAudit, uri: Callable[[str], str | None]) -> str:
    figures = [
        figure(uri(name), f"{side} {name[:8]}, cosine {pair.cosine:.3f}", is_marked=side == "test")
        for pair in audit.pairs[:SHOWN_PAIRS]
        for side, name in (("test", pair.test), ("train", pair.train))
    ]
    title = f"<h3>Closest pairs of {text(audit.policy)} <small>test has a frame</small></h3>"
    return f"{title}<div class='row'>{''.join(figures)}</div>"


def _baselines(summary: CurationSummary) -> str:
    rows = [
        [
            text(audit.policy),
            text(baseline.check),
            text(baseline.task),
            text(f"{baseline.value:.2f}"),
            text(f"{baseline.majority:.2f}"),
            text(f"{baseline.low:+.2f} to {baseline.high:+.2f}" if baseline.is_decided else ""),
            text(f"{baseline.n} in {baseline.n_groups}"),
            text({"tells": "yes", "does not tell": "no"}.get(baseline.verdict, baseline.verdict)),
            text(baseline.detail),
        ]
        for audit in summary.audits
        for baseline in audit.baselines
    ]
    if not rows:
        return ""
    names = [
        "policy",
        "guess by",
        "of",
        "right",
        "majority",
        "difference (95 %)",
        "pictures, groups",
    ]
    about = (
        "<h3>What metadata alone tells</h3><p>Guesses of test pictures without a look at them: by the five training "
        "pictures nearest in time, or by what is commonest for the camera model (of models that are in train). They "
        "tell something where they beat the majority by more than the interval; with fewer than "
        f"{FEW_GROUPS} groups there is no verdict.</p>"
    )
    return about + table([*names, "tells", "why"], rows)
