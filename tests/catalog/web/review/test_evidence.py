"""Facts of a finding, as people read them."""

import json

import pytest

from catalog.web.review.evidence import describe_finding


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        ({"exposure_time": 0.000625}, ("exposure time", "1/1600 s")),
        ({"exposure_time": 30}, ("exposure time", "30 s")),
        ({"exposure_time": -1.0}, ("exposure time", "-1")),
        ({"exposure_time": "1/0"}, ("exposure time", "1/0")),
        ({"iso": 0.004}, ("iso", "0.004")),
    ],
)
def test_an_exposure_is_written_as_photographers_do(
    evidence: dict[str, object], said: tuple[str, str]
) -> None:
    row = {"decision": "void", "reason": "r", "setting": None, "evidence": json.dumps(evidence)}
    assert said in list(describe_finding(row).values())[-1]
