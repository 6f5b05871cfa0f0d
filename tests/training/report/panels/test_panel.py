"""The panel: which photographs, in which order, and whether the drawing says what the figures say."""

import dataclasses
import math
import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image, ImageColor

from tests.training import made_runs, saved_files
from training.data.photo_settings import TASKS, class_ranges, format_value
from training.evaluation.ranking import (
    ClassPrediction,
    RankedPhoto,
    ValuePrediction,
    select_photos,
)
from training.evaluation.saved_head import saved_heads, setting_head
from training.report.colours import BLUES, UNKNOWN, class_colours, sectors, true_colour
from training.report.panels.drawing import RADIUS, PanelLayout
from training.report.panels.panel import PanelPaths, write_panel
from training.report.panels.prediction_plot import INNER, spans, svg_prediction
from training.report.panels.tiles import make_tiles, read_picture
from training.report.panels.value_plot import DOT, TRUTH, ValueScale, paste_value, svg_value
from training.report.saved_run import read_run

Rows = list[tuple[str, str, tuple[float, float, float], int | None]]


def table(rows: Rows, tasks: tuple[str, ...] = TASKS) -> pl.DataFrame:
    """Make predictions with the same probabilities and target for every head of a photo."""
    return pl.DataFrame([
        {
            "asset_sha256": sha, "group_id": group, "task": task, "split": "test",
            "probabilities": list(shares), "predicted": max(range(3), key=lambda c: shares[c]),
            "target": target, "nll": None if target is None else -math.log(shares[target]),
        }
        for sha, group, shares, target in rows
        for task in tasks
    ])  # fmt: skip


def names(choices: tuple[RankedPhoto, ...]) -> list[str]:
    return [choice.asset_sha256 for choice in choices]


def sure(share: float) -> tuple[float, float, float]:
    return (share, (1 - share) * 0.75, (1 - share) * 0.25)


def test_photos_are_ranked_by_nll_over_all_heads() -> None:
    rows: Rows = [(f"{i}", f"g{i}", sure(0.3 + i / 20), 0) for i in range(12)]
    chosen = select_photos(table(rows), count=3)
    assert names(chosen.best) == ["11", "10", "9"]
    assert names(chosen.worst) == ["0", "1", "2"]
    assert chosen.n_ranked == 12


def test_one_head_that_surprises_outweighs_two_that_do_not() -> None:
    rows = table([("a", "g1", sure(0.6), 0), ("b", "g2", sure(0.7), 0)])
    shocked = pl.when((pl.col("asset_sha256") == "b") & (pl.col("task") == "iso"))
    rows = rows.with_columns(shocked.then(4.0).otherwise(pl.col("nll")).alias("nll"))
    assert names(select_photos(rows, 1).best) == ["a"]


def test_a_burst_gives_one_photo_before_any_group_gives_a_second() -> None:
    rows: Rows = [(f"b{i}", "burst", sure(0.9), 0) for i in range(4)]
    rows += [("x", "gx", sure(0.6), 0), ("y", "gy", sure(0.5), 0), ("z", "gz", sure(0.4), 0)]
    assert names(select_photos(table(rows), 3).best) == ["b0", "x", "y"]
    assert names(select_photos(table(rows), 5).best) == ["b0", "x", "y", "z", "b1"]


def test_a_photo_with_an_unknown_head_is_left_out() -> None:
    rows = table([("a", "g1", sure(0.9), 0), ("b", "g2", sure(0.5), 0)])
    unknown = (pl.col("asset_sha256") == "a") & (pl.col("task") == "iso")
    rows = rows.with_columns(
        pl.when(unknown).then(None).otherwise(pl.col("target")).alias("target")
    )
    chosen = select_photos(rows)
    assert names(chosen.best) == ["b"]
    assert chosen.worst == ()


def test_most_confidently_wrong_photos_are_wrong_and_sorted_by_confidence() -> None:
    rows: Rows = [
        ("right", "g0", sure(0.99), 0),
        ("mild", "g1", sure(0.5), 1),
        ("bold", "g2", sure(0.9), 2),
    ]
    assert names(select_photos(table(rows)).confident_wrong) == ["bold", "mild"]


def test_the_most_typical_photo_has_the_median_nll() -> None:
    rows: Rows = [(f"{i}", f"g{i}", sure(0.35 + i / 10), 0) for i in range(5)]
    assert names(select_photos(table(rows), 1).typical) == ["2"]


