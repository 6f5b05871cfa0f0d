"""Lay one picture over another: by scaling, turning and mirroring the whole, or by SIFT features, and measure the fit.

A copy fits everywhere: what was cropped, scaled or mirrored is an affine map, and after it nothing is left over
but noise; if somebody photographed a photograph, it is a projective one. Bursts of a static scene pass every looser
test: they correlate above 0.98 and share hundreds of features. What gives them away is drift: their parts lie some
tenths of a pixel apart in directions that no affine map explains, because the camera or the subject moved. So the
fit is measured by drift, too.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.floating]
Map = NDArray[np.float64]
"""A map of the plane, shape (3, 3), in homogeneous coordinates; affine ones end in 0, 0, 1."""

SIDE = 320  # px, longest side at which pictures are compared: drift is in these pixels
TINY, ALIKE = (
    32,
    0.75,
)  # whole copies correlate above this at 32 x 32, whatever was done to their tone
ZOOM = 0.6  # features are found on less than SIDE: three times as fast, and the map is improved afterwards
FEATURES, CONTRAST = 300, 0.02
ENOUGH = 80  # features: plainer pictures are searched for fainter ones, too
RATIO = 0.8  # Lowe's test: the best match must be this much closer than the second
REPROJECTION_PX = 3.0
MANY = 40  # matches beyond which a mirrored copy is not looked for
CELLS = 8  # parts a side in which the overlap is compared
TEXTURE = 3.0  # grey levels: a part with less fine structure in both pictures says nothing
CELL_NCC = 0.5
EDGES = 4.0  # squared grey levels per px: a part with weaker gradients cannot tell where it lies
SMOOTH, COARSE = 3, 19  # px: fine structure is what lies between these two blurs
BORDER_SHARE = 0.04  # of the area is cut off at the border before anything is measured
STEPS = 4
ALIKE_WRITTEN = 0.6  # whole copies correlate above this at 32 x 32, if nothing but writing is new
WRITING_SIDED = 0.85  # share of what is left out that is on one side of the other picture's tone
WRITING_SHARE, WRITING_EDGE = 0.6, 7  # of the overlap at most; px by which letters are grown
WRITING_STEPS, WRITING_NOISE = 3, 3.0  # grey levels that are never taken for writing
SLANT = 0.5  # of the scale, from one side of the picture to the other
HOPELESS = 0.2  # a map whose fine structure correlates less is not worth improving
FRAME = (
    0.01,
    0.5,
)  # share of the side that each side of a frame has at least, and two sides have at most
FRAME_NOISE = 24  # grey levels: what JPEG leaves of one tone beside the picture
METHOD, ITERATIONS = cv2.USAC_MAGSAC, 1000
PLAIN = 4  # with fewer textured parts than this a picture is plain


@dataclass(frozen=True)
class Features:
    """What is kept of one picture: grey pixels (float, longest side 320), a 32 x 32 version, SIFT when asked for."""

    grey: Grey
    tiny: Grey
    is_framed: bool = False  # a frame of one colour was cut off on all four sides

    @classmethod
    def of(cls, picture: NDArray[np.uint8]) -> "Features":
        """Read the features of an upright RGB picture (height, width, 3)."""
        grey = np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY), np.uint8)
        box = _without_frame(grey)
        inside = grey[box] if box else grey
        scale = SIDE / max(inside.shape)
        # Multiples of the number of cells: then cells are averaged by whole pixels.
        size = [max(1, round(length * scale / CELLS)) * CELLS for length in inside.shape[::-1]]
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        scaled = cv2.resize(inside, size, interpolation=way)
        tiny = cv2.resize(scaled, (TINY, TINY), interpolation=cv2.INTER_AREA)
        return cls(scaled.astype(np.float32), tiny.astype(np.float32), box is not None)

    @cached_property
    def keypoints(self) -> "Keypoints":
        """SIFT features of the picture; the dearest step by far, so many pictures never need it."""
        small = cv2.resize(
            self.grey.astype(np.uint8), None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_AREA
        )
        for contrast in (CONTRAST, CONTRAST / 4):
            sift = cv2.SIFT.create(FEATURES, contrastThreshold=contrast)
            found, descriptors = sift.detectAndCompute(small, None)
            if len(found) >= ENOUGH:
                break
        points = np.array([each.pt for each in found], np.float32).reshape(-1, 2)
        points = (points + 0.5) / ZOOM - 0.5
        if not len(points):
            return Keypoints(points, np.zeros((0, 128), np.float32))
        sums = np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-6)
        return Keypoints(points, np.sqrt(descriptors / sums).astype(np.float32))


@dataclass(frozen=True)
class Keypoints:
    """SIFT features: where they are and what they look like."""

    points: NDArray[np.float32]  # (N, 2), x and y in px
    descriptors: NDArray[np.float32]  # (N, 128), root-SIFT: unit length

    def mirrored(self, width: int) -> "Keypoints":
        """Mirror within a picture of this width, without finding features again.

        A mirrored gradient histogram has its rows reversed and its 8 directions turned the other way.
        """
        cells = self.descriptors.reshape(-1, 4, 4, 8)[:, ::-1][..., (-np.arange(8)) % 8]
        points = np.array([width - 1, 0], np.float32) + self.points * np.array([-1, 1], np.float32)
        return Keypoints(points, np.ascontiguousarray(cells.reshape(-1, 128)))


@dataclass(frozen=True)
class Fit:
    """How well a picture lies over another.

    `ncc`: correlation of the overlap; `detail_ncc`: of its fine structure; `bad_share`: share of textured parts that do
    not correlate; `drift_px`: upper quartile of how far the parts lie apart; `overlap`: share of the overlap
    in the picture of which less is covered; `is_plain`: there is no texture, so only `ncc` means something;
    `bend_px`: how far the corners lie from where an affine map would have them; `written_share`: share of the picture
    that was left out because something is written over it.
    """

    inliers: int = 0
    ncc: float = -1.0
    detail_ncc: float = -1.0
    bad_share: float = 1.0
    drift_px: float = 99.0
    overlap: float = 0.0
    is_plain: bool = False
    bend_px: float = 0.0
    written_share: float = 0.0


def fit_whole(one: Features, two: Features) -> Fit:
    """Lay `two` over `one` side by side, in the best of the 8 orientations."""
    laid = _laid_whole(one, two, ALIKE)
    return _fit(one.grey, *laid) if laid else Fit()


def _laid_whole(one: Features, two: Features, alike: float) -> tuple[Grey, Map] | None:
    """Turn `two` into the orientation that correlates most, and give the map that scales it onto `one`."""
    best = max(range(8), key=lambda turn: ncc(one.tiny, _turned(two.tiny, turn)))
    if ncc(one.tiny, _turned(two.tiny, best)) < alike:
        return None
    grey = _turned(two.grey, best)
    x, y = one.grey.shape[1] / grey.shape[1], one.grey.shape[0] / grey.shape[0]
    return grey, np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]], np.float64)


def fit_by_features(one: Features, two: Features, min_inliers: int) -> Fit:
    """Lay `two`, or its mirror image, over `one` by the affine map on which most features agree."""
    matched = _Matched.of(one, two)
    found, inliers = matched.affine()
    if found is None or inliers < min_inliers:
        return Fit(inliers)
    return replace(_fit(one.grey, matched.grey, found), inliers=inliers)


def fit_bent(one: Features, two: Features, min_inliers: int) -> Fit:
    """Lay `two`, or its mirror image, over `one` as if it had been photographed from the side."""
    matched = _Matched.of(one, two)
    found, inliers = matched.projective()
    if found is None or inliers < min_inliers:
        return Fit(inliers)
    return replace(_fit(one.grey, matched.grey, found, is_bent=True), inliers=inliers)


def fit_beside_writing(one: Features, two: Features, min_inliers: int) -> Fit:
    """Lay `two` over `one`, as a whole or by features, and leave out what is written in one tone over either.

    Without such writing the fit is empty: what is left out is brighter than the other picture, or darker, nearly
    everywhere. Edges that moved between two shots are both.
    """
    if laid := _laid_whole(one, two, ALIKE_WRITTEN):
        fit = _fit_bare(one.grey, *laid)
        if fit.drift_px < REPROJECTION_PX / 10:
            return fit
    matched = _Matched.of(one, two)
    found, inliers = matched.affine()
    if found is None or inliers < min_inliers:
        return Fit(inliers)
    return replace(_fit_bare(one.grey, matched.grey, found), inliers=inliers)


def _fit_bare(one: Grey, two: Grey, found: Map) -> Fit:
    bare = _without_writing(one, two, found)
    if bare is None:
        return Fit()
    share = max(float(1 - bare.mean()), 1e-6)
    return replace(_fit(one, two, found, bare=bare), written_share=share)


@dataclass(frozen=True)
class _Matched:
    """Points of two pictures that look alike, (M, 2) each; `grey` is the second, mirrored if that fits better."""

    target: NDArray[np.float32]
    source: NDArray[np.float32]
    grey: Grey

    @classmethod
    def of(cls, one: Features, two: Features) -> "_Matched":
        points, others, grey = one.keypoints, two.keypoints, two.grey
        matches = _matches(points, others)
        if len(matches) < MANY:
            mirrored = others.mirrored(grey.shape[1])
            if len(turned := _matches(points, mirrored)) > len(matches):
                others, matches, grey = mirrored, turned, np.ascontiguousarray(grey[:, ::-1])
        return cls(points.points[matches[:, 0]], others.points[matches[:, 1]], grey)

    def affine(self) -> tuple[Map | None, int]:
        """Find the affine map from `source` to `target` on which most points agree, and on how many spots."""
        if len(self.source) < 6:
            return None, 0
        found, inside = cv2.estimateAffine2D(
            self.source,
            self.target,
            method=METHOD,
            ransacReprojThreshold=REPROJECTION_PX,
            maxIters=ITERATIONS,
        )
        return self._judged(None if found is None else np.vstack([found, [0, 0, 1]]), inside)

    def projective(self) -> tuple[Map | None, int]:
        """Find the projective map on which most points agree, and on how many spots."""
        if len(self.source) < 8:
            return None, 0
        found, inside = cv2.findHomography(
            self.source,
            self.target,
            method=METHOD,
            ransacReprojThreshold=REPROJECTION_PX,
            maxIters=ITERATIONS,
        )
        return self._judged(found, inside)

    def _judged(self, found: object, inside: object) -> tuple[Map | None, int]:
        """Refuse what editing does not do; count the spots of `target` that are marked as inside."""
        if found is None or not _is_plausible(whole := np.asarray(found, np.float64)):
            return None, 0
        # Many features on one spot are one witness.
        agreeing = self.target[np.asarray(inside).ravel() > 0]
        return whole, len({(int(x) // 4, int(y) // 4) for x, y in agreeing})


def ncc(a: Grey, b: Grey) -> float:
    """Correlate two arrays of one shape, -1 to 1; 0 when one is constant."""
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / norm) if norm > 1e-3 * a.size else 0.0


def _without_frame(grey: NDArray[np.uint8]) -> tuple[slice, slice] | None:
    """Find what lies inside a frame of one tone that runs around a picture; None when there is none."""
    ways = [grey, grey[::-1], grey.T, grey.T[::-1]]
    top, bottom, left, right = (_plain_lines(way) for way in ways)
    height, width = grey.shape
    thin = min(top / height, bottom / height, left / width, right / width)
    if not FRAME[0] <= thin or max(top + bottom, left + right) > FRAME[1] * min(height, width):
        return None
    return slice(top + 1, height - bottom - 1), slice(left + 1, width - right - 1)


def _plain_lines(grey: NDArray[np.uint8]) -> int:
    """Count the lines from the top that have the tone of the first."""
    lines = grey[: grey.shape[0] // 3].astype(np.int16)
    differs = np.abs(lines - int(np.median(lines[0]))).max(axis=1) > FRAME_NOISE
    return int(differs.argmax()) if differs.any() else 0


def _turned(grey: Grey, turn: int) -> Grey:
    """Put a picture into one of its 8 orientations."""
    grey = grey.T if turn & 4 else grey
    grey = grey[::-1] if turn & 2 else grey
    return np.ascontiguousarray(grey[:, ::-1] if turn & 1 else grey)


def _matches(one: Keypoints, two: Keypoints) -> NDArray[np.intp]:
    """Match features that are each other's nearest and clearly nearer than the second: (M, 2) indices."""
    if min(len(one.points), len(two.points)) < 2:
        return np.zeros((0, 2), np.intp)
    close = one.descriptors @ two.descriptors.T
    second, first = np.partition(close, -2, axis=1)[:, -2:].T
    nearest = close.argmax(axis=1)
    # For unit vectors d^2 = 2 - 2 cos: Lowe's ratio on distances.
    good = (1 - first) < RATIO**2 * (1 - second)
    good &= close.argmax(axis=0)[nearest] == np.arange(len(close))
    return np.stack([np.flatnonzero(good), nearest[good]], axis=1)


