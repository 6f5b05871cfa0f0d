"""Visual quality: eight scores of a picture from 0 (no sign of the defect) to 1; they never drop a picture.

The ideas and thresholds of dark, bright, odd aspect and low information are those of cleanvision; the blur is the
measure of Crete, Dolmiere, Ladret and Nicolas, "The blur effect" (SPIE 6492, 2007); the others are our own and
described at their functions. All are computed from the preview: upright RGB, at most 640 px a side.
"""

from collections.abc import Callable, Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curation.decoding.health import shrink
from curation.stages.stage import with_outputs

Grey = npt.NDArray[np.uint8]
Pixels = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.intp]

FLAG_ABOVE: Final = {
    "dark": 0.68,
    "bright": 0.82,
    "blur": 0.5,
    "low_information": 0.62,
    "odd_aspect": 0.65,
    "border": 0.02,
    "watermark_like": 0.8,
    "grayscale": 0.9,
}
"""Score -> the value above which the picture is flagged; for `blur` see `flag_limit`."""

# The blur effect is measured in px, so it rises when a picture is shown small: a chip of 200 px whose edges are 2 px
# soft looks sharp. Measured on 400 chips of faces and on 150 photographs, each also blurred by 1 to 4 px.
SHARP_SIDE_PX: Final = 448  # from this longest side on, the limit is that of `FLAG_ABOVE`
CHIP_SIDE_PX, CHIP_BLUR = 200, 0.75  # up to this longest side, the limit is this one

SIDE_PX: Final = 512  # longest side at which pictures are scored
COLOUR_SIDE_PX: Final = 160
BLUR_WINDOW: Final = 9  # px, of the second blur (Crete et al.)
BAR_TONES: Final = 12  # grey levels that JPEG leaves in a plain bar
COLOURFUL: Final = 20.0  # mean chroma, in grey levels, of a picture with colours
STROKE_PX: Final = 9  # lettering has thinner strokes
STROKE_TONES: Final = 8  # grey levels that a stroke must stand out by
LINE_PX: Final = (10, 16, 24, 36)  # heights of a line of lettering
LETTERS: Final = 8  # gaps between strokes along a line that count in full