def test_no_predictions_give_an_empty_selection() -> None:
    assert select_photos(table([("a", "g", sure(0.5), None)])).n_ranked == 0


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(9)), st.integers(1, 6))
def test_the_choice_does_not_depend_on_the_order_of_rows(order: list[int], count: int) -> None:
    rows: Rows = [(f"{i}", f"g{i % 4}", sure(0.4 + (i % 3) / 10), i % 2) for i in range(9)]
    chosen = select_photos(table(rows), count)
    assert select_photos(table([rows[i] for i in order]), count) == chosen
    assert not set(names(chosen.best)) & set(names(chosen.worst))


@given(st.lists(st.floats(0.01, 1), min_size=3, max_size=3))
def test_sectors_fill_the_ring_in_proportion(shares: list[float]) -> None:
    sectors = spans(shares)
    assert sectors[0][0] == 0
    assert sectors[-1][1] == pytest.approx(1)
    for share, (start, end) in zip(shares, sectors, strict=True):
        assert end - start == pytest.approx(share / sum(shares))


def test_a_ring_chart_of_one_class_is_a_closed_ring_and_an_unknown_truth_is_grey() -> None:
    drawn = svg_prediction(setting_head("iso"), (0.0, 1.0, 0.0), None)
    assert re.findall(r'class="sector" data-class="(\w+)"', drawn) == ["medium"]
    assert f'fill="{UNKNOWN}"' in drawn
    assert "<line" not in drawn


def test_values_and_classes_are_written_as_photographers_do() -> None:
    assert format_value("exposure_time", 30.0) == "30 s"
    assert format_value("exposure_time", 1 / 3) == "0.333 s"
    assert format_value("f_number", None) == "unknown"
    assert format_value("iso", float("nan")) == "unknown"
    ranges = class_ranges({"exposure_time": {"edges": [-7.8, -5.77]}}, "exposure_time")
    assert ranges == ("up to 1/250 s", "1/200 to 1/60 s", "from 1/50 s")
    assert class_ranges({}, "iso") == ("low", "medium", "high")
    assert class_ranges({"iso": [-9, 3]}, "iso") == ("low", "medium", "high")


# Ten photos, five sure and right, five sure and wrong: what the drawing must show.
FIXED: list[tuple[tuple[float, float, float], int]] = [
    ((0.90, 0.06, 0.04), 0), ((0.10, 0.80, 0.10), 1), ((0.15, 0.15, 0.70), 2),
    ((0.60, 0.30, 0.10), 0), ((0.20, 0.52, 0.28), 1), ((0.35, 0.40, 0.25), 0),
    ((0.30, 0.45, 0.25), 0), ((0.50, 0.25, 0.25), 2), ((0.60, 0.20, 0.20), 2), ((0.70, 0.20, 0.10), 2),
]  # fmt: skip
LAYOUT = PanelLayout(charts=3)
ORDER = [[0, 1, 2, 3, 4], [9, 8, 7, 6, 5]]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> PanelPaths:
    home = tmp_path_factory.mktemp("panel")
    release = saved_files.release(home / "release", n=12)
    folder = saved_files.saved_run(home, release.table, ("split",))
    rows: Rows = [
        (f"{i:064x}", f"g{i}", shares, target) for i, (shares, target) in enumerate(FIXED)
    ]
    table(rows).write_parquet(home / "models" / "model-split" / "predictions.parquet")
    return write_panel(read_run(folder, home / "models"), release)