def _is_plausible(found: Map) -> bool:
    """Accept what editing does: no mirror, scale 1/6 to 6, sides stretched by less than a half, a slight slant."""
    scales = np.linalg.svd(found[:2, :2], compute_uv=False)
    upright = np.linalg.det(found[:2, :2]) > 0
    is_flat = float(np.abs(found[2, :2]).sum()) * SIDE < SLANT
    even = scales[1] > 1 / 6 and scales[0] < 6 and scales[0] < 1.5 * scales[1]
    return bool(upright and is_flat and even)


def _fit(
    one: Grey, two: Grey, found: Map, *, is_bent: bool = False, bare: Grey | None = None
) -> Fit:
    """Improve the map by the drift that it leaves, until none is left or none goes away, then measure."""
    best = _measure(one, two, found, bare)
    for _ in range(STEPS):
        fit = best[0]
        if fit.is_plain or fit.drift_px < 0.05 or fit.overlap < 0.1 or fit.detail_ncc < HOPELESS:
            break
        found = _without(found, best[1], is_bent=is_bent)
        if not _is_plausible(found):
            break
        better = _measure(one, two, found, bare)
        if better[0].drift_px > 0.95 * best[0].drift_px:
            break
        best = better
    return best[0]


def _measure(
    one: Grey, two: Grey, found: Map, bare: Grey | None
) -> tuple[Fit, NDArray[np.float32]]:
    """Warp `two` onto `one` and measure where `bare` is 1; also give the drift of the cells as rows x, y, dx, dy."""
    inside = _covered(one, two, found)
    warped = _warped(two, found, one)
    overlap = _overlap(inside, one, two, found)
    if bare is not None:
        inside = inside * bare
    if inside.sum() < 400:
        return Fit(overlap=overlap), np.zeros((0, 4), np.float32)
    smooth = _blurred((one, warped), inside, SMOOTH)
    coarse = _blurred((one, warped), inside, COARSE)
    left, right = ((fine - rough) * inside for fine, rough in zip(smooth, coarse, strict=True))
    n_textured, bad = _cells(left, right, inside)
    drift = _drift(left, right, inside)
    where = inside > 0
    fit = Fit(
        ncc=ncc(smooth[0][where], smooth[1][where]),
        detail_ncc=ncc(left[where], right[where]),
        bad_share=bad,
        drift_px=_upper_quartile(np.hypot(drift[:, 2], drift[:, 3])),
        overlap=overlap,
        is_plain=n_textured < PLAIN,
        bend_px=_bend(found, one),
    )
    return fit, drift


