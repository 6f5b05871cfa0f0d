"""What counts as a copy: the limits of `VerificationLimits` applied to one fit."""

from curation.duplicates.limits import VerificationLimits
from curation.similarity.beside.beside_measures import (
    beside_measures,
    mode_share,
    paper_share,
    repeated_detail_ncc,
)
from curation.similarity.beside.photograph_beside import photograph_beside
from curation.similarity.beside.surroundings import Surroundings
from curation.similarity.fit_measures import FEW_TEXTURED, Fit


def is_copy(fit: Fit, limits: VerificationLimits) -> bool:
    """Decide whether a fit is that of two copies of one photograph; plain pictures need a nearly perfect fit."""
    if fit.is_beside_photograph or not _overlaps(fit, limits):
        return False
    if fit.overlay_share > 0:
        return _agrees_beside_overlay(fit, limits)
    if fit.is_unmoved:
        return correlates(fit, limits)
    if fit.is_plain:
        return fit.ncc >= limits.plain_ncc and fit.relief_ncc >= limits.relief_ncc
    agrees = correlates(fit, limits) and not moved_together(fit, limits)
    if not fit.drift_px:  # too few edges to measure any movement
        agrees = agrees and fit.detail_ncc >= limits.unmoved_detail_ncc
    if fit.n_textured < FEW_TEXTURED and not fit.is_whole_beside_page:
        agrees = agrees and _agrees_closely(fit, limits)
    return agrees and fit.drift_px <= _max_drift_px(fit, limits)


def _overlaps(fit: Fit, limits: VerificationLimits) -> bool:
    """Say whether the overlap is most of both pictures, or all of one beside a page."""
    if fit.is_whole_beside_page:
        return fit.overlap >= limits.part_overlap
    # Two pictures that both show something else, too, may be a screenshot and a collage.
    is_mutual = fit.overlap < limits.large_overlap and fit.contained < limits.mutual
    return fit.overlap >= limits.overlap and not is_mutual


def moved_together(fit: Fit, limits: VerificationLimits) -> bool:
    """Say whether neighbouring parts moved together, as in a second shot; in edited copies each drifts for itself."""
    is_large = fit.coherent_px > limits.coherent_px
    is_shared = fit.coherent_px > limits.coherent_share * fit.drift_px
    is_small_part = fit.overlap < limits.large_overlap  # parts drift less than the whole
    is_still = fit.drift_px <= limits.strict_drift_px and fit.detail_ncc >= limits.still_detail_ncc
    max_px = limits.still_coherent_px if is_still else limits.small_coherent_px
    return is_large or ((is_shared or is_small_part) and fit.coherent_px > max_px)


def _max_drift_px(fit: Fit, limits: VerificationLimits) -> float:
    """Give the limit of the drift; 0 for what is refused whatever it is."""
    if fit.lens_px > 0:
        is_bent = fit.lens_px >= limits.lens_px and fit.overlap >= limits.lens_overlap
        return limits.lens_drift_px if is_bent else 0.0
    if fit.bend_px > 0 and not (fit.is_whole_beside_page and fit.bend_px < limits.bend_px):
        # A projective transform explains a part of the movement between two shots. A real slant leaves no drift.
        is_large = fit.overlap >= limits.large_overlap or fit.is_whole_beside_page
        is_slanted = fit.bend_px >= limits.bend_px and is_large
        max_px = max_slanted_drift_px(fit, limits, is_on_page=fit.is_whole_beside_page)
        return max_px if is_slanted else 0.0
    if fit.is_whole_beside_page:
        return limits.strict_drift_px if _agrees_on_a_page(fit, limits) else 0.0
    return limits.drift_px


def max_slanted_drift_px(fit: Fit, limits: VerificationLimits, *, is_on_page: bool) -> float:
    """Give the limit of the drift of a picture from the side; 0 for what is refused whatever it is.

    The pattern of a screen and the grain of paper move edges, where the picture ends before a ground of one tone.
    Elsewhere a print on a table must agree exactly: what a second shot, wider by a step, has beside the first is no
    other photograph either.
    """
    if fit.is_rimmed:
        return limits.rimmed_drift_px
    if is_on_page and fit.bend_px > 0:
        is_exact = fit.detail_ncc >= limits.still_detail_ncc
        return limits.overlay_drift_px if is_exact else 0.0
    return limits.strict_drift_px


def _agrees_on_a_page(fit: Fit, limits: VerificationLimits) -> bool:
    """Require agreement in small parts, and texture.

    Products of one shape differ in colours, and on plain ground each is its own backdrop.
    """
    is_close = fit.detail_ncc >= limits.strict_detail_ncc and fit.worst_ncc >= limits.part_worst_ncc
    if fit.n_textured >= FEW_TEXTURED:
        return is_close and fit.textured_share >= limits.rich_textured_share
    has_colours = (
        fit.chroma_ncc >= limits.same_chroma_ncc and fit.worst_ncc >= limits.exact_worst_ncc
    )
    least = limits.coloured_textured_share if has_colours else limits.part_textured_share
    return is_close and fit.textured_share >= least


