"""Findings and verdicts: what a difference between a model and its baselines lets us say."""

import dataclasses

import polars as pl
import pytest

from catalog import TOO_FEW
from tests.training import saved_files
from tests.training.made_runs import AGE
from training.evaluation import verdicts
from training.evaluation.findings import (
    Finding,
    Score,
    beats_chance,
    best_baseline_finding,
    compare,
    scores,
    shown_slices,
)
from training.evaluation.saved_head import saved_heads, setting_head

ISO = setting_head("iso")


def score(value: float, low: float | None = None, high: float | None = None) -> Score:
    return Score(value, low, high, 100, 10)


def finding(task: str, model: Score, baseline: Score, policy: str = "split") -> Finding:
    return Finding(setting_head(task), policy, model, "tiny_features", baseline, None)


GOOD, FAIR, POOR = score(0.6, 0.55, 0.65), score(0.45, 0.4, 0.5), score(0.3, 0.25, 0.34)


def test_only_intervals_that_do_not_touch_decide() -> None:
    assert compare(GOOD, FAIR) == "better"
    assert compare(POOR, FAIR) == "worse"
    assert compare(GOOD, score(0.5, 0.4, 0.6)) == "not distinguishable"


def test_a_paired_lead_decides_before_intervals_do() -> None:
    assert compare(FAIR, FAIR, score(0.04, 0.01, 0.07)) == "better"
    assert compare(FAIR, FAIR, score(-0.04, -0.07, -0.01)) == "worse"
    assert compare(GOOD, POOR, score(0.04, -0.01, 0.07)) == "not distinguishable"


def test_few_groups_give_no_verdict_however_far_apart_figures_are() -> None:
    few, none = dataclasses.replace(GOOD, n_groups=9), dataclasses.replace(GOOD, n_groups=2)
    for one, other, lead in (
        (few, POOR, None),
        (GOOD, dataclasses.replace(POOR, n_groups=3), None),
        (GOOD, POOR, dataclasses.replace(GOOD, n_groups=2)),
        (POOR, none, None),
    ):
        assert compare(one, other, lead) == TOO_FEW
    text = verdicts.sentence(finding("iso", none, POOR), "Here", beats_chance=False)
    assert text.endswith(f"in 2 groups; best baseline (simple features) {POOR}; {TOO_FEW}.")
    assert "chance" not in text
    assert verdicts.headline([finding("iso", none, POOR)], "Here") == (
        "Here, the model rests on too few groups to tell for ISO."
    )
    assert verdicts.gap_verdict(none, GOOD).endswith(TOO_FEW)
    results = table(n_groups=2, model=GOOD, tiny_features=POOR)
    assert verdicts.information_verdict(results, "split", ISO, 1 / 3) == f"ISO: {TOO_FEW}."


def test_a_figure_without_an_interval_decides_nothing() -> None:
    assert compare(score(0.9), score(0.1)) == "not distinguishable"
    assert str(score(0.9)) == "0.90"
    assert score(0.9).signed == "+0.90"


def test_the_headline_groups_heads_by_verdict() -> None:
    results = [
        finding("f_number", GOOD, FAIR), finding("iso", FAIR, FAIR),
        finding("exposure_time", POOR, FAIR),
    ]  # fmt: skip
    assert verdicts.headline(results, "Here") == (
        "Here, the model beats its best baseline for aperture, cannot be told from the best "
        "baseline for ISO and is worse than the best baseline for exposure time."
    )
    assert "the model cannot be told from" in verdicts.headline(results[1:2], "Here")
    assert verdicts.headline([], "Here").startswith("No head")


def test_only_what_the_audit_found_unshared_is_called_unseen() -> None:
    counts = {f"{kind}_in_train_and_test": 0 for kind in ("groups", "cameras", "photographers")}
    clean = counts | {"cameras_known_share": 1.0, "photographers_known_share": 0.95}
    assert (
        verdicts.describe_test_set("split", clean)
        == "On photographers and cameras never seen in training"
    )
    shared = clean | {"cameras_in_train_and_test": 2, "photographers_in_train_and_test": 1}
    assert verdicts.describe_test_set("split", shared) == "On groups kept apart"
    assert verdicts.describe_test_set("split", shared, ["photographer"]) == (
        "On groups kept apart (photographer not kept apart)"
    )
    assert "groups are cut" in verdicts.describe_test_set("random_split", clean)