def _without_writing(one: Grey, two: Grey, found: Map) -> Grey | None:
    """Mark by 1 the pixels of `one` that nothing is written over, in either picture; None when it is no writing."""
    inside = _covered(one, two, found) > 0
    warped = _warped(two, found, one)
    left, right = (cv2.blur(each, (SMOOTH, SMOOTH)) for each in (one, warped))
    told = inside
    for _ in range(WRITING_STEPS):  # the tone of the picture without the writing
        if told.sum() < 400:
            return None
        gain, lift = np.polyfit(right[told], left[told], 1)
        off = left - (gain * right + lift)
        spread = 1.5 * float(np.median(np.abs(off[told]))) + WRITING_NOISE
        told = inside & (np.abs(off) < 2.5 * spread)
    bright, dark = (inside & (sign * off > 4 * spread) for sign in (1, -1))
    n_bright, n_dark = int(bright.sum()), int(dark.sum())
    if max(n_bright, n_dark) < WRITING_SIDED * (n_bright + n_dark):
        return None
    written = (bright if n_bright > n_dark else dark).astype(np.uint8)
    grown = cv2.dilate(written, np.ones((WRITING_EDGE, WRITING_EDGE)))
    share = float(grown[inside].mean())
    return (1 - grown).astype(np.float32) if 0 < share < WRITING_SHARE else None


