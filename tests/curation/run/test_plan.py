import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from curation.errors import BadPlanError
from curation.run.plan import CurationPlan

plans = st.builds(
    CurationPlan,
    seed=st.integers(0, 10**9),
    train_share=st.floats(0.1, 0.7),
    validation_share=st.floats(0.0, 0.3),
    rebalance=st.sampled_from(["none", "sqrt", "inverse"]),
    inherit_splits=st.booleans(),
)


@given(plans)
def test_a_plan_survives_json(plan: CurationPlan) -> None:
    assert CurationPlan.from_json(plan.to_json()) == plan


def test_left_out_entries_keep_their_defaults() -> None:
    assert CurationPlan.from_json('{"train_share": 0, "seed": 3, "train_share": 0.5}').seed == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "must be a JSON object"),
        ('{"sed": 1}', "did you mean seed"),
        ('{"zzzz": 1}', "known: .*bins"),
        ('{"seed": "x"}', "seed must be a int"),
        ('{"rebalance": "cube"}', "none, sqrt, inverse"),
        ('{"train_share": 0.9, "validation_share": 0.2}', "sum to at most 1"),
        ('{"train_share": 0}', "must be positive"),
        ('{"bins": {}}', "made for other bins"),
        ('{"steps": ["decode"]}', "made for other steps"),
    ],
)
def test_a_bad_plan_is_refused_with_advice(text: str, message: str) -> None:
    with pytest.raises(BadPlanError, match=message):
        CurationPlan.from_json(text)


def test_a_missing_plan_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadPlanError, match="cannot be read"):
        CurationPlan.read(tmp_path / "none.json")


def test_a_run_is_named_by_plan_inputs_and_stages_in_any_order() -> None:
    plan = CurationPlan()
    name = plan.run_id(["a", "b"], ["decode@1"])
    assert name == plan.run_id(["b", "a"], ["decode@1"])
    others = [
        plan.run_id(["a"], ["decode@1"]),
        plan.run_id(["a", "b"], ["decode@2"]),
        dataclasses.replace(plan, seed=1).run_id(["a", "b"], ["decode@1"]),
    ]
    assert name not in others