@pytest.mark.parametrize(
    ("camera", "photographer", "expected"),
    [
        (1.0, 0.0, "On cameras never seen in training (photographer unknown)"),
        (0.949, 1.0, "On photographers never seen in training (camera known of 94 %)"),
        (0.3, 0.001, "On groups kept apart (photographer unknown, camera known of 30 %)"),
    ],
)
def test_what_is_not_known_is_not_called_unseen(
    camera: float, photographer: float, expected: str
) -> None:
    counts = {f"{kind}_in_train_and_test": 0 for kind in ("groups", "cameras", "photographers")}
    shares = {"cameras_known_share": camera, "photographers_known_share": photographer}
    assert verdicts.describe_test_set("split", counts | shares) == expected
    assert "unknown" in verdicts.describe_test_set("split", counts), (
        "an old run does not say what it knew"
    )


def test_a_sentence_gives_figures_counts_and_verdict() -> None:
    one = finding("iso", score(0.38, 0.33, 0.43), score(0.35, 0.3, 0.4))
    text = verdicts.sentence(one, "Here", beats_chance=False)
    assert text == (
        "Here, ISO: 0.38 [0.33, 0.43] balanced accuracy over 100 photos in 10 groups, not shown to be "
        "above chance; best baseline (simple features) 0.35 [0.30, 0.40]; so: not distinguishable."
    )
    sure = verdicts.sentence(finding("iso", GOOD, FAIR), "Here", beats_chance=True)
    assert "10 groups, above chance;" in sure


def test_chance_is_what_a_constant_predictor_reaches_on_the_same_pictures() -> None:
    wide = score(1 / 3, 1 / 3, 0.5)  # some resamples miss a class
    assert beats_chance(table(model=FAIR, majority=score(1 / 3)), "split", ISO, "model", 1 / 3)
    assert not beats_chance(table(model=FAIR, majority=wide), "split", ISO, "model", 1 / 3)
    assert beats_chance(table(model=FAIR), "split", ISO, "model", 1 / 3)
    assert not beats_chance(table(model=FAIR, majority=score(0.0)), "split", ISO, "model", 0.5)


def test_the_gap_is_called_a_gap_only_when_it_is_shown() -> None:
    assert verdicts.gap_verdict(FAIR, GOOD) == "+0.15: the random split flatters the model"
    assert "not shown" in verdicts.gap_verdict(FAIR, FAIR)
    assert verdicts.gap_verdict(GOOD, FAIR).startswith("-0.15: the random split is the harder")


def table(n_groups: int = 30, **results: Score) -> pl.DataFrame:
    return pl.DataFrame([
        {
            "split": "split:test", "task": "iso", "metric": "balanced_accuracy", "slice": "all",
            "predictor": name, "value": one.value, "low": one.low, "high": one.high, "n": 90,
            "n_groups": n_groups,
        }
        for name, one in results.items()
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (
            {"model": POOR, "tiny_features": POOR},
            "not shown. No predictor is clear of chance",
        ),
        (
            {"model": GOOD, "tiny_features": FAIR},
            "The full model reads more than simple features",
        ),
        (
            {"model": GOOD, "tiny_features": GOOD},
            "reads more than simple features is not shown",
        ),
        (
            {"model": POOR, "tiny_features": GOOD},
            "stays below simple features",
        ),
        (
            {"model": GOOD, "patches_only": GOOD},
            "above chance (0.33) for full model and native patches only",
        ),
        ({"majority": POOR}, "nothing that looks at pixels was measured"),
    ],
)
def test_whether_the_information_is_in_the_picture(
    results: dict[str, Score], expected: str
) -> None:
    assert expected in verdicts.information_verdict(table(**results), "split", ISO, 1 / 3)


@pytest.mark.parametrize(
    ("baseline", "ranks", "expected"),
    [
        (POOR, GOOD, "ISO: learnt"),
        (FAIR, GOOD, "ISO: learnt, but not shown to be better than simple features"),
        (POOR, score(0.1, -0.1, 0.3), "ISO: not learnt"),
    ],
)
def test_a_learnt_head_that_a_baseline_matches_is_said_to_be_matched(
    baseline: Score, ranks: Score, expected: str
) -> None:
    rank = table(model=ranks).with_columns(metric=pl.lit("spearman"))
    results = pl.concat([table(model=FAIR, tiny_features=baseline), rank])
    assert verdicts.learnt_verdict(results, "split", ISO) == expected


