from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import pytest

from catalog import TOO_FEW
from training.errors import UnequalModelsError
from training.evaluation.findings import BETTER, LEVEL, WORSE
from training.evaluation.model_comparison import Comparison, compare_models

KINDS = {"name": "kind", "kind": "softmax", "family": "classes", "classes": ["a", "b"]}
AGE = {"name": "age", "kind": "regression", "family": "values", "metric": "mae", "unit": "years",
       "higher_is_better": False}  # fmt: skip
ROWS = 240


@dataclass
class Saved:
    """A model that errs on a share of the pictures; `years` is the size of its errors of age."""

    model_id: str
    errors: float = 0.3
    years: float = 5.0
    changes: dict[str, Any] = field(default_factory=dict)
    epochs_done: int = 3
    groups: int = 24
    rows: range = range(ROWS)

    @property
    def config(self) -> dict[str, Any]:
        config = {"seed": 0, "epochs": 3, "patience": 5, "hidden": 32, **self.changes}
        facts = {"dataset": "d", "version": "1.0.0", "dataset_digest": "ab12", "recipe": "classify"}
        about = {
            "split_policy": "split",
            "best_epoch": 1,
            "parameters": 1000,
            "heads": [KINDS, AGE],
        }
        return {**facts, **about, "config": config}

    @property
    def history(self) -> pl.DataFrame:
        seen = [100 * (epoch + 1) for epoch in range(self.epochs_done)]
        return pl.DataFrame({"examples_seen": seen, "seconds": [1.5] * self.epochs_done})

    @property
    def predictions(self) -> pl.DataFrame:
        rng = np.random.default_rng(3)
        truth, luck, sizes = rng.integers(0, 2, ROWS), rng.random(ROWS), rng.normal(0, 1, ROWS)
        frames = []
        for task in ("kind", "age"):
            said = np.where(luck < self.errors, 1 - truth, truth)
            target = truth.astype(float) if task == "kind" else np.full(ROWS, 40.0)
            frames.append(
                pl.DataFrame(
                    {
                        "asset_sha256": [f"{n:04}" for n in range(ROWS)],
                        "group_id": [f"g{n % self.groups}" for n in range(ROWS)],
                        "task": [task] * ROWS,
                        "predicted": said,
                        "target": truth,
                        "value": said.astype(float) if task == "kind" else 40 + self.years * sizes,
                        "target_value": [None if n % 7 == 0 else target[n] for n in range(ROWS)],
                    }
                )[list(self.rows)]
            )
        return pl.concat(frames)


def verdicts(result: Comparison) -> dict[str, str]:
    return {each.head.name: each.verdict for each in result.heads if each.lead is not None}


def test_better_worse_and_equal_models_are_told_apart() -> None:
    first = Saved("first")
    assert verdicts(compare_models([first, Saved("other", 0.1, 9.0)])) == {
        "kind": BETTER, "age": WORSE,
    }  # fmt: skip
    assert verdicts(compare_models([first, Saved("same")])) == {"kind": LEVEL, "age": LEVEL}
    few = [Saved("first", groups=5), Saved("few", 0.1, groups=5)]
    assert set(verdicts(compare_models(few)).values()) == {TOO_FEW}


def test_a_lead_is_paired_and_on_the_pictures_that_both_have() -> None:
    other = Saved("other", 0.1, 4.0, rows=range(60, ROWS))
    kind, age = (each for each in compare_models([Saved("first"), other]).heads if each.lead)
    labelled = sum(n % 7 != 0 for n in range(60, ROWS))
    assert kind.lead is not None
    assert age.lead is not None
    assert kind.lead.n == age.lead.n == labelled
    rows = Saved("first").predictions.filter(
        (pl.col("task") == "age") & pl.col("target_value").is_not_null()
    )[-labelled:]
    gap = (rows["value"] - 40).abs().mean()
    assert isinstance(gap, float)
    assert age.lead.value == pytest.approx(gap * (4.0 / 5.0 - 1))
    assert age.lead.low is not None
    assert age.lead.low < age.lead.value < 0


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"seed": 1}, "seed: 0 / 1"), ({"epochs": 9}, "epochs: 3 / 9"), ({"patience": 1}, "patience")],
)
def test_unequal_conditions_are_refused_by_name(changes: dict[str, Any], named: str) -> None:
    models = [Saved("first"), Saved("other", changes=changes)]
    with pytest.raises(UnequalModelsError, match=named):
        compare_models(models)
    assert named.split(":", maxsplit=1)[0] in compare_models(models, allow_unequal=True).unequal


def test_other_examples_seen_are_unequal_unless_patience_ended_the_training() -> None:
    with pytest.raises(UnequalModelsError, match="examples seen: 300 / 200"):
        compare_models([Saved("first"), Saved("short", epochs_done=2)])
    patient = {"epochs": 30, "patience": 2}
    both = [Saved("a", changes=patient, epochs_done=3), Saved("b", changes=patient, epochs_done=5)]
    result = compare_models(both)
    assert result.conditions["examples seen"] == ("until early stopping",) * 2
    assert result.options == {}


def test_models_without_a_common_head_are_refused() -> None:
    other = Saved("other")
    heads = [{**KINDS, "classes": ["a", "b", "c"]}, {**AGE, "unit": "months"}]
    changed = {**other.config, "heads": heads}

    class Other(Saved):
        config = changed  # type: ignore[assignment]

    with pytest.raises(UnequalModelsError, match="heads"):
        compare_models([Saved("first"), Other("other")])
