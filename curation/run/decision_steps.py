"""The decisions of a run: a list of steps `(name, rule)`, folded once over the pictures.

A rule reads the pictures that are left and gives drops, flags or changed pictures. A picture is dropped once, by the
first step that drops it. A manual `keep` overrules drops whose reason is in `OVERRULED_BY_KEEP`; the picture then stays
and gets a flag.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce

import polars as pl

from catalog import ManualDecision
from curation.duplicates.search import Duplicates
from curation.rules.cross_checks import unseen_values
from curation.run import decisions
from curation.run.catalog_duplicates import boilerplate_hubs
from curation.run.inherited_settings import inherit_settings
from curation.run.label_selection import FOLDER
from curation.run.manual_edits import ManualEdits
from curation.run.plan import CurationPlan
from curation.splits.labels import label_columns

OVERRULED_BY_KEEP = (
    "damaged",
    "exact_duplicate",
    "near_duplicate",
    "no_usable_setting",
    "no_label",
)
"""Reasons of drops that a manual `keep` overrules: these pictures still have pixels."""


@dataclass(frozen=True)
class DecisionContext:
    """What the rules read besides the pictures.

    `records` are EXIF records after `apply_rules`, `quality` has the scores of the pictures, `labels` has asset_sha256,
    task and value, `cloned` maps assets to the evidence of a copied EXIF block.
    """

    plan: CurationPlan
    edits: ManualEdits
    records: pl.DataFrame
    labels: pl.DataFrame
    quality: pl.DataFrame
    duplicates: Duplicates
    cloned: Mapping[str, str]

    @cached_property
    def exif_decisions(self) -> pl.DataFrame:
        """The voids and flags of all EXIF records."""
        return decisions.table(decisions.exif_decisions(self.records))


@dataclass(frozen=True)
class StepResult:
    """The result of one rule: drops and flags as rows of `decisions`, and the pictures where the rule changes them."""

    drops: pl.DataFrame | None = None
    flags: Sequence[pl.DataFrame] = ()
    pictures: pl.DataFrame | None = None


Rule = Callable[[DecisionContext, pl.DataFrame], StepResult]
Step = tuple[str, Rule]


@dataclass(frozen=True)
class Selection:
    """The pictures that are left after some steps, and the decisions so far; `overruled` are drops without effect."""

    pictures: pl.DataFrame
    drops: tuple[pl.DataFrame, ...] = ()
    flags: tuple[pl.DataFrame, ...] = ()
    overruled: tuple[pl.DataFrame, ...] = ()

    def after(self, outcome: StepResult, kept: Mapping[str, ManualDecision]) -> "Selection":
        """Apply the outcome of one step; `kept` are the pictures with a manual `keep`."""
        pictures = self.pictures if outcome.pictures is None else outcome.pictures
        flags = (*self.flags, *outcome.flags)
        if outcome.drops is None:
            return replace(self, pictures=pictures, flags=flags)
        drops = outcome.drops
        for earlier in self.drops:
            drops = drops.join(earlier, on="asset_sha256", how="anti")
        is_kept = pl.col("asset_sha256").is_in(list(kept))
        is_overruled = is_kept & pl.col("reason").is_in(OVERRULED_BY_KEEP)
        effective = drops.filter(~is_overruled)
        return Selection(
            pictures.join(effective, on="asset_sha256", how="anti"),
            (*self.drops, effective),
            flags,
            (*self.overruled, drops.filter(is_overruled)),
        )


def decide(context: DecisionContext, pictures: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Fold `STEPS` over the pictures; give the kept pictures and all decisions."""
    kept = context.edits.latest("keep")
    selection = reduce(
        lambda before, step: before.after(step[1](context, before.pictures), kept),
        STEPS,
        Selection(pictures),
    )
    keep_flags = [decisions.keep_flags(kept, drops) for drops in selection.overruled]
    exif = context.exif_decisions
    rows = decisions.table([*selection.drops, exif, *selection.flags, *keep_flags])
    return selection.pictures, rows


def _inherit_settings(context: DecisionContext, pictures: pl.DataFrame) -> StepResult:
    inherited = inherit_settings(pictures, context.duplicates.groups)
    flags = [
        decisions.flag_rows(inherited.filled, "settings_inherited"),
        decisions.flag_rows(inherited.conflicts, "settings_conflict"),
    ]
    return StepResult(flags=flags, pictures=inherited.pictures)


def _drop_undecoded(_context: DecisionContext, pictures: pl.DataFrame) -> StepResult:
    return StepResult(decisions.decode_drops(pictures))


def _drop_tombstones(context: DecisionContext, _pictures: pl.DataFrame) -> StepResult:
    return StepResult(decisions.tombstone_drops(context.edits.tombstones))


def _drop_by_hand(context: DecisionContext, pictures: pl.DataFrame) -> StepResult:
    drops = decisions.manual_drops(context.edits.latest("drop"))
    return StepResult(drops.join(pictures, on="asset_sha256", how="semi"))


def _drop_copies(context: DecisionContext, _pictures: pl.DataFrame) -> StepResult:
    return StepResult(decisions.duplicate_drops(context.duplicates.groups))


def _add_labels(context: DecisionContext, pictures: pl.DataFrame) -> StepResult:
    groups, tasks = context.duplicates.groups, context.plan.all_labels
    return StepResult(pictures=label_columns(pictures, context.labels, groups, tasks))


def _drop_unusable(context: DecisionContext, pictures: pl.DataFrame) -> StepResult:
    """Drop pictures without a label, or in a run without labels those without a setting and without a label."""
    plan = context.plan
    if plan.labels:
        return StepResult(decisions.unlabelled_drops(pictures, plan.all_labels))
    voids = context.exif_decisions.filter(pl.col("decision") == "void")
    drops = decisions.empty_drops(pictures, voids)
    if tasks := [label for label in plan.label_columns if label != FOLDER]:
        unlabelled = decisions.unlabelled_drops(pictures, tasks).select("asset_sha256")
        drops = drops.join(unlabelled, on="asset_sha256", how="semi")
    return StepResult(drops)


def _flag(context: DecisionContext, _pictures: pl.DataFrame) -> StepResult:
    """Flag what never drops a picture: copied EXIF blocks, unseen values, low quality, boilerplate."""
    hubs = boilerplate_hubs(context.duplicates.boilerplate)
    flags = [
        decisions.flag_rows(context.cloned, "exif_cloned"),
        decisions.flag_rows(unseen_values(context.records), "value_unseen_for_model"),
        *decisions.quality_flags(context.quality),
        decisions.flag_rows(hubs, "boilerplate"),
    ]
    return StepResult(flags=flags)


STEPS: tuple[Step, ...] = (
    ("inherit_settings", _inherit_settings),
    ("decode", _drop_undecoded),
    ("tombstones", _drop_tombstones),
    ("manual", _drop_by_hand),
    ("duplicates", _drop_copies),
    ("labels", _add_labels),
    ("usable", _drop_unusable),
    ("flags", _flag),
)
