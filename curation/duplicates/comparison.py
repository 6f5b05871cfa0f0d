"""Align two pictures in ever more ways until one makes them copies: the cheap and frequent ones first.

1. the whole of both, in the best of 8 orientations;
2. the same with equal tones and sharpness, for blurred, sharpened, clipped and toned copies;
3. without text, logos or stickers over either picture (`overlays.py`); another photograph over a part of one of them
   is no overlay but a tile of a collage (`photograph_over.py`);
4. by keypoints, with all of that; most other pictures are refused here, because few keypoints agree, after a look at
   the rectangle that lies on a page;
5. the smaller picture as a part of the larger one, if nothing else is beside it (`surroundings.py`);
6. projective, as of a picture photographed from the side, or of a print that lies slightly slanted on a table;
7. without a bend around the middle, as of a lens (`lens.py`).

The last two follow only where a slant or a bend explains how the keypoints lie beside the affine transform. A pair
whose parts clearly moved against each other is a second shot: steps that cannot change that are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from curation.duplicates.copy_rules import (
    agrees_exactly,
    is_copy,
    is_page,
    max_slanted_drift_px,
    may_be_edited,
    may_be_unmoved,
)
from curation.duplicates.limits import VerificationLimits
from curation.similarity.alignment import (
    Alignment,
    align_by_features,
    align_inner,
    align_whole,
    refine,
)
from curation.similarity.beside.photograph_over import is_photograph_over, paper_share_over
from curation.similarity.beside.surroundings import (
    Surroundings,
    both_surroundings,
    has_rim,
    surroundings,
)
from curation.similarity.fit_measures import FEW_TEXTURED, Fit, left_by_movement
from curation.similarity.lens import align_bent
from curation.similarity.overlays import (
    Overlaid,
    is_over_plain,
    is_thick,
    without_overlay,
    without_shade,
)
from curation.similarity.picture_features import Features, Grey
from curation.similarity.transforms import KeypointMatches

SCENE_NCC = 0.94  # whole pictures above it show one scene, with or without keypoints
_Step = tuple[Fit, Alignment]


@dataclass(frozen=True)
class Comparison:
    """Whether two pictures are copies, the deciding fit or the best one, and the number of agreeing keypoints."""

    is_copy: bool
    fit: Fit
    inliers: int = 0
    whole_ncc: float = -1.0


def compare_pictures(
    one: Features, two: Features, limits: VerificationLimits, *, as_scene: bool = False
) -> Comparison:
    """Compare two pictures by their pixels; `as_scene` until it is certain that they show one scene, copies or not."""
    best, inliers, whole_ncc = Fit(), 0, -1.0
    for fit in _fits(one, two, limits):
        if is_copy(fit, limits):
            return Comparison(is_copy=True, fit=fit, inliers=fit.inliers)
        inliers = max(inliers, fit.inliers)
        if fit.overlay_share > 0:
            continue
        if not fit.inliers:
            whole_ncc = max(whole_ncc, fit.ncc)
        if fit.ncc > best.ncc:
            best = fit
        if as_scene and shares_geometry(inliers, whole_ncc, limits):
            break
    return Comparison(is_copy=False, fit=best, inliers=inliers, whole_ncc=whole_ncc)


def shares_geometry(inliers: int, whole_ncc: float, limits: VerificationLimits) -> bool:
    """Say whether two pictures show one scene: enough keypoints agree, or the pictures correlate as a whole."""
    return inliers >= limits.scene_inliers or whole_ncc >= SCENE_NCC


def _fits(one: Features, two: Features, limits: VerificationLimits) -> Iterator[Fit]:
    steps: list[_Step] = []
    if whole := align_whole(one, two):
        yield from _tried(one, steps, _edited(one, whole, limits), limits)
        yield from _under_overlay(one, steps, limits)
    matches = KeypointMatches.of(one, two)
    affine = align_by_features(matches, limits.inliers)
    if affine is None:
        yield from _on_a_page(one, two, limits)
        return
    if steps and _is_aligned(steps[-1][0], limits):  # keypoints would align them in the same way
        yield replace(steps[-1][0], inliers=affine.inliers)
    else:
        steps = []
        yield from _tried(one, steps, _edited(one, affine, limits), limits)
        yield from _as_part(one, *steps[-1], limits, limits.overlap)
        yield from _slightly_slanted(one, *steps[-1], limits)
        yield from _under_overlay(one, steps, limits)
    fit = steps[-1][0]
    is_scene = affine.inliers >= limits.scene_inliers and fit.detail_ncc >= limits.side_detail_ncc
    if is_scene and fit.coherent_px > limits.small_coherent_px:
        yield from _undistorted(one, matches, affine, limits)


def _on_a_page(one: Features, two: Features, limits: VerificationLimits) -> Iterator[Fit]:
    """Start from the rectangle that the strips of a page leave: its text may have taken the keypoints."""
    if inner := align_inner(one, two):
        fit, alignment = refine(one.grey, inner, rough=True)
        if fit.detail_ncc >= limits.scene_detail_ncc:
            fit, alignment = refine(one.grey, alignment, matched=True)
            yield from _as_part(one, fit, alignment, limits, 1.0)


def _undistorted(
    one: Features, matches: KeypointMatches, affine: Alignment, limits: VerificationLimits
) -> Iterator[Fit]:
    """Undo a slant or a bend where it explains how the keypoints moved: between two shots neither does."""
    left = matches.residuals(affine.transform)
    max_px = min(limits.spread_px, limits.explained_share * left.affine_px)
    if left.slanted_px <= max_px:
        yield from _slanted(one, matches, limits)
    if left.bent_px <= min(max_px, left.slanted_px):
        yield from _bent(one, matches, affine)


def _slanted(one: Features, matches: KeypointMatches, limits: VerificationLimits) -> Iterator[Fit]:
    if side := align_by_features(matches, limits.scene_inliers, is_projective=True):
        fit, alignment = refine(one.grey, side, matched=True, rough=True)
        fit = _rimmed(one, fit, alignment, limits)
        yield fit
        if fit.n_textured >= FEW_TEXTURED:  # a chart on a wall looks the same from everywhere
            yield from _as_part(one, fit, alignment, limits, 1.0)


def _slightly_slanted(
    one: Features, fit: Fit, alignment: Alignment, limits: VerificationLimits
) -> Iterator[Fit]:
    """Undo a slant that moves parts of a print on a table less than keypoints are exact."""
    is_print = fit.contained >= limits.contained and fit.overlap < limits.whole_overlap
    is_close = fit.detail_ncc >= limits.slight_detail_ncc and fit.n_textured >= FEW_TEXTURED
    is_drifting = limits.strict_drift_px / 2 < fit.drift_px <= limits.slight_drift_px
    if is_print and is_close and is_drifting:
        side = replace(alignment, is_projective=True)
        yield from _as_part(one, *refine(one.grey, side, matched=True), limits, 1.0)


def _rimmed(one: Features, fit: Fit, alignment: Alignment, limits: VerificationLimits) -> Fit:
    """Mark a picture that ends before a ground of one tone: it is a picture of a picture, not a second shot."""
    if not limits.strict_drift_px < fit.drift_px <= limits.rimmed_drift_px:
        return fit
    return replace(fit, is_rimmed=has_rim(one.grey, alignment.grey, alignment.transform))


def _tried(
    one: Features, steps: list[_Step], new: Iterator[_Step], limits: VerificationLimits
) -> Iterator[Fit]:
    for fit, alignment in new:
        steps.append((_beside_photograph(one, fit, alignment, limits), alignment))
        yield steps[-1][0]


def _beside_photograph(
    one: Features, fit: Fit, alignment: Alignment, limits: VerificationLimits
) -> Fit:
    """Mark the larger part of a collage of uneven parts, also where the other picture shows more of its own."""
    if fit.overlap >= limits.whole_overlap or not is_copy(fit, limits):
        return fit
    pictures = one.grey, alignment.grey, alignment.transform
    is_within = fit.contained >= limits.contained
    places = (surroundings(*pictures),) if is_within else both_surroundings(*pictures)
    is_large = fit.overlap >= limits.large_overlap
    max_odds = limits.strip_odds if is_large else limits.photograph_odds
    is_beside = not all(is_page(each, limits, max_odds) for each in places)
    return replace(fit, is_beside_photograph=is_beside)


def _is_aligned(fit: Fit, limits: VerificationLimits) -> bool:
    return (
        fit.detail_ncc >= limits.scene_detail_ncc and fit.coherent_px <= limits.aligned_coherent_px
    )


def _edited(one: Features, start: Alignment, limits: VerificationLimits) -> Iterator[_Step]:
    """Refine an alignment, and once more with equal tones and sharpness where that may matter."""
    fit, alignment = refine(one.grey, start, rough=True)
    yield fit, alignment
    if may_be_edited(fit, limits):
        fit, alignment = refine(one.grey, alignment, matched=True)
        yield _unmoved(one, fit, alignment, limits), alignment


def _unmoved(one: Features, fit: Fit, alignment: Alignment, limits: VerificationLimits) -> Fit:
    """Mark pictures that lie exactly on each other and whose drift is that of their tones."""
    if not may_be_unmoved(fit, limits):
        return fit
    left = left_by_movement(one.grey, alignment.grey, alignment.transform)
    return replace(fit, is_unmoved=left >= limits.unmoved_left)


def _as_part(
    one: Features, fit: Fit, alignment: Alignment, limits: VerificationLimits, overlap: float
) -> Iterator[Fit]:
    """Accept a smaller overlap than this one where nothing else is beside the picture.

    Where neither picture lies in the other one, as when a page shows a part of a photograph, neither may have anything
    else beside it, and both must agree exactly.
    """
    is_within = fit.contained >= limits.contained
    if not limits.part_overlap <= fit.overlap < (overlap if is_within else limits.large_overlap):
        return
    pictures = one.grey, alignment.grey, alignment.transform
    places: tuple[Surroundings, ...] = ()
    if is_within:
        max_px = max_slanted_drift_px(fit, limits, is_on_page=True)
        if fit.detail_ncc >= limits.strict_detail_ncc and fit.drift_px <= max_px:
            places = (surroundings(*pictures),)
    elif fit.contained >= limits.part_contained and agrees_exactly(fit, limits):
        places = both_surroundings(*pictures)
    max_odds = limits.photograph_odds if is_within else limits.mutual_odds
    if is_within and fit.bend_px >= limits.slant_px:  # the tiles of a collage have no slant
        max_odds = limits.slanted_odds
    if places and all(is_page(each, limits, max_odds) for each in places):
        yield replace(fit, is_whole_beside_page=True)


def _bent(one: Features, matches: KeypointMatches, affine: Alignment) -> Iterator[Fit]:
    if bent := align_bent(one.grey, matches, affine):
        fit, bend = bent
        yield replace(fit, lens_px=bend.largest_px(affine.grey.shape))


def _under_overlay(one: Features, steps: list[_Step], limits: VerificationLimits) -> Iterator[Fit]:
    """Start from the step with the least movement: equal tones are those of the overlay, too."""
    fit, alignment = min(steps, key=lambda step: step[0].coherent_px)
    # Many keypoints between letters align a picture, whatever the letters cover.
    is_sure = fit.inliers >= limits.sure_inliers
    overlay_ncc = limits.spots_ncc if fit.inliers >= limits.scene_inliers else limits.overlay_ncc
    if (
        fit.is_beside_photograph
        or (fit.ncc < overlay_ncc and not is_sure)
        or fit.coherent_px > limits.scene_coherent_px
    ):
        return
    pair = Overlaid.of(one.grey, alignment.grey, alignment.transform)
    mask = without_overlay(pair)
    if mask is not None and not _may_be_half(fit, mask, limits):
        yield from _beside_overlay(one, one.grey, alignment, mask, pair, limits)
    if fit.coherent_px <= limits.shade_coherent_px and (lit := without_shade(pair)):
        n_left = fit.n_textured * float(lit[1].mean())
        if n_left >= limits.overlay_textured and not _may_be_half(fit, lit[1], limits):
            for relit in _beside_overlay(one, lit[0], alignment, lit[1], pair, limits):
                yield replace(relit, is_relit=True)


def _may_be_half(fit: Fit, mask: Grey, limits: VerificationLimits) -> bool:
    """Say whether so little of both agrees that the rest may be half of a collage: it differs in its tones, too."""
    differing = 1 - fit.overlap * float(mask.mean())
    is_large = fit.ncc < limits.half_ncc and differing > limits.half_share
    return is_large and is_thick(mask)


def _beside_overlay(
    one: Features,
    grey: Grey,
    alignment: Alignment,
    mask: Grey,
    pair: Overlaid,
    limits: VerificationLimits,
) -> Iterator[Fit]:
    fit, alignment = refine(grey, alignment, mask=mask, matched=True)
    share = max(float(1 - mask.mean()), 1e-6)
    fit = replace(fit, overlay_share=share, is_over_plain=is_over_plain(pair, mask))
    yield from (
        replace(each, is_beside_photograph=True)
        if is_copy(each, limits) and _is_tile_over(each, pair, mask, limits)
        else _beside_photograph(one, each, alignment, limits)
        for each in (fit, *_as_part(one, fit, alignment, limits, limits.overlap))
    )


def _is_tile_over(fit: Fit, pair: Overlaid, mask: Grey, limits: VerificationLimits) -> bool:
    """Say whether another photograph lies over a part of either picture.

    Where each picture shows more than the other, too, a crop has a caption over what it leaves out, and the tile of a
    collage its neighbour: only paper is then no photograph.
    """
    is_mutual = fit.overlap < limits.whole_overlap and fit.contained < limits.overlaid_contained
    if is_mutual and paper_share_over(pair, mask) < limits.overlaid_paper:
        return True
    return is_photograph_over(pair, mask)
