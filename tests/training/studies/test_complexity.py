"""The study of complexity: one model for each size, and the smallest that is enough."""

import pytest

from catalog import Workspace
from tests.training.recipes.test_classify import labelled
from training.commands.printing import complexity_lines
from training.errors import OptionError
from training.fit.run_request import TrainingRequest
from training.studies.complexity import ComplexityRequest, measure_complexity

__all__ = ["labelled"]


def request(over: str) -> ComplexityRequest:
    training = TrainingRequest("classify", preset="smoke", epochs=2, options=("label=form",))
    return ComplexityRequest.parse(training, over)


@pytest.mark.long
def test_each_size_is_a_model_and_one_is_enough(labelled: Workspace) -> None:
    result = measure_complexity(labelled, request("hidden=4,16"))
    table = result.table
    assert table["value"].to_list() == ["4", "16"]
    assert table["parameters"].is_sorted()
    assert table["enough"].sum() == 1
    assert table["front"][0]
    assert (result.folder / "pareto.png").stat().st_size > 1000
    lines = complexity_lines(table)
    assert any("parameters" in line and "are enough for" in line for line in lines)
    again = measure_complexity(labelled, request("hidden=4,16"))
    assert again.table.equals(table)
    assert again.folder == result.folder


@pytest.mark.parametrize("over", ["hidden", "hidden=4", "=4,8", "hiden=4,8"])
def test_what_is_no_hyperparameter_with_values_is_refused(labelled: Workspace, over: str) -> None:
    with pytest.raises(OptionError):
        measure_complexity(labelled, request(over))
