"""Rows of `train predict`: for heads of low, medium and high as ever, for any other head by its answer."""

import csv
import io
import json

import pytest

from training.commands.predictions import class_answer, prediction_lines, prediction_rows
from training.evaluation.saved_head import SavedHead, saved_heads, setting_head

ISO = setting_head("iso", {"iso": [1.17, 3.17]})
BREED = SavedHead("breed", "softmax", "classes", "Breed", ("a & b", "<pug>", "x|y", "d"))
AGE = SavedHead("age", "regression", "values", "Age", (), (), "years", "mae", False)
ANSWERS = {
    "iso": class_answer(ISO, [0.2, 0.7, 0.1]),
    "breed": class_answer(BREED, [0.1, 0.6, 0.25, 0.05]),
    "age": {"value": 34.25, "low": 28.0, "high": 41.5, "unit": "years"},
}


def lines(style: str, *heads: SavedHead) -> list[str]:
    rows = prediction_rows("a.jpg", "m", heads, ANSWERS)
    return list(prediction_lines(rows, style, heads))


def test_a_model_of_settings_keeps_its_keys_and_columns() -> None:
    expected = {"file": "a.jpg", "model_id": "m", "task": "iso", "predicted": "medium"}
    expected |= {"low": 0.2, "medium": 0.7, "high": 0.1}
    (line,) = lines("json", ISO)
    assert list(json.loads(line).items()) == list(expected.items())
    assert lines("csv", ISO) == [",".join(expected), "a.jpg,m,iso,medium,0.2,0.7,0.1"]
    assert lines("table", ISO)[2].split() == [
        "a.jpg", "ISO", "ISO", "250", "to", "800", "20.0", "%", "70.0", "%", "10.0", "%",
    ]  # fmt: skip


def test_json_of_other_heads_holds_the_answer() -> None:
    iso, breed, age = (json.loads(line) for line in lines("json", ISO, BREED, AGE))
    names = {"file": "a.jpg", "model_id": "m"}
    assert iso == names | {"task": "iso", "predicted": "medium", "low": 0.2, "medium": 0.7, "high": 0.1}  # fmt: skip
    assert breed == names | {"task": "breed"} | ANSWERS["breed"]
    assert age == names | {"task": "age"} | ANSWERS["age"]


def test_csv_of_mixed_heads_has_one_set_of_columns() -> None:
    rows = list(csv.DictReader(io.StringIO("\n".join(lines("csv", ISO, BREED, AGE)))))
    assert [(r["task"], r["predicted"], r["probability"]) for r in rows] == [
        ("iso", "medium", "0.7"),
        ("breed", "<pug>", "0.6"),
        ("age", "", ""),
    ]
    assert [(r["value"], r["low"], r["high"]) for r in rows] == [
        ("", "", ""),
        ("", "", ""),
        ("34.25", "28.0", "41.5"),
    ]


def test_the_table_of_mixed_heads_gives_answer_certainty_and_the_next_classes() -> None:
    header, _, iso, breed, age = lines("table", ISO, BREED, AGE)
    assert header.split() == ["file", "head", "answer", "certainty", "other", "classes"]
    assert "medium (ISO 250 to 800)" in iso
    assert " ".join(breed.split()) == "a.jpg Breed <pug> 60.0 % x|y 25.0 %, a & b 10.0 %"
    assert " ".join(age.split()) == "a.jpg Age 34.2 years 90 %: 28 to 41.5"


@pytest.mark.parametrize("style", ["table", "json", "csv"])
def test_no_rows_give_no_row(style: str) -> None:
    assert len(list(prediction_lines([], style, (BREED,)))) == (style == "csv")


def test_heads_of_older_files_are_those_of_settings() -> None:
    bins = {"f_number": [3.17, 5.17], "iso": [1.17, 3.17]}
    aperture, iso = saved_heads({"tasks": ["f_number", "iso"], "bins": bins})
    assert (aperture.title, aperture.kind, aperture.family) == ("Aperture", "ordinal", "classes")
    assert iso.descriptions == ("up to ISO 200", "ISO 250 to 800", "from ISO 1000")
    assert saved_heads({})[2].name == "exposure_time"
    assert saved_heads({})[2].describe_class(1) == "medium"


def test_heads_are_read_as_they_are_written() -> None:
    facts = {
        "name": "age",
        "kind": "regression",
        "family": "values",
        "title": "Age",
        "unit": "years",
    }
    (head,) = saved_heads({"heads": [facts]})
    assert (head.metric, head.higher_is_better, head.metric_name) == (
        "mae", False, "mean absolute error",
    )  # fmt: skip
    facts = {"name": "breed", "family": "classes", "classes": ["a", "b"], "descriptions": ["", "B"]}
    (head,) = saved_heads({"heads": [facts]})
    assert head.title == "breed"
    assert [head.describe_class(n) for n in range(2)] == ["a", "B"]
    assert [head.class_name(n) for n in (1, 5, None)] == ["b", "5", "unknown"]