def _bend(found: Map, one: Grey) -> float:
    """Say how far (px) the corners lie from where the best affine map would have them."""
    if not found[2, :2].any():
        return 0.0
    height, width = one.shape
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    moved = cv2.perspectiveTransform(corners[None], np.linalg.inv(found))[0]
    flat = np.hstack([corners, np.ones((4, 1))])
    fitted = flat @ np.linalg.lstsq(flat, moved, rcond=None)[0]
    return float(np.hypot(*(moved - fitted).T).max())


def _warped(two: Grey, found: Map, one: Grey) -> Grey:
    size = one.shape[::-1]
    if found[2, :2].any():
        return np.asarray(cv2.warpPerspective(two, found, size), np.float32)
    return np.asarray(cv2.warpAffine(two, found[:2], size), np.float32)


def _covered(one: Grey, two: Grey, found: Map) -> Grey:
    """Mark by 1 the pixels of `one` that `two` covers, without a margin; 0 elsewhere."""
    inside = (_warped(np.ones_like(two), found, one) > 0.99).astype(np.float32)
    return np.asarray(cv2.erode(inside, np.ones((5, 5)), borderValue=0), np.float32)


def _overlap(inside: Grey, one: Grey, two: Grey, found: Map) -> float:
    """Return the covered share of the picture that is covered less; what is cut at the border counts."""
    area = max(1.0, abs(float(np.linalg.det(found[:2, :2]))) * two.size)
    return min(1.0, float(inside.sum()) / max(one.size, area) + BORDER_SHARE)