def test_temperature_scaling_that_does_not_help_on_test_is_said() -> None:
    def errors_of(after: float, before: float) -> pl.DataFrame:
        rows = [
            table(model=score(value)).with_columns(metric=pl.lit(name))
            for name, value in (("ece", after), ("ece_uncalibrated", before))
        ]
        return pl.concat(rows)

    assert "error of ISO on test" in verdicts.scaling_note(errors_of(0.14, 0.12), "split", [ISO])
    assert not verdicts.scaling_note(errors_of(0.12, 0.14), "split", [ISO])
    assert not verdicts.scaling_note(errors_of(0.121, 0.119), "split", [ISO])  # equal as shown


def test_the_best_baseline_is_no_partial_view_of_the_model() -> None:
    one = best_baseline_finding(
        table(model=FAIR, thumbnail_only=GOOD, majority=POOR, own_idea=FAIR), "split", ISO
    )
    assert one is not None
    assert one.baseline_name == "own_idea"
    assert best_baseline_finding(table(model=FAIR), "split", ISO) is None


def test_predictors_stand_in_reading_order_and_unknown_ones_before_the_constants() -> None:
    results = scores(table(prior=POOR, model=FAIR, own_idea=FAIR, patches_only=FAIR), "split", ISO)
    assert list(results) == ["model", "patches_only", "own_idea", "prior"]


def test_small_slices_are_counted_not_shown() -> None:
    large, hidden = shown_slices(saved_files.metrics("split", "m"), list(saved_heads({})))
    assert set(large["slice"]) == {"camera=nikon <d90>"}
    assert hidden == 3


def errors(model: float, median: float, lead: tuple[float, float] | None = None) -> pl.DataFrame:
    """Mean absolute errors of a model and the median, each with an interval of 0.5, and perhaps their lead."""
    both = {"model": model, "median": median}
    rows = [(name, "mae", value, value - 0.5, value + 0.5) for name, value in both.items()]
    if lead:
        rows.append(("model", "mae_minus_median", model - median, *lead))
    names = ("predictor", "metric", "value", "low", "high")
    return pl.DataFrame([dict(zip(names, row, strict=True)) for row in rows]).with_columns(
        split=pl.lit("split:test"), task=pl.lit("age"), slice=pl.lit("all"), n=90, n_groups=30
    )


@pytest.mark.parametrize(
    ("table", "verdict"),
    [
        (errors(4.0, 6.0), "better"),
        (errors(6.0, 4.0), "worse"),
        (errors(4.0, 4.6), "not distinguishable"),
        (errors(4.0, 4.6, (-0.8, -0.4)), "better"),
        (errors(4.6, 4.0, (0.4, 0.8)), "worse"),
        (errors(4.0, 6.0, (-3.0, 0.1)), "not distinguishable"),
    ],
)
def test_a_lower_error_is_better(table: pl.DataFrame, verdict: str) -> None:
    (age,) = saved_heads({"heads": [AGE]})
    one = best_baseline_finding(table, "split", age)
    assert one is not None
    assert one.verdict == verdict
    is_better = verdict == "better"
    beats = "the model beats its best baseline for age"
    assert (beats in verdicts.headline([one], "Here")) == is_better
    level = verdicts.information_verdict(table, "split", age, None)
    assert ("yes, a smaller error than the training median" in level) == is_better


def test_the_best_baseline_of_an_error_is_the_lowest() -> None:
    (age,) = saved_heads({"heads": [AGE]})
    worse = errors(4.0, 9.0).filter(pl.col("predictor") == "median")
    table = pl.concat([errors(4.0, 6.0), worse.with_columns(predictor=pl.lit("metadata"))])
    one = best_baseline_finding(table, "split", age)
    assert one is not None
    assert (one.baseline_name, one.baseline.value) == ("median", 6.0)


def test_a_gap_between_splits_of_an_error_flatters_when_it_falls() -> None:
    apart, naive = Score(6.0, 5.7, 6.3, 90, 30), Score(4.0, 3.7, 4.3, 90, 30)
    text = verdicts.gap_verdict(apart, naive, higher_is_better=False)
    assert text == "-2.00: the random split flatters the model"
    assert compare(naive, apart, higher_is_better=False) == "better"
