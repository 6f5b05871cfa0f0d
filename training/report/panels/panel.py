"""Write the panel of best and worst photographs: an image of ten photographs, and a page with four views.

Below each photograph is one chart for each head. Classes have a ring chart: the ring is the predicted distribution, the
centre is the true class. Values have a scale with prediction, 90 % interval and truth.
Faces are not blurred; that needs a face detector, which this version does not have.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from markupsafe import Markup

from training.evaluation.ranking import (
    ClassPrediction,
    HeadPrediction,
    PanelSelection,
    select_photos,
)
from training.evaluation.saved_head import CLASS_FAMILY, VALUE_FAMILY, SavedHead
from training.report.page import picture_uri, render
from training.report.panels.drawing import PanelContent, PanelRow, draw_panel, predicted_texts
from training.report.panels.legend import legend_groups
from training.report.panels.prediction_plot import class_list, svg_prediction
from training.report.panels.tiles import PictureSource, PredictionTile, make_tiles
from training.report.panels.value_plot import ValueScale, svg_value, value_scales
from training.report.saved_run import SavedModel, SavedRun

SIDE_PX = 640  # longer side of a picture on the page
TITLES = {
    "best": "Best",
    "worst": "Worst",
    "confident_wrong": "Most confident wrong",
    "typical": "Most typical",
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PanelPaths:
    """The files of a panel: the picture (best above worst) and the page with all four views."""

    png: Path
    html: Path


def write_panel(
    run: SavedRun, release: PictureSource, *, policy: str = "split", count: int = 5
) -> PanelPaths:
    """Write `panel.png` and `panel.html` into the run folder.

    Rows are ordered by loss averaged over heads, on test pictures with labels for all heads. If the run did not
    train `policy`, its main model is used.
    """
    model = run.models.get(policy, run.main)
    heads = panel_heads(run.heads)
    names = [head.name for head in heads]
    chosen = select_photos(model.predictions.filter(pl.col("task").is_in(names)), count)
    views = {name: getattr(chosen, name) for name in TITLES}
    tiles = make_tiles((one for view in views.values() for one in view), release, heads, SIDE_PX)
    notes = ranking_notes(heads)
    rows = {
        name: PanelRow(TITLES[name], notes[name], [tiles[one.asset_sha256] for one in view])
        for name, view in views.items()
    }
    paths = PanelPaths(run.folder / "panel.png", run.folder / "panel.html")
    content = PanelContent(
        rows=[rows["best"], rows["worst"]],
        title=f"Where the {run.facts['recipe']} model is best and worst",
        note=_note(run, model, chosen, heads),
        heads=heads,
        scales=value_scales(model.predictions),
        has_intervals=model.predictions["low"].null_count() < model.predictions.height,
    )
    draw_panel(content).save(paths.png)
    paths.html.write_text(panel_page(rows, content), encoding="utf-8")
    _log.info("panel of %d of %d test photos", len(tiles), chosen.n_ranked)
    return paths


def panel_heads(heads: Sequence[SavedHead]) -> list[SavedHead]:
    """Return the heads that have a chart below each photograph; if none is meant for it, all that could."""
    drawable = [head for head in heads if head.family in {CLASS_FAMILY, VALUE_FAMILY}]
    return [head for head in drawable if head.in_panel] or drawable


def ranking_notes(heads: Sequence[SavedHead]) -> dict[str, str]:
    """Say by what each row of a panel is chosen."""
    families = {head.family for head in heads}
    wrong_class, outside = (
        "highest probability of a wrong class",
        "truth furthest outside the 90 % interval",
    )
    if families == {VALUE_FAMILY}:
        typical, low, high, wrong = "median error", "smallest error", "largest error", outside
    elif VALUE_FAMILY in families:
        typical, low, high, wrong = (
            "median loss",
            "lowest loss",
            "highest loss",
            f"{wrong_class}, or {outside}",
        )
    else:
        typical, wrong = "median NLL", wrong_class
        low, high = (f"{which} negative log-likelihood" for which in ("lowest", "highest"))
    return {
        "best": low,
        "worst": high,
        "confident_wrong": wrong,
        "typical": f"closest to the {typical}",
    }


def ranking_measure(heads: Sequence[SavedHead]) -> str:
    """Say by what photos are ranked."""
    families = {head.family for head in heads}
    if families == {VALUE_FAMILY}:
        only = len(heads) == 1
        return (
            "absolute error"
            if only
            else "absolute error in units of the mean error, mean over heads"
        )
    if VALUE_FAMILY in families:
        return "loss (NLL of classes, error of values in units of the mean error; mean over heads)"
    return "negative log-likelihood (NLL, nats, mean over heads)"


def _note(
    run: SavedRun, model: SavedModel, chosen: PanelSelection, heads: Sequence[SavedHead]
) -> str:
    apart = "groups kept apart" if model.policy == "split" else "random split"
    kind = "settings" if all(head.has_setting_classes for head in heads) else "heads"
    which = f"labels for all {kind}" if chosen.has_all_labels else "a label"
    return (
        f"{run.release}, {apart}: {chosen.n_ranked} test {heads[0].subject}s with {which}, "
        f"ranked by {ranking_measure(heads)}"
    )


def panel_page(rows: Mapping[str, PanelRow], content: PanelContent) -> str:
    """Return the page of a panel, one view for each row."""
    views = [
        {
            "id": name.replace("_", "-"),
            "title": row.title,
            "note": row.note,
            "tiles": [_tile(tile, content.heads, content.scales) for tile in row.tiles],
        }
        for name, row in rows.items()
    ]
    context = {
        "title": content.title,
        "note": content.note,
        "views": views,
        "legend": legend_groups(content.heads),
        "notes": content.notes,
        "plain_heads": sum(not is_wide(head) for head in content.heads),
        "has_lists": any(is_listed(head) for head in content.heads),
    }
    return render("panel.html", context)


def _tile(
    tile: PredictionTile, heads: Sequence[SavedHead], scales: Mapping[str, ValueScale]
) -> dict[str, object]:
    return {
        "choice": tile.choice,
        "tile": tile,
        "picture": picture_uri(tile.picture),
        "heads": [
            {
                "name": tile.short_names[head.name],
                "value": tile.values[head.name],
                **_chart(head, tile.choice.heads[head.name], scales),
            }
            for head in heads
            if head.name in tile.choice.heads
        ],
    }


def _chart(
    head: SavedHead, prediction: HeadPrediction, scales: Mapping[str, ValueScale]
) -> dict[str, object]:
    """Return the drawing of one head and the texts below it; `classes` is the list beside a ring."""
    if isinstance(prediction, ClassPrediction):
        svg = svg_prediction(head, prediction.probabilities, prediction.target)
        lines = class_list(head, prediction.probabilities, prediction.target)
        classes = lines if is_listed(head) else []
    else:
        svg, classes = svg_value(head, prediction, scales[head.name]), []
    return {
        # Safe: `svg_prediction` and `svg_value` escape the text inside.
        "svg": Markup(svg),  # noqa: S704
        "classes": classes,
        "is_wide": is_wide(head),
        "predicted": predicted_texts(head, prediction)[0],
        "is_right": prediction.is_right,
    }


def is_listed(head: SavedHead) -> bool:
    """Return whether the names of the classes stand beside their ring chart."""
    return head.family == CLASS_FAMILY and head.kind != "ordinal"


def is_wide(head: SavedHead) -> bool:
    """Return whether a head takes the whole width of its tile."""
    return is_listed(head) or head.family == VALUE_FAMILY