class Quality:
    """Stage: `preview` to the scores of table `quality`."""

    name = "quality"
    version = "1"
    inputs = ("preview", "preview_width")
    outputs = pa.schema([pa.field(name, pa.float64()) for name in FLAG_ABOVE])

    def setup(self) -> None:
        """Do nothing: the scores need no weights."""

    def run(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Score each picture of the batch."""
        pictures = zip(*(batch.column(name).to_pylist() for name in self.inputs), strict=True)
        scores_of_pictures = [scores(preview_pixels(*each)) for each in pictures]
        columns: dict[str, Sequence[object]] = {
            name: [row[name] for row in scores_of_pictures] for name in self.outputs.names
        }
        return with_outputs(batch, self.outputs, columns)


def flag_limit(name: str) -> pl.Expr:
    """Give the limit of a score; that of `blur` falls from 0.75 to 0.5 with column `longest_side` (px)."""
    limit = FLAG_ABOVE[name]
    if name != "blur":
        return pl.lit(limit)
    share = (SHARP_SIDE_PX - pl.col("longest_side")) / (SHARP_SIDE_PX - CHIP_SIDE_PX)
    return limit + (CHIP_BLUR - limit) * share.cast(pl.Float64).fill_null(0).clip(0, 1)


def preview_pixels(preview: bytes, width: int) -> Pixels:
    """Give the preview as RGB pixels (height, width, 3)."""
    return np.frombuffer(preview, np.uint8).reshape(-1, width, 3)


def scores(pixels: Pixels) -> dict[str, float]:
    """Score upright RGB pixels (height, width, 3): every value in [0, 1]."""
    small = shrink(pixels, SIDE_PX)
    luma = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    counts = np.bincount(luma.ravel(), minlength=256)
    rules: dict[str, Callable[[], float]] = {
        "dark": lambda: 1 - percentile(counts, 0.99) / 255,
        "bright": lambda: percentile(counts, 0.05) / 255,
        "blur": lambda: blur(luma),
        "low_information": lambda: 1 - entropy(counts) / 8,
        "odd_aspect": lambda: 1 - min(pixels.shape[:2]) / max(pixels.shape[:2]),
        "border": lambda: border(luma),
        "watermark_like": lambda: watermark_like(luma),
        "grayscale": lambda: grayscale(shrink(small, COLOUR_SIDE_PX)),
    }
    return {name: float(np.clip(rule(), 0, 1)) for name, rule in rules.items()}


def percentile(counts: Counts, share: float) -> int:
    """Give the tone below or at which this share of the pixels lies; `counts` is the histogram of 256 tones."""
    return int(np.searchsorted(np.cumsum(counts), share * counts.sum()))


def blur(luma: Grey) -> float:
    """Give the share of the variation between neighbours that a second blur leaves, the worse of both directions.

    A sharp picture loses most of its variation. A plain picture has no variation and gives 1.
    """
    worst = 0.0
    sharp = luma.astype(np.float32)
    for down, kernel in ((True, (1, BLUR_WINDOW)), (False, (BLUR_WINDOW, 1))):
        soft = cv2.blur(sharp, kernel)
        before, after = (
            cv2.absdiff(each[1:], each[:-1]) if down else cv2.absdiff(each[:, 1:], each[:, :-1])
            for each in (sharp, soft)
        )
        total = float(cv2.sumElems(before)[0])
        lost = float(np.maximum(np.subtract(before, after), 0).sum(dtype=np.float64))
        worst = max(worst, (total - lost) / total if total else 1.0)
    return worst


def entropy(counts: Counts) -> float:
    """Give the entropy of a histogram, in bits (0 to 8 for 256 tones)."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def border(luma: Grey) -> float:
    """Give the share of the area in bars of one tone at two opposite edges, or in a frame.

    A bar at one edge alone is more often a wall or the sky than an added bar, and does not count.
    """
    sides = [_plain_lines(view) for view in (luma, luma[::-1], luma.T, luma.T[::-1])]
    height, width = luma.shape
    if sides[0] == height:
        return 0.0  # the whole picture is plain: that is low information
    inside = (1 - 2 * min(sides[:2]) / height) * (1 - 2 * min(sides[2:]) / width)
    return float(1 - max(inside, 0.0))


def _plain_lines(luma: Grey) -> int:
    """Count the lines from the top that have the tone of the first line, which must be plain."""
    if int(np.ptp(luma[0])) > 2 * BAR_TONES:  # most pictures end here
        return 0
    lines = luma.astype(np.int16)
    differs = np.abs(lines - int(np.median(lines[0]))).max(axis=1) > BAR_TONES
    return int(differs.argmax()) if differs.any() else len(luma)


def watermark_like(luma: Grey) -> float:
    """Score how much one line of pale thin strokes differs from the lines above and below it.

    Strokes are the pixels that a morphological opening removes. A line of lettering has many gaps, and the lines above
    and below it have few strokes; grass and leaves have as many strokes there. The score is weak: a fence or a keyboard
    can look like lettering.
    """
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (STROKE_PX, STROKE_PX))
    strokes = cv2.morphologyEx(luma, cv2.MORPH_TOPHAT, kernel) > STROKE_TONES
    rows = strokes.mean(axis=1)
    sums = np.concatenate([[0.0], np.cumsum(rows)])
    best = 0.0
    for height in LINE_PX:
        if len(rows) < 3 * height:
            break
        means = (sums[height:] - sums[:-height]) / height
        here = means[height:-height]
        around = np.maximum(means[: -2 * height], means[2 * height :])
        contrast = (here - around) / (here + 0.02)
        place = int(contrast.argmax())
        line = strokes[place + height : place + 2 * height].any(axis=0)
        gaps = int(np.count_nonzero(np.diff(line.astype(np.int8)) == 1))
        best = max(best, float(contrast[place]) * min(1.0, gaps / LETTERS))
    return best


def grayscale(pixels: Pixels) -> float:
    """Give 1 minus the mean chroma (distance from grey in Cr and Cb) divided by that of a colourful picture."""
    chroma = cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb)[..., 1:].astype(np.float32) - 128
    distance = np.hypot(chroma[..., 0], chroma[..., 1])
    return 1 - float(distance.mean()) / COLOURFUL