def _upper_quartile(lengths: NDArray[np.float32]) -> float:
    return float(np.quantile(lengths, 0.75)) if len(lengths) >= PLAIN else 0.0


def _blurred(pictures: tuple[Grey, Grey], inside: Grey, window: int) -> list[Grey]:
    """Smooth what is inside, with a tent of this window, without what is outside bleeding in."""

    def blur(grey: Grey) -> Grey:
        return np.asarray(cv2.blur(cv2.blur(grey, (window, window)), (window, window)), np.float32)

    weight = np.maximum(blur(inside), np.float32(1e-3))
    return [blur(grey * inside) / weight for grey in pictures]


def _means(values: Grey, inside: Grey) -> Grey:
    """Average over the inside of each cell."""
    return _per_cell(values * inside) / np.maximum(_per_cell(inside), np.float32(1e-3))


def _per_cell(values: Grey) -> Grey:
    return np.asarray(cv2.resize(values, (CELLS, CELLS), interpolation=cv2.INTER_AREA), np.float32)


def _cells(left: Grey, right: Grey, inside: Grey) -> tuple[int, float]:
    """Count textured cells, and give the share of them in which the two do not correlate."""
    both, one, two = (_means(each, inside) for each in (left * right, left * left, right * right))
    told = (_per_cell(inside) > 0.5) & (np.maximum(one, two) > TEXTURE**2)
    bad = told & (both < CELL_NCC * np.sqrt(one * two))
    return int(told.sum()), float(bad.sum() / max(1, told.sum()))


def _drift(left: Grey, right: Grey, inside: Grey) -> NDArray[np.float32]:
    """Find how far each cell of `right` lies from where it lies in `left` (one Lucas-Kanade step)."""
    height, width = left.shape
    gain = np.sqrt((_means(left * left, inside) + 4) / (_means(right * right, inside) + 4))
    right = right * np.asarray(cv2.resize(gain, (width, height)), np.float32)
    middle, change = (left + right) / 2, right - left
    gx, gy = (_slope(middle, *axis) for axis in ((1, 0), (0, 1)))
    pairs = ((gx, gx), (gx, gy), (gy, gy), (gx, change), (gy, change))
    xx, xy, yy, xt, yt = (_means(a * b, inside) for a, b in pairs)
    xx, yy = xx + 0.5, yy + 0.5  # where edges run one way only, the other way stays at rest
    determinant = xx * yy - xy * xy
    dx, dy = (yy * xt - xy * yt) / determinant, (xx * yt - xy * xt) / determinant
    told = (_per_cell(inside) > 0.5) & (xx + yy > EDGES)
    rows, columns = np.nonzero(told)
    x, y = (columns + 0.5) * width / CELLS - 0.5, (rows + 0.5) * height / CELLS - 0.5
    return np.stack([x, y, dx[told], dy[told]], axis=1).astype(np.float32)


def _slope(grey: Grey, x: int, y: int) -> Grey:
    return np.asarray(cv2.Scharr(grey, cv2.CV_32F, x, y, scale=1 / 32), np.float32)


def _without(found: Map, drift: NDArray[np.float32], *, is_bent: bool) -> Map:
    """Take out of a map the part of the drift that such a map explains, most of all what most cells agree on."""
    x, y, dx, dy = drift.astype(np.float64).T
    none, one = np.zeros_like(x), np.ones_like(x)
    rows = [[x, y, one, none, none, none], [none, none, none, x, y, one]]
    if is_bent:
        rows = [[*rows[0], x * x, x * y], [*rows[1], x * y, y * y]]
    trust = 1 / (0.2 + np.hypot(dx - np.median(dx), dy - np.median(dy)))
    terms = np.concatenate([np.stack(row, 1) * trust[:, None] for row in rows])
    solved = np.linalg.lstsq(terms, np.concatenate([dx * trust, dy * trust]), rcond=None)[0]
    # right(x) = left(x + d(x)): sample at x - d(x) instead.
    slant = solved[6:] if is_bent else np.zeros(2)
    back = np.eye(3) - np.vstack([solved[:6].reshape(2, 3), [0, 0, 0]])
    back[2, :2] = slant
    changed = np.linalg.inv(np.linalg.inv(found) @ back)
    return np.asarray(changed / changed[2, 2], np.float64)