def test_the_page_shows_order_probabilities_colours_and_centres(drawn: PanelPaths) -> None:
    page = drawn.html.read_text()
    for view, expected in zip(("best", "worst"), ORDER, strict=True):
        section = page.split(f'<section class="view" id="{view}">')[1].split("</section>")[0]
        assert [int(sha, 16) for sha in re.findall(r'data-asset="(\w+)"', section)] == expected
        charts = re.findall(r'<svg class="ring-chart".*?</svg>', section)
        assert len(charts) == 15
        for place, chart in enumerate(charts):
            shares, target = FIXED[expected[place // 3]]
            assert f'data-task="{TASKS[place % 3]}"' in chart
            strokes = re.findall(
                r'stroke="(#\w+)" stroke-width="18" .*?dasharray="([\d.]+) 1"', chart
            )
            assert [colour for colour, _ in strokes] == list(BLUES)
            assert [float(length) for _, length in strokes] == pytest.approx(shares)
            assert f'class="centre" r="23" fill="{BLUES[target]}"' in chart


def test_the_picture_shows_order_colours_and_centres(drawn: PanelPaths) -> None:
    image = Image.open(drawn.png).convert("RGB")
    assert 1500 < image.width < 1800
    for row, expected in enumerate(ORDER):
        for column, photo in enumerate(expected):
            shares, target = FIXED[photo]
            for head in range(3):
                centre = LAYOUT.plot_centre(row, column, head)
                assert image.getpixel(centre) == ImageColor.getrgb(BLUES[target])
                for blue, (start, end) in zip(BLUES, spans(shares), strict=True):
                    assert image.getpixel(on_ring(centre, (start + end) / 2)) == ImageColor.getrgb(
                        blue
                    )


def on_ring(centre: tuple[int, int], turns: float) -> tuple[int, int]:
    """Find a pixel in the middle of the ring, `turns` clockwise from twelve o'clock."""
    radius, angle = RADIUS * (1 + INNER) / 2, 2 * math.pi * turns
    return round(centre[0] + radius * math.sin(angle)), round(centre[1] - radius * math.cos(angle))


def test_each_tile_of_the_picture_holds_its_own_photo(drawn: PanelPaths) -> None:
    image = Image.open(drawn.png).convert("RGB")
    for row, expected in enumerate(ORDER):
        for column, photo in enumerate(expected):
            size = (240, 360) if photo % 7 == 3 else (360, 240)
            truth = saved_files.picture(photo, size).getpixel((size[0] // 2, size[1] // 2))
            left, top = LAYOUT.photo_corner(row, column)
            picture = image.getpixel((left + 146, top + 109))
            assert max(abs(a - b) for a, b in zip(picture, truth, strict=True)) < 24


def test_tiles_link_only_to_web_pages_and_escape_every_text(drawn: PanelPaths) -> None:
    page = drawn.html.read_text()
    assert 'href="https://photos.example/p/1"' in page
    assert "javascript:" not in page
    assert "canon eos 5d &lt;b&gt;" in page
    assert "Ann &amp; Bob" in page
    assert "<b>;" not in page
    assert f"WHERE asset_sha256 = &#39;{0:064x}&#39;" in page


def test_the_page_needs_no_other_file_and_filters_four_views(drawn: PanelPaths) -> None:
    page = drawn.html.read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|https://photos\.example)[^"]+"', page)
    assert "<script" not in page
    views = re.findall(r'<section class="view" id="([\w-]+)">', page)
    assert views == ["best", "worst", "confident-wrong", "typical"]
    assert all(f'id="show-{view}"' in page for view in views)


def test_drawing_again_gives_the_same_bytes(drawn: PanelPaths, tmp_path: Path) -> None:
    release = saved_files.FolderRelease(drawn.png.parents[3] / "release", pa_index(drawn))
    before = drawn.png.read_bytes(), drawn.html.read_bytes()
    again = write_panel(read_run(drawn.png.parent, drawn.png.parents[3] / "models"), release)
    assert (again.png.read_bytes(), again.html.read_bytes()) == before


def pa_index(drawn: PanelPaths) -> object:
    return saved_files.release(drawn.png.parents[3] / "release", n=12).table


def test_pictures_are_shown_upright_and_without_metadata(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    path = tmp_path / "shard.bin"
    saved_files.picture(1).save(path, "JPEG", exif=exif)
    picture = read_picture(path, 0, path.stat().st_size, 120)
    assert picture.size == (80, 120)
    assert not picture.getexif()
    assert "exif" not in picture.info


def test_a_choice_that_the_release_does_not_hold_makes_no_tile(tmp_path: Path) -> None:
    release = saved_files.release(tmp_path, n=3)
    choice = select_photos(table([("feed", "g", sure(0.5), 0)])).best
    assert make_tiles(choice, release, [setting_head("iso")], 64) == {}


BREED, SPECIES, DECADE, AGE = saved_heads(
    {"heads": [made_runs.BREED, made_runs.SPECIES, made_runs.DECADE, made_runs.AGE]}
)


def value_rows(values: list[tuple[str, float, float, float]]) -> pl.DataFrame:
    """Make predictions of one value: photo, prediction, truth, half the width of the interval."""
    return pl.DataFrame([
        {
            "asset_sha256": sha, "group_id": sha, "task": "age", "split": "test", "probabilities": None,
            "predicted": None, "target": None, "nll": None, "value": value, "target_value": truth,
            "low": value - half, "high": value + half,
        }
        for sha, value, truth, half in values
    ], infer_schema_length=None)  # fmt: skip


def test_values_are_ranked_by_error_and_the_most_confident_wrong_by_its_interval() -> None:
    rows = value_rows([("a", 10, 11, 5), ("b", 10, 18, 9), ("c", 10, 14, 1), ("d", 10, 12.5, 1)])
    chosen = select_photos(rows, 2)
    assert names(chosen.best) == ["a", "d"]
    assert names(chosen.worst) == ["b", "c"]
    assert names(chosen.confident_wrong) == ["c", "d"], "b is inside its interval"
    assert chosen.best[0].loss == pytest.approx(1 / ((1 + 8 + 4 + 2.5) / 4))


def test_heads_of_different_families_count_alike() -> None:
    classes = table([("a", "a", sure(0.9), 0), ("b", "b", sure(0.5), 0)], ("iso",))
    values = value_rows([("a", 10, 40, 1), ("b", 10, 10.1, 1)])
    chosen = select_photos(pl.concat([classes, values], how="diagonal_relaxed"), 1)
    assert names(chosen.best) == ["b"], "the error of a outweighs its better class"
    assert chosen.has_all_labels


def test_without_a_photo_with_all_labels_those_with_a_label_are_ranked() -> None:
    classes = table([("a", "a", sure(0.9), 0), ("b", "b", sure(0.5), None)], ("iso",))
    other = table([("a", "a", sure(0.9), None), ("b", "b", sure(0.5), 0)], ("f_number",))
    chosen = select_photos(pl.concat([classes, other]))
    assert names(chosen.best) == ["a", "b"]
    assert not chosen.has_all_labels


def test_ordered_classes_have_a_ramp_and_others_a_colour_each() -> None:
    assert class_colours(setting_head("iso")) == BLUES
    ramp = class_colours(DECADE)
    assert (len(ramp), ramp[0], ramp[-1]) == (8, BLUES[0], BLUES[2])
    red = [ImageColor.getrgb(colour)[0] for colour in ramp]
    assert red == sorted(red, reverse=True), "from light to dark"
    assert len(set(class_colours(BREED))) == 5
    assert class_colours(SPECIES) == ()


@given(st.lists(st.floats(0.001, 1), min_size=30, max_size=30), st.integers(0, 29))
def test_a_ring_of_many_classes_has_the_five_largest_and_the_rest(
    weights: list[float], target: int
) -> None:
    shares = [weight / sum(weights) for weight in weights]
    drawn = sectors(SPECIES, shares)
    assert [sector.share for sector in drawn[:5]] == sorted(shares, reverse=True)[:5]
    assert sum(sector.share for sector in drawn) == pytest.approx(1)
    assert (drawn[5].number, drawn[5].name) == (None, "25 others")
    assert len({sector.colour for sector in drawn}) == 6
    of_target = [sector.colour for sector in drawn if sector.number == target] or [drawn[5].colour]
    assert true_colour(SPECIES, drawn, target) == of_target[0]


def test_names_of_classes_are_escaped_in_the_drawing() -> None:
    head = dataclasses.replace(BREED, classes=('"><script>', *BREED.classes[1:]))
    drawn = svg_prediction(head, (0.6, 0.1, 0.1, 0.1, 0.1), 0)
    assert "<script>" not in drawn
    assert 'data-class="&quot;&gt;&lt;script&gt;"' in drawn


def test_a_value_is_drawn_at_its_place_on_the_scale() -> None:
    scale = ValueScale(0.0, 100.0)
    one = ValuePrediction(25.0, 75.0, 20.0, 30.0, 1.0)
    drawn = svg_value(AGE, one, scale)
    assert 'class="prediction" cx="27.00"' in drawn
    assert 'class="truth" x1="73.00"' in drawn
    assert 'x="22.40" y="11" width="9.20"' in drawn
    assert "Age: 25 years, 90 % interval [20, 30]; true: 75 years" in drawn
    assert scale.place(250) == 1.0
    canvas = Image.new("RGB", (120, 40), "white")
    paste_value(canvas, (10, 5, 110, 35), one, scale)
    assert canvas.getpixel((35, 20)) == ImageColor.getrgb(DOT)
    assert canvas.getpixel((85, 8)) == ImageColor.getrgb(TRUTH)


def test_a_panel_of_five_heads_has_two_lines_of_charts_and_each_its_colours(tmp_path: Path) -> None:
    heads = [
        made_runs.ISO, made_runs.BREED, made_runs.DECADE, made_runs.INDOORS, made_runs.AGE
    ]  # fmt: skip
    release = made_runs.release(tmp_path / "release", heads, n=18)
    made = made_runs.MadeRun(heads, policies=["split"])
    folder = made_runs.saved_run(tmp_path, release.table, made)
    run = read_run(folder, tmp_path / "models")
    image = Image.open(write_panel(run, release).png).convert("RGB")
    layout = PanelLayout(charts=5, legend_lines=4)
    assert image.height == layout.head_height + 2 * layout.row_height + 8
    photo = select_photos(run.main.predictions).best[0]
    for number, head in enumerate(run.heads[:4]):
        one = photo.heads[head.name]
        assert isinstance(one, ClassPrediction)
        expected = ImageColor.getrgb(class_colours(head)[one.target])
        assert image.getpixel(layout.plot_centre(0, 0, number)) == expected
