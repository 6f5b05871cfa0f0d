"""The numbers of a report: each comes from one query of the catalog, or from the frontier's counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crawler.fetch.failures import OPT_OUTS
from crawler.frontier.items import Row
from crawler.report.scope import ReportScope

MOST_CAMERAS = 15
MOST_VALUES = 20  # labels of one task, licences, errors
MOST_BINS = 60
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
# Widths of a time bin, in seconds: one second to four weeks.
_STEPS_S = (
    *(1, 2, 5, 10, 30),
    *(n * _MINUTE for n in (1, 2, 5, 10, 30)),
    *(n * _HOUR for n in (1, 2, 6, 12)),
    *(n * _DAY for n in (1, 2, 7, 28)),
)
_SETTINGS = ("f_number", "iso", "exposure_time", "camera")


@dataclass(frozen=True)
class FunnelStep:
    """One step from listing to usable EXIF, with its count."""

    name: str
    n: int
    meaning: str


@dataclass(frozen=True)
class Timeline:
    """Attempts by time: (Unix seconds of the bin's start, done, failed), with bins without attempts."""

    step_s: int
    bins: Sequence[tuple[int, int, int]]


def totals(scope: ReportScope) -> Mapping[str, int]:
    """Count attempts, pictures, bytes and hosts; `failed` are pictures without a successful attempt.

    `retries` are attempts after a failed one, `again` attempts after a successful one (a recrawl). `unchanged` are
    pictures that the server reported as not modified, `repeats` pictures with bytes of an earlier one. `older` counts
    files that a later file of the same picture has replaced.
    """
    [row] = scope.query(
        "SELECT count(*) AS attempts, count(*) FILTER (before = 'failed') AS retries,"
        " count(*) FILTER (before <> 'failed') AS again,"
        " (SELECT count(*) FROM files) - (SELECT count(*) FROM current) AS older,"
        " count(DISTINCT photo_id) AS tried,"
        " count(DISTINCT photo_id) FILTER (outcome = 'done') AS done,"
        " count(DISTINCT photo_id) FILTER (outcome = 'unchanged') AS unchanged,"
        " count(DISTINCT photo_id) FILTER (outcome = 'repeat') AS repeats,"
        " count(DISTINCT photo_id) FILTER (photo_id NOT IN (SELECT photo_id FROM fetched_photos)) AS failed,"
        " coalesce(sum(bytes) FILTER (outcome = 'done'), 0)::BIGINT AS bytes,"
        " count(DISTINCT nullif(host, '')) AS hosts FROM attempts_in_order"
    )
    counts = {name: int(str(value)) for name, value in row.items()}
    waiting = sum(r.counts.get("queued", 0) + r.counts.get("in_flight", 0) for r in scope.records)
    return counts | {"waiting": waiting}


def funnel(scope: ReportScope, tried: int, done: int) -> list[FunnelStep]:
    """Count the pictures at each step from the listing to usable EXIF; from files on, count distinct bytes.

    Only the newest file of a changed picture counts, so no step is larger than the one before.
    """
    [row] = scope.query(
        "SELECT (SELECT count(*) FROM current) AS files,"
        " (SELECT count(*) FROM current WHERE header_status = 'ok') AS readable,"
        " (SELECT count(*) FROM settings JOIN current ON sha256 = asset_sha256 WHERE header_status = 'ok'"
        "  AND coalesce(f_number, iso, exposure_time) IS NOT NULL) AS with_settings"
    )
    listed = sum(sum(record.counts.values()) for record in scope.records)
    return [
        FunnelStep("listed", max(listed, tried), "photos that the sources listed"),
        FunnelStep("tried", tried, "at least one attempt has ended"),
        FunnelStep("brought in", done, "the bytes are in the catalog"),
        FunnelStep(
            "distinct files",
            int(str(row["files"])),
            "the same bytes count once, the newest of a picture",
        ),
        FunnelStep("readable header", int(str(row["readable"])), "whole, with a size"),
        FunnelStep(
            "with EXIF settings",
            int(str(row["with_settings"])),
            "f-number, ISO or exposure time is known",
        ),
    ]


def timeline(scope: ReportScope) -> Timeline:
    """Count attempts over time in at most `MOST_BINS` bins of one width."""
    [ends] = scope.query(
        "SELECT epoch(min(fetched_at)) AS first, epoch(max(fetched_at)) AS last FROM attempts"
    )
    if ends["first"] is None:
        return Timeline(_STEPS_S[0], [])
    first, last = float(str(ends["first"])), float(str(ends["last"]))
    step = next((s for s in _STEPS_S if (last - first) / s < MOST_BINS - 1), _STEPS_S[-1])
    rows = scope.query(
        "SELECT CAST(floor(epoch(fetched_at) / ?) AS BIGINT) AS bin,"
        " count(*) FILTER (outcome = 'done') AS done, count(*) FILTER (outcome = 'failed') AS failed"
        " FROM attempts GROUP BY 1",
        step,
    )
    by_bin = {int(str(r["bin"])): (int(str(r["done"])), int(str(r["failed"]))) for r in rows}
    numbers = range(min(by_bin), max(by_bin) + 1)
    return Timeline(step, [(number * step, *by_bin.get(number, (0, 0))) for number in numbers])


def labels(scope: ReportScope) -> list[Row]:
    """Count labels of the pictures by task and value, the most frequent values of each task."""
    return scope.query(
        "SELECT task, value, label_source, count(*) AS n,"
        " count(*) / sum(count(*)) OVER (PARTITION BY task, label_source) AS share"
        " FROM labels l WHERE (subject_kind = 'photo' AND subject_id IN"
        "  (SELECT photo_id FROM pictures UNION ALL SELECT photo_id FROM listed))"
        " OR (subject_kind = 'asset' AND subject_id IN (SELECT asset_sha256 FROM pictures))"
        " GROUP BY task, value, label_source"
        " QUALIFY row_number() OVER (PARTITION BY task, label_source ORDER BY count(*) DESC, value) <= ?"
        " ORDER BY task, n DESC, value",
        MOST_VALUES,
    )


def sources(scope: ReportScope) -> list[Row]:
    """Count pictures by source; `listed` are photos whose bytes were not fetched."""
    return scope.query(
        "SELECT source, count(asset_sha256) AS n, count(DISTINCT asset_sha256) AS files,"
        " count(*) FILTER (asset_sha256 IS NULL) AS listed, count(DISTINCT photographer) AS photographers"
        " FROM (SELECT source, asset_sha256, photographer FROM pictures"
        "  UNION ALL SELECT source, NULL, photographer FROM listed)"
        " GROUP BY 1 ORDER BY n DESC, listed DESC, 1"
    )


def formats(scope: ReportScope) -> list[Row]:
    """Count files by format and header status."""
    return scope.query(
        "SELECT format, header_status, count(*) AS n, sum(bytes)::BIGINT AS bytes,"
        " median(width)::BIGINT AS width, median(height)::BIGINT AS height"
        " FROM files GROUP BY 1, 2 ORDER BY n DESC, 1, 2"
    )


def licences(scope: ReportScope) -> list[Row]:
    """Count pictures by licence and by whether a model may be trained on them."""
    return scope.query(
        "SELECT source, licence, training_allowed, training_basis, count(*) AS n"
        " FROM (SELECT source, licence, training_allowed, training_basis FROM pictures UNION ALL"
        "  SELECT source, licence, training_allowed, training_basis FROM listed)"
        " GROUP BY ALL ORDER BY n DESC, source, licence LIMIT ?",
        MOST_VALUES,
    )


def error_kinds(scope: ReportScope) -> list[Row]:
    """Count failed attempts by class and error over all hosts; `pictures` are those not fetched so far."""
    return scope.query(
        "SELECT error_class, error, count(*) AS n, count(DISTINCT host) AS hosts,"
        " count(DISTINCT photo_id) FILTER (photo_id NOT IN (SELECT photo_id FROM fetched_photos)) AS pictures"
        " FROM attempts WHERE outcome = 'failed' GROUP BY ALL ORDER BY n DESC, error_class, error"
    )


def errors(scope: ReportScope) -> list[Row]:
    """Count failed attempts by host and error; `pictures` are those not fetched so far."""
    return scope.query(
        "SELECT host, error_class, error, count(*) AS n,"
        " count(DISTINCT photo_id) FILTER (photo_id NOT IN (SELECT photo_id FROM fetched_photos)) AS pictures,"
        " max(fetched_at) AS last_seen FROM attempts WHERE outcome = 'failed' GROUP BY ALL"
        " ORDER BY n DESC, host, error LIMIT ?",
        MOST_VALUES,
    )


def hosts(scope: ReportScope) -> list[Row]:
    """Count attempts and retries by host, with the duration of successful attempts."""
    return scope.query(
        "SELECT host, count(*) AS attempts, count(*) FILTER (before = 'failed') AS retries,"
        " count(*) FILTER (outcome = 'done') AS done, max(attempt) AS most_attempts,"
        " quantile_cont(duration_ms, 0.5) FILTER (outcome = 'done') AS p50_ms,"
        " quantile_cont(duration_ms, 0.95) FILTER (outcome = 'done') AS p95_ms,"
        " coalesce(sum(bytes) FILTER (outcome = 'done'), 0)::BIGINT AS bytes"
        " FROM attempts_in_order GROUP BY 1 ORDER BY attempts DESC, 1 LIMIT ?",
        MOST_VALUES,
    )


def opt_outs(scope: ReportScope) -> list[Row]:
    """Count pictures that a site or a person excluded, with the header or file that excludes them."""
    return scope.query(
        "SELECT host, error, coalesce(error_detail, '') AS reason, count(DISTINCT photo_id) AS n"
        " FROM attempts WHERE list_contains(?, error) GROUP BY ALL ORDER BY n DESC, host, reason LIMIT ?",
        list(OPT_OUTS),
        MOST_VALUES,
    )


def _shares(of: str) -> str:
    shares = ", ".join(f"count({name}) / count(*) AS {name}" for name in _SETTINGS)
    return f"SELECT {of}, count(*) AS n, {shares}"


def exif_by_source(scope: ReportScope) -> list[Row]:
    """Return the share of files with each setting: of all (source null), by source, and of photos only listed."""
    joined = (
        " FROM (SELECT DISTINCT source, asset_sha256 FROM pictures) p"
        " LEFT JOIN settings USING (asset_sha256)"
    )
    everything = _shares("CAST(NULL AS VARCHAR) AS source") + (
        " FROM files LEFT JOIN settings ON sha256 = asset_sha256 HAVING count(*) > 0"
    )
    listed = f"{_shares('source')} FROM listed GROUP BY source ORDER BY n DESC, source"
    return [
        *scope.query(everything),
        *scope.query(f"{_shares('source')}{joined} GROUP BY source ORDER BY n DESC, source"),
        *({**row, "source": f"{row['source']}, listed only"} for row in scope.query(listed)),
    ]


def exif_by_camera(scope: ReportScope) -> list[Row]:
    """Return the share of files with each setting for the cameras with most files."""
    return scope.query(
        f"{_shares('camera AS name')} FROM settings WHERE camera IS NOT NULL GROUP BY name"
        " ORDER BY n DESC, name LIMIT ?",
        MOST_CAMERAS,
    )


def exif_statuses(scope: ReportScope) -> list[Row]:
    """Count the EXIF of the files by source and status."""
    return scope.query(
        "SELECT exif_source, status, count(*) AS n FROM exif WHERE asset_sha256 IN"
        " (SELECT asset_sha256 FROM fetched_files) OR photo_id IN (SELECT photo_id FROM listed)"
        " GROUP BY ALL ORDER BY exif_source DESC, n DESC, status"
    )


def sessions(scope: ReportScope) -> list[Row]:
    """List the sessions, newest first."""
    return scope.query("SELECT * FROM sessions ORDER BY started_at DESC, crawl_id")
