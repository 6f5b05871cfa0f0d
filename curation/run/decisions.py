"""Rows of table `decisions`: why a picture was dropped, a setting voided or something flagged.

A picture is dropped for one reason at most, by the first step that drops it (`decision_steps.py`). The key of the table
is run, picture and rule, so of two EXIF records that break the same rule the more trusted one is reported. The evidence
of EXIF rules is a JSON object of the values that they used.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from catalog import ManualDecision
from curation.rules.bin_edges import SETTINGS
from curation.rules.exif_flags import EVIDENCE
from curation.stages.quality import FLAG_ABOVE, flag_limit

SCHEMA: Final[dict[str, type[pl.DataType]]] = {
    "asset_sha256": pl.String,
    "decision": pl.String,
    "rule": pl.String,
    "reason": pl.String,
    "setting": pl.String,
    "evidence": pl.String,
}
EXACT = ("bytes", "pixels")
"""Methods by which duplicates are the same picture exactly."""

_WRITTEN_CHARS = 80  # of each text in the evidence
_RECORD_EVIDENCE = {
    "exif_unreadable": ("error",),
    "exif_pointer_broken": ("error",),
    "exif_software_only": ("software",),
    "thumbnail_mismatch": ("thumbnail_correlation",),
}
_APEX_OF = {"f_number": "aperture_value", "exposure_time": "shutter_speed_value"}


def table(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """Concatenate decisions: sorted, one per picture and rule."""
    empty = pl.DataFrame(schema=SCHEMA)
    decisions = pl.concat(
        [
            empty,
            *(
                part.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
                for part in parts
            ),
        ]
    )
    return decisions.unique(["asset_sha256", "rule"], keep="first", maintain_order=True).sort(
        "asset_sha256", "decision", "rule"
    )


def exif_decisions(records: pl.DataFrame) -> list[pl.DataFrame]:
    """List voids and flags of EXIF records after `apply_rules` (sorted: the most trusted source first)."""
    voids = [_record_voids(records), *(_setting_voids(records, setting) for setting in SETTINGS)]
    flags = records.explode("flags", empty_as_null=True).filter(pl.col("flags").is_not_null())
    evidence = _evidence_json(flags, pl.col("flags"), EVIDENCE)
    return [*voids, _rows(flags, "flag", pl.col("flags"), evidence=evidence)]


def _record_voids(records: pl.DataFrame) -> pl.DataFrame:
    broken = records.filter(pl.col("record_void").is_not_null())
    reason = pl.col("record_void")
    return _rows(broken, "void", reason, evidence=_evidence_json(broken, reason, _RECORD_EVIDENCE))


def _setting_voids(records: pl.DataFrame, setting: str) -> pl.DataFrame:
    broken = records.filter(pl.col(f"{setting}_void").is_not_null())
    reason = pl.col(f"{setting}_void")
    value_columns: tuple[str, ...] = (setting, f"{setting}_raw")
    columns: dict[str, tuple[str, ...]] = dict.fromkeys(
        broken[f"{setting}_void"].unique().to_list(), value_columns
    )
    if apex := _APEX_OF.get(setting):
        columns |= {f"{setting}_contradicts_apex": (*value_columns, apex)}
    if setting == "f_number":
        lens = (*value_columns, "lens_min_f_number", "max_aperture_value")
        columns |= {"f_number_below_lens_minimum": lens}
    evidence = _evidence_json(broken, reason, columns)
    return _rows(broken, "void", reason, setting=pl.lit(setting), evidence=evidence)


def _evidence_json(
    records: pl.DataFrame, reason: pl.Expr, columns: Mapping[str, tuple[str, ...]]
) -> pl.Expr:
    """Write the columns of each reason as JSON; null for a reason without columns."""
    kinds = records.schema
    cases = [
        pl.when(reason == name).then(
            pl.struct(_short_value(c, kinds[c]) for c in names).struct.json_encode()
        )
        for name, names in columns.items()
    ]
    return pl.coalesce(pl.lit(None, pl.String), *cases)


def _short_value(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if kind == pl.String:
        return column.str.slice(0, _WRITTEN_CHARS)
    # JSON has no infinity, so it is written as text.
    return column.cast(pl.String) if kind.is_float() and name in SETTINGS else column


def manual_drops(dropped: Mapping[str, ManualDecision]) -> pl.DataFrame:
    """Drop the pictures that a person dropped; the evidence names the decision."""
    return _manual_rows(dropped, "drop", "manual_drop")


def keep_flags(kept: Mapping[str, ManualDecision], against: pl.DataFrame) -> pl.DataFrame:
    """Flag the pictures that a person keeps although `against` (decisions) would drop them."""
    overruled = {sha: kept[sha] for sha in against["asset_sha256"] if sha in kept}
    return _manual_rows(overruled, "flag", "kept_by_hand")


def _manual_rows(
    decisions: Mapping[str, ManualDecision], decision: str, reason: str
) -> pl.DataFrame:
    evidence = [
        (sha, json.dumps({"decision": manual.decision_id, "reason": manual.reason}))
        for sha, manual in sorted(decisions.items())
    ]
    listed = pl.DataFrame(
        evidence, schema={"asset_sha256": pl.String, "evidence": pl.String}, orient="row"
    )
    return _rows(
        listed, decision, pl.lit(reason), rule=pl.lit("manual"), evidence=pl.col("evidence")
    )


def tombstone_drops(gone: Mapping[str, str]) -> pl.DataFrame:
    """Drop pictures with a tombstone; the evidence is its reason."""
    listed = pl.DataFrame(
        sorted(gone.items()),
        schema={"asset_sha256": pl.String, "evidence": pl.String},
        orient="row",
    )
    return _rows(listed, "drop", pl.lit("tombstone"), evidence=pl.col("evidence"))


def decode_drops(health: pl.DataFrame) -> pl.DataFrame:
    """Drop every picture that does not decode cleanly; the reason is its `decode_status`."""
    broken = health.filter(pl.col("decode_status") != "ok")
    return _rows(
        broken, "drop", pl.col("decode_status"), rule=pl.lit("decode"), evidence=pl.col("detail")
    )


def duplicate_drops(groups: pl.DataFrame) -> pl.DataFrame:
    """Drop every member of a duplicate group but its keeper, which is the evidence."""
    keepers = groups.filter("is_keeper").select("group_id", keeper="asset_sha256")
    copies = groups.filter(~pl.col("is_keeper")).join(keepers, on="group_id")
    is_exact = pl.col("method").is_in(EXACT)
    reason = pl.when(is_exact).then(pl.lit("exact_duplicate")).otherwise(pl.lit("near_duplicate"))
    return _rows(copies, "drop", reason, evidence=pl.col("keeper"))


def empty_drops(pictures: pl.DataFrame, voids: pl.DataFrame) -> pl.DataFrame:
    """Drop pictures without any setting; the evidence is the void reasons, or `no_exif`."""
    lacking = pictures.filter(pl.all_horizontal(pl.col(s).is_null() for s in SETTINGS))
    why = voids.group_by("asset_sha256").agg(why=pl.col("reason").sort().str.join(", "))
    explained = lacking.select("asset_sha256").join(why, on="asset_sha256", how="left")
    reason = pl.lit("no_usable_setting")
    return _rows(explained, "drop", reason, evidence=pl.col("why").fill_null("no_exif"))


def unlabelled_drops(pictures: pl.DataFrame, tasks: Sequence[str]) -> pl.DataFrame:
    """Drop pictures without a label of any of the tasks; labels are text columns `label:<task>`."""
    lacking = pictures.filter(pl.all_horizontal(pl.col(f"label:{t}").is_null() for t in tasks))
    return _rows(lacking, "drop", pl.lit("no_label"), evidence=pl.lit(", ".join(tasks)))


def quality_flags(quality: pl.DataFrame) -> list[pl.DataFrame]:
    """Flag pictures whose scores are above their limits; the evidence is the score.

    `quality` has the columns of that table and `longest_side` in px.
    """
    return [
        _rows(
            quality.filter(pl.col(name) > flag_limit(name)),
            "flag",
            pl.lit(f"quality_{name}"),
            evidence=pl.struct(pl.col(name).round(3)).struct.json_encode(),
        )
        for name in FLAG_ABOVE
    ]


def flag_rows(evidence_of: Mapping[str, str], flag: str) -> pl.DataFrame:
    """Flag pictures; `evidence_of` maps each asset to its evidence."""
    pairs = sorted(evidence_of.items())
    listed = pl.DataFrame(
        {
            "asset_sha256": [sha for sha, _ in pairs],
            "evidence": [evidence for _, evidence in pairs],
        },
        schema={"asset_sha256": pl.String, "evidence": pl.String},
    )
    return _rows(listed, "flag", pl.lit(flag), evidence=pl.col("evidence"))


def _rows(
    source: pl.DataFrame,
    decision: str,
    reason: pl.Expr,
    *,
    evidence: pl.Expr,
    rule: pl.Expr | None = None,
    setting: pl.Expr | None = None,
) -> pl.DataFrame:
    return source.select(
        pl.col("asset_sha256"),
        pl.lit(decision).alias("decision"),
        (reason if rule is None else rule).alias("rule"),
        reason.alias("reason"),
        (pl.lit(None, pl.String) if setting is None else setting).alias("setting"),
        evidence.cast(pl.String).str.slice(0, 1000).alias("evidence"),
    )
