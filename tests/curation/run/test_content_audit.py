"""The audit by content: what it says when pictures were not compared."""

import numpy as np
import pytest
from numpy.typing import NDArray

from curation.run import content_audit
from curation.run.content_audit import ContentAudit
from curation.similarity.picture_features import FeatureCache


def _no_pixels(name: str) -> NDArray[np.uint8]:
    raise AssertionError(f"{name} is not to be loaded")


@pytest.mark.parametrize("n", [0, 1, 4])
def test_pictures_that_were_not_compared_are_not_called_free_of_leaks(
    n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content_audit, "MAX_PICTURES", 3)
    nothing = {"index": None, "edges": None, "embedding": None}  # must not be touched
    names = [f"{number:064x}" for number in range(n)]
    audit = ContentAudit.of(None, names, FeatureCache(_no_pixels), **nothing)  # type: ignore[arg-type]
    assert audit.leak_rows(dict.fromkeys(names, "test"), "split") == []
