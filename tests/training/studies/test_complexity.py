"""The study of complexity: one model for each size, and the smallest that is enough."""

import polars as pl
import pytest

from catalog import Workspace
from tests.training.recipes.test_classify import labelled
from training.commands.printing import complexity_lines
from training.errors import OptionError
from training.fit.run_request import TrainingRequest
from training.studies.complexity import ComplexityRequest, is_above_baseline, measure_complexity

__all__ = ["labelled"]


def request(over: str) -> ComplexityRequest:
    training = TrainingRequest("classify", preset="smoke", epochs=2, options=("label=form",))
    return ComplexityRequest.parse(training, over)


@pytest.mark.long
def test_each_size_is_a_model_and_one_is_enough(labelled: Workspace) -> None:
    result = measure_complexity(labelled, request("hidden=2,4,8,16"))
    table = result.table
    assert table["value"].to_list() == ["2", "4", "8", "16"]
    assert table["parameters"].is_sorted()
    assert table["baseline"].unique().to_list() == ["majority"]
    assert table["baseline_figure"].to_list() == pytest.approx([1 / 3] * 4)
    assert table["enough"].sum() == 1
    assert table["front"][0]
    assert (result.folder / "pareto.png").stat().st_size > 1000
    lines = complexity_lines(table)
    assert lines[0].split()[-1] == "remark"
    assert lines[2].split()[-1] == "baseline"
    assert "parameters" in lines[-1]
    again = measure_complexity(labelled, request("hidden=2,4,8,16"))
    assert again.table.equals(table)
    assert again.folder == result.folder


def test_a_model_at_chance_is_enough_for_nothing() -> None:
    def point(value: str, figure: float, *, enough: bool = False) -> dict[str, object]:
        made: dict[str, object] = {
            "head": "form", "value": value, "metric": "balanced_accuracy", "figure": figure, "low": figure - 0.1,
            "high": figure + 0.1, "n_groups": 30, "parameters": int(value), "seconds": 1.0, "front": True,
            "enough": enough, "higher_is_better": True, "baseline": "majority", "baseline_figure": 1 / 3,
        }  # fmt: skip
        return made | {"above_baseline": is_above_baseline(made)}

    low = complexity_lines(pl.DataFrame([point("8", 1 / 3, enough=True)]))
    assert low[2].split() == ["form", "majority", "class", "balanced_accuracy", "0.333", "baseline"]
    assert low[3].endswith("front, not above the baseline")
    assert low[-1] == (
        "form: 0.333 [0.233, 0.433] of 8 parameters is not above the majority class, 0.333"
    )
    high = complexity_lines(pl.DataFrame([point("8", 0.4), point("16", 0.7, enough=True)]))
    assert high[3].endswith("front, not above the baseline")  # its interval holds the baseline
    assert high[4].endswith("front, enough")
    assert high[-1] == "form: 16 parameters (16) are enough for 0.700 [0.600, 0.800]"


@pytest.mark.parametrize("over", ["hidden", "hidden=4", "=4,8", "hiden=4,8"])
def test_what_is_no_hyperparameter_with_values_is_refused(labelled: Workspace, over: str) -> None:
    with pytest.raises(OptionError):
        measure_complexity(labelled, request(over))
