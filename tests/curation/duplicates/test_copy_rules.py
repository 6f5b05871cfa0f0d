from dataclasses import replace

import pytest

from curation.duplicates.copy_rules import is_copy, may_be_unmoved
from curation.duplicates.limits import VerificationLimits
from curation.similarity.fit_measures import Fit

LIMITS = VerificationLimits().blind()
COPY = Fit(
    ncc=0.99, detail_ncc=0.97, bad_share=0.0, drift_px=0.1, coherent_px=0.01,
    overlap=1.0, contained=1.0, n_textured=50,
)  # fmt: skip


def test_drift_that_neighbours_share_is_forgiven_where_undoing_it_gains_nothing() -> None:
    toned = replace(COPY, drift_px=0.35, coherent_px=0.13)
    assert may_be_unmoved(toned, LIMITS)
    assert not is_copy(toned, LIMITS)
    assert is_copy(replace(toned, is_unmoved=True), LIMITS)
    for moved in (
        replace(toned, overlap=0.98),
        replace(toned, coherent_px=0.2),
        replace(toned, n_textured=20),
    ):
        assert not may_be_unmoved(moved, LIMITS)
    assert not may_be_unmoved(COPY, LIMITS)  # it is a copy anyway


def test_a_picture_in_a_rim_may_drift_more_once_its_slant_is_undone() -> None:
    seen = replace(COPY, bend_px=2.0, drift_px=0.11)
    assert not is_copy(seen, LIMITS)
    assert is_copy(replace(seen, is_rimmed=True), LIMITS)


@pytest.mark.parametrize("overlay_share", [0.1, 0.3])
def test_fewer_textured_cells_are_asked_for_where_much_is_covered(overlay_share: float) -> None:
    covered = replace(COPY, drift_px=0.01, n_textured=24, overlay_share=overlay_share)
    assert is_copy(covered, LIMITS) == (overlay_share > 0.2)


def test_one_watermark_over_two_photographs_is_no_copy() -> None:
    assert not is_copy(replace(COPY, ncc=0.4, drift_px=0.02), LIMITS)


def test_a_part_of_a_page_with_little_texture_agrees_in_small_parts() -> None:
    part = replace(COPY, overlap=0.4, drift_px=0.05, n_textured=14, is_whole_beside_page=True)
    assert is_copy(replace(part, worst_ncc=0.97), LIMITS)
    assert not is_copy(replace(part, worst_ncc=0.91), LIMITS)
    assert not is_copy(replace(part, worst_ncc=0.97, textured_share=0.5), LIMITS)