def _agrees_beside_overlay(fit: Fit, limits: VerificationLimits) -> bool:
    """Require that the pictures agree pixel by pixel where nothing is drawn over them, and that there is texture."""
    is_close = fit.detail_ncc >= limits.close_detail_ncc
    max_drift = limits.strict_drift_px if is_close else limits.overlay_drift_px
    if fit.is_relit:
        max_drift = limits.relit_drift_px
    return (
        correlates(fit, limits)
        and fit.n_textured >= _min_textured(fit, limits)
        and fit.detail_ncc >= limits.strict_detail_ncc
        and fit.drift_px <= max_drift
        and fit.coherent_px
        <= (limits.small_coherent_px if fit.is_relit else limits.overlay_coherent_px)
    )


def _min_textured(fit: Fit, limits: VerificationLimits) -> float:
    """Give the textured cells that must be left beside an overlay: few where they agree exactly."""
    is_exact = fit.detail_ncc >= limits.exact_detail_ncc and fit.drift_px <= limits.exact_drift_px
    # Products of one shape with other labels differ in less.
    if (
        is_exact
        and fit.worst_ncc >= limits.exact_worst_ncc
        and (fit.overlay_share >= limits.exact_share or fit.is_over_plain)
    ):
        return limits.exact_textured
    return max(limits.overlay_textured, FEW_TEXTURED * (1 - fit.overlay_share))


def correlates(fit: Fit, limits: VerificationLimits) -> bool:
    """Say whether the pictures agree as a whole, in their fine structure and in nearly all parts."""
    return (
        fit.ncc >= limits.ncc
        and fit.detail_ncc >= limits.detail_ncc
        and fit.bad_share <= limits.bad_share
    )


def agrees_exactly(fit: Fit, limits: VerificationLimits) -> bool:
    """Say whether the pictures agree pixel by pixel where they overlap."""
    return fit.detail_ncc >= limits.close_detail_ncc and fit.drift_px <= limits.overlay_drift_px


def may_be_edited(fit: Fit, limits: VerificationLimits) -> bool:
    """Say whether equal tones and sharpness could make a fit that of a copy; second shots drift too much."""
    return (
        fit.detail_ncc >= limits.scene_detail_ncc
        and fit.drift_px <= limits.scene_drift_px
        and fit.coherent_px <= limits.scene_coherent_px
    )


def may_be_unmoved(fit: Fit, limits: VerificationLimits) -> bool:
    """Say whether two pictures lie exactly on each other, but for a drift that is too large for copies."""
    return (
        fit.overlap >= limits.unmoved_overlap
        and fit.n_textured >= FEW_TEXTURED
        and fit.detail_ncc >= limits.unmoved_fine_ncc
        and fit.bad_share <= limits.bad_share
        and fit.coherent_px <= limits.unmoved_coherent_px
        and limits.strict_drift_px < fit.drift_px <= limits.unmoved_drift_px
        and (moved_together(fit, limits) or fit.drift_px > limits.drift_px)
    )


def is_page(around: Surroundings, limits: VerificationLimits, max_odds: float) -> bool:
    """Say whether what lies beside a picture shows no other photograph, of which the log-odds are at most these.

    It is paper of two tones, the same picture again, blurred or not, or a table of one tone; or trained trees say so.
    """
    if not around.is_seen:
        return True
    tones = around.large[around.beside]
    most, is_paper = mode_share(tones), paper_share(tones) >= limits.paper_share
    if is_paper and most >= limits.mode_share:
        return True
    if is_paper and most >= limits.page_mode_share:  # a page with a caption in another tone
        max_odds = max(max_odds, limits.paper_odds)
    beside = beside_measures(around)
    if max(beside.backdrop_ncc, beside.repeated_ncc) >= limits.backdrop_ncc:
        return True
    if repeated_detail_ncc(around) >= limits.repeated_detail_ncc:
        return True
    return beside.relief <= limits.ground_relief or photograph_beside(beside) <= max_odds


def _agrees_closely(fit: Fit, limits: VerificationLimits) -> bool:
    """Require more where there is little texture: a product, a horizon or a lamp on plain ground."""
    is_still = (
        fit.coherent_px <= limits.few_coherent_px
        and fit.worst_ncc >= limits.part_worst_ncc
        and fit.n_textured >= limits.exact_textured
    )
    return (
        fit.drift_px <= (limits.few_drift_px if is_still else limits.strict_drift_px)
        and fit.chroma_ncc >= limits.chroma_ncc
        and fit.worst_ncc >= limits.worst_ncc
        and fit.relief_ncc >= limits.relief_ncc
    )
