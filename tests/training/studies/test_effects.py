from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from catalog import Workspace
from curation import SETTINGS, curate
from curation.settings import CurateSettings
from tests.curation.small_catalog import Shot, SmallEmbedder, exif, fill, jpeg, scene, sound_shots
from training.commands.train import train as command
from training.studies.ablations import ALL_RULES, LEFT_OUT, ablations, evaluation_halves
from training.studies.effect_comparison import compare


def pool() -> pl.DataFrame:
    """60 kept pictures (10 of validation, 20 of test), 6 copies of training pictures, 4 of test, 5 voided."""
    kept = [("kept", "train", f"g{n // 3}") for n in range(30)]
    kept += [("kept", "validation", f"v{n}") for n in range(10)]
    kept += [("kept", "test", f"t{n // 5}") for n in range(20)]
    others = [("near_duplicate", "train", f"g{n}") for n in range(6)]
    others += [("exact_duplicate", "test", f"t{n}") for n in range(4)]
    others += [("no_usable_setting", "train", f"x{n}") for n in range(5)]
    table = pl.DataFrame([*kept, *others], schema=["part", "split", "group_id"], orient="row")
    return table.with_columns(
        asset_sha256=pl.format("{}", pl.int_range(pl.len())), weight=pl.int_range(pl.len()) / 10
    )


def test_each_model_lacks_one_rule_group_and_none_sees_a_picture_that_judges() -> None:
    table = pool()
    judges, siblings = evaluation_halves(table)
    assert judges.sum() + siblings.sum() == 20
    assert min(judges.sum(), siblings.sum()) > 2
    by_left_out = {ablation.left_out: ablation for ablation in ablations(table, 1000)}
    assert tuple(by_left_out) == (ALL_RULES, *LEFT_OUT)
    for ablation in by_left_out.values():
        assert not judges[ablation.rows].any()
        assert len(set(ablation.rows)) == len(ablation.rows) == len(ablation.weight)
    whole = set(by_left_out[ALL_RULES].rows)
    assert whole == set(range(30))
    assert set(by_left_out["exif rules"].rows) - whole == set(range(70, 75))
    assert by_left_out["exif rules"].as_stated
    assert set(by_left_out["duplicates"].rows) - whole == set(range(60, 66))
    careless = set(by_left_out["group split"].rows)
    assert (careless - whole, len(careless)) == (set(np.flatnonzero(siblings)), len(whole))
    assert by_left_out["rebalancing"].weight.tolist() == [1.0] * 30
    assert by_left_out[ALL_RULES].weight == pytest.approx(np.arange(30) / 10)


def test_a_large_collection_is_cut_to_size() -> None:
    by_left_out = ablations(pool(), 12)
    assert len(by_left_out[0].rows) == len(by_left_out[3].rows) == 12


def confusion(target: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Sums of a model with three heads that is right where told, and one class off elsewhere."""
    decision = np.eye(3)[np.where(right, target, (target + 1) % 3)]
    one = (np.eye(3)[target][:, :, None] * decision[:, None, :]).reshape(-1, 9)
    return np.concatenate([one, one, one], axis=1)


def test_effects_are_paired_differences_with_group_intervals() -> None:
    rng = np.random.default_rng(0)
    target = np.arange(300) % 3
    groups = np.repeat(np.arange(60), 5)
    good = rng.random(300) < 0.9
    bad = good & (rng.random(300) < 0.7)
    sums = {ALL_RULES: confusion(target, good), "duplicates": confusion(target, bad)}
    sums["rebalancing"] = sums[ALL_RULES]
    coarse = np.stack([target] * 3, axis=1)
    effects = compare(sums, dict.fromkeys(sums, 7), coarse, groups)
    named = {(each.left_out, each.setting): each for each in effects}
    assert {setting for _, setting in named} == {*SETTINGS, "mean"}
    assert named[ALL_RULES, "iso"].effect is None
    assert named[ALL_RULES, "iso"].score.value == pytest.approx(good.mean(), abs=0.01)
    helps, nothing = named["duplicates", "mean"].effect, named["rebalancing", "mean"].effect
    assert helps is not None
    assert nothing is not None
    assert helps.low is not None
    assert 0 < helps.low < helps.value == pytest.approx(good.mean() - bad.mean(), abs=0.01)
    assert (nothing.value, nothing.low, nothing.high) == (0.0, 0.0, 0.0)
    assert (helps.n, helps.n_groups) == (300, 60)


def test_few_groups_give_no_interval() -> None:
    target = np.arange(90) % 3
    sums = {ALL_RULES: confusion(target, target < 2), "duplicates": confusion(target, target < 1)}
    coarse = np.stack([target] * 3, axis=1)
    for each in compare(sums, dict.fromkeys(sums, 7), coarse, np.arange(90) // 10):
        assert (each.score.n_groups, each.score.low, each.score.high) == (9, None, None)
        assert each.effect is None or each.effect.low is None


@pytest.mark.long
def test_the_command_trains_on_a_curated_catalog_and_writes_the_table(tmp_path: Path) -> None:
    home = Workspace.at(tmp_path)
    bad = {"f_number": 0.0, "iso": 0.0, "exposure_time": 0.0}
    shots = [
        *sound_shots(36),
        Shot("copy.jpg", jpeg(scene(3), quality=60), exif(3)),
        Shot("void.jpg", jpeg(scene(900)), exif(0) | bad),
    ]
    fill(home, shots)
    settings = CurateSettings(runner="threads", workers=1, faces="off")
    run = curate(home, None, settings, embedder=SmallEmbedder())
    arguments = ["effects", "--home", str(home.home), "--epochs", "1"]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert "rebalancing" in result.output
    effects = pl.read_csv(home.reports / "curation" / run.run_id / "effects.csv")
    assert effects["left_out"].unique(maintain_order=True).to_list() == [ALL_RULES, *LEFT_OUT]
    sizes = dict(effects.select("left_out", "n_train").iter_rows())
    assert sizes["exif rules"] == sizes[ALL_RULES] + 1
    assert sizes["group split"] == sizes[ALL_RULES]
    assert effects["balanced_accuracy"].is_between(0, 1).all()
