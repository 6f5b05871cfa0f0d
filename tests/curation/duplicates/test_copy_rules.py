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


def test_few_cells_suffice_beside_an_overlay_where_they_agree_exactly() -> None:
    exact = replace(COPY, detail_ncc=0.999, drift_px=0.01, n_textured=15, overlay_share=0.15)
    assert is_copy(exact, LIMITS)
    # A product of the same shape with another label agrees exactly beside the label.
    assert not is_copy(replace(exact, overlay_share=0.05), LIMITS)
    assert not is_copy(replace(exact, detail_ncc=0.99), LIMITS)
    assert not is_copy(replace(exact, worst_ncc=0.95), LIMITS)


def test_undone_light_may_leave_drift_but_none_that_neighbours_share() -> None:
    shaded = replace(COPY, drift_px=0.15, overlay_share=0.3)
    assert not is_copy(shaded, LIMITS)
    assert is_copy(replace(shaded, is_relit=True), LIMITS)
    assert not is_copy(replace(shaded, is_relit=True, coherent_px=0.06), LIMITS)


def test_a_softened_picture_with_little_texture_may_drift_where_its_parts_lie_still() -> None:
    softened = replace(COPY, n_textured=20, drift_px=0.12, coherent_px=0.0, worst_ncc=0.97)
    assert is_copy(softened, LIMITS)
    assert not is_copy(replace(softened, coherent_px=0.02), LIMITS)
    assert not is_copy(replace(softened, worst_ncc=0.92), LIMITS)


def test_one_watermark_over_two_photographs_is_no_copy() -> None:
    assert not is_copy(replace(COPY, ncc=0.4, drift_px=0.02), LIMITS)


def test_a_part_of_a_page_with_little_texture_agrees_in_small_parts() -> None:
    part = replace(COPY, overlap=0.4, drift_px=0.05, n_textured=14, is_whole_beside_page=True)
    assert is_copy(replace(part, worst_ncc=0.97), LIMITS)
    assert not is_copy(replace(part, worst_ncc=0.91), LIMITS)
    assert not is_copy(replace(part, worst_ncc=0.97, textured_share=0.5), LIMITS)


def test_a_slanted_part_without_a_rim_agrees_exactly() -> None:
    """A second shot of a wall, wider by a step, agrees but for a passer-by."""
    part = replace(COPY, overlap=0.8, bend_px=0.4, is_whole_beside_page=True, n_textured=40)
    exact = replace(part, detail_ncc=0.998, drift_px=0.05)
    assert is_copy(exact, LIMITS)
    assert not is_copy(replace(exact, detail_ncc=0.987), LIMITS)
    assert not is_copy(replace(exact, drift_px=0.078), LIMITS)
    assert is_copy(replace(part, detail_ncc=0.98, drift_px=0.18, is_rimmed=True), LIMITS)
