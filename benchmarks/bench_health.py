"""Plant damaged files among sound ones and count what the health check catches and what it refuses.

    OMP_NUM_THREADS=1 python3 dev.py bench health --data DIR --output FILE

DIR holds photos/*.tar and the other archives of real pictures. Sources are split in two halves by the hash of their
name: limits were chosen on the half `tuning`, the table tells both. Sound files are the archives' own bytes, and
harmless edits of them (bars, frames, sharpening, posters, plain areas, screenshots) in many encodings.
"""

import argparse
import hashlib
import io
import platform
import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tarfile import open as open_tar

import cv2
import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.code_version import commit  # noqa: E402
from benchmarks.damage_kinds import KINDS  # noqa: E402
from benchmarks.file_damage import encode  # noqa: E402
from benchmarks.photo_edits import EDITS  # noqa: E402
from curation.decoding.decoding import examine  # noqa: E402
from curation.stages.quality import FLAG_ABOVE, scores  # noqa: E402

ARCHIVES = (
    "photos/photos-1.tar",
    "photos/photos-2.tar",
    "neardup/neardup.tar",
    "realfake/photoshopped.tar",
)
HALVES = ("tuning", "judging")
EACH, EDITS_EACH, SEED = 12, 2, 11  # files of a kind in each half; harmless edits of each picture
Pixels = NDArray[np.uint8]
Edit = Callable[[Pixels, random.Random], Pixels]


@dataclass(frozen=True)
class Source:
    """A real file: its name, the half its source belongs to, its bytes."""

    name: str
    half: str
    body: bytes


def read_sources(data: Path, every: int) -> list[Source]:
    """Read every n-th real file of the archives."""
    result = []
    for archive in ARCHIVES:
        with open_tar(data / archive) as tar:
            for entry in [each for each in tar if each.isfile()][::every]:
                stream = tar.extractfile(entry)
                name = Path(entry.name).name
                source = "__".join(name.split("__")[:2]) if "__" in name else name.split("_")[0]
                half = HALVES[hashlib.sha256(source.encode()).digest()[0] % 2]
                if stream is not None:
                    result.append(Source(name, half, stream.read()))
    return result


def bars(picture: Pixels, rng: random.Random) -> Pixels:
    """Put black or white bars of random height above and below, or at the sides."""
    px = [rng.randint(3, picture.shape[0] // 3) for _ in range(2)]
    tone = [rng.choice([0, 0, 8, 255])] * 3
    around = (*px, 0, 0) if rng.random() < 0.7 else (0, 0, *px)
    return cv2.copyMakeBorder(picture, *around, cv2.BORDER_CONSTANT, value=tone)


def sharpen_hard(picture: Pixels, rng: random.Random) -> Pixels:
    soft = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.8, 3))
    strength = rng.uniform(0.5, 2.5)
    return cv2.addWeighted(picture, 1 + strength, soft, -strength, 0)


def poster(picture: Pixels, rng: random.Random) -> Pixels:
    """Reduce to 2 to 5 tones a channel."""
    step = 255 / rng.randint(1, 4)
    return np.clip(np.round(picture / step) * step, 0, 255).astype(np.uint8)


def flat_band(picture: Pixels, rng: random.Random) -> Pixels:
    """Cover everything below, or a rectangle inside, with one colour."""
    height, width = picture.shape[:2]
    result = picture.copy()
    colour = [rng.randrange(256) for _ in range(3)]
    top = rng.randrange(height // 4, height)
    if rng.random() < 0.5:
        result[top:] = colour
    else:
        left, right = sorted(rng.sample(range(width), 2))
        result[top // 2 : top, left:right] = colour
    return result


def panels(picture: Pixels, rng: random.Random) -> Pixels:
    """Stack the picture on a shifted, brighter copy, as comic strips and comparisons do."""
    other = np.clip(picture.astype(np.int16) + rng.choice([-60, -25, 25, 60]), 0, 255).astype(
        np.uint8
    )
    cut_at = rng.randrange(picture.shape[0] // 4, picture.shape[0])
    return np.concatenate([picture[:cut_at], other[cut_at // 2 :]])


def steps(picture: Pixels, rng: random.Random) -> Pixels:
    """Brighten rectangles with edges at multiples of 4 px, often on coding units: windows, labels, selections."""
    result = picture.astype(np.int16)
    height, width = picture.shape[:2]
    for _ in range(rng.randint(1, 4)):
        top, left = (rng.randrange(0, side // 4) * 4 for side in (height, width))
        tall, wide = (rng.randrange(4, side // 4) * 4 for side in (height, width))
        result[top : top + tall, left : left + wide] += rng.choice([-70, -30, 30, 70])
    return np.clip(result, 0, 255).astype(np.uint8)


def night(picture: Pixels, rng: random.Random) -> Pixels:
    return np.clip(picture * rng.uniform(0.03, 0.2), 0, 255).astype(np.uint8)


def document(picture: Pixels, rng: random.Random) -> Pixels:
    """Write lines of text on white, with the picture below them."""
    page = np.full((picture.shape[0] + 200, picture.shape[1], 3), 255, np.uint8)
    page[200:] = picture
    for line in range(12):
        text = "".join(rng.choice("etaoin shrdlu") for _ in range(60))
        cv2.putText(page, text, (4, 14 + 15 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1)
    return page


def blank(picture: Pixels, rng: random.Random) -> Pixels:
    """Put a small picture on a large plain page."""
    page = np.full((900, 1200, 3), rng.choice([0, 128, 255]), np.uint8)
    small = cv2.resize(picture, (150, 110), interpolation=cv2.INTER_AREA)
    top, left = rng.randrange(780), rng.randrange(1040)
    page[top : top + 110, left : left + 150] = small
    return page


MADE: dict[str, Edit] = {
    "bars": bars,
    "sharpened hard": sharpen_hard,
    "poster": poster,
    "flat band": flat_band,
    "panels": panels,
    "bright rectangles": steps,
    "night": night,
    "document": document,
    "blank page": blank,
}
ENCODINGS: tuple[tuple[str, dict[str, object]], ...] = (
    *(("JPEG", {"quality": q, "subsampling": s}) for q in (15, 40, 75, 92) for s in (0, 1, 2)),
    *(("JPEG", {"quality": q, "optimize": True}) for q in (30, 80)),
    *(("JPEG", {"quality": q, "progressive": True}) for q in (50, 85)),
    ("JPEG", {"quality": 80, "restart_marker_rows": 1}),
    ("PNG", {}),
    ("WEBP", {"quality": 60}),
    ("WEBP", {"lossless": True}),
    ("GIF", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("BMP", {}),
    ("AVIF", {"speed": 9}),
    ("JPEG2000", {}),
)


def sound_files(sources: list[Source]) -> Iterator[tuple[str, str, bytes]]:
    """Give (half, kind, bytes) of sound files: the real bytes, and edits of them."""
    edits = {f"edit: {name}": edit for name, edit in EDITS.items()} | MADE
    for source in sources:
        yield source.half, "original", source.body
        try:
            picture = pixels_of(source.body)
        except OSError:
            continue  # refused originals are counted above
        rng = random.Random(f"{SEED} {source.name}")
        for name in rng.sample(sorted(MADE), EDITS_EACH) + rng.sample(sorted(edits), 1):
            container, options = rng.choice(ENCODINGS)
            edited = np.ascontiguousarray(edits[name](picture, rng))
            yield source.half, name, encode(Image.fromarray(edited), container, **options)


def damaged_files(sources: list[Source]) -> Iterator[tuple[str, str, bytes]]:
    """Give (half, kind, bytes) of files with planted damage."""
    for half in HALVES:
        own = [source for source in sources if source.half == half]
        for kind, damage in KINDS.items():
            rng = random.Random(f"{SEED} {half} {kind}")
            for source in rng.sample(own, min(EACH, len(own))):
                yield half, kind, damage(Image.fromarray(pixels_of(source.body)), rng)


def pixels_of(body: bytes) -> Pixels:
    """Decode as RGB, enlarged where it is smaller than 200 px."""
    picture = np.asarray(Image.open(io.BytesIO(body)).convert("RGB"))
    factor = 200 / min(picture.shape[:2])
    return picture if factor <= 1 else cv2.resize(picture, None, fx=factor, fy=factor)


def overexposed(picture: Pixels, rng: random.Random) -> Pixels:
    """Overexpose by 1.5 to 3.5 stops in linear light, with a little veiling glare; highlights clip."""
    light = (picture / 255.0) ** 2.2 * 2 ** rng.uniform(1.5, 3.5) + rng.uniform(0.3, 0.7)
    return (255 * np.clip(light, 0, 1) ** (1 / 2.2)).astype(np.uint8)


def is_refused_by_pillow(body: bytes) -> bool:
    """Say whether Pillow raises when it decodes the whole file, as most pipelines check their files."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.open(io.BytesIO(body)).convert("RGB")
    except Exception:  # noqa: BLE001 - whatever Pillow raises is a refusal
        return True
    return False


@dataclass
class Count:
    """Files of one kind in one half: how many, how many were refused, here and by Pillow; the reasons."""

    files: int = 0
    refused: int = 0
    by_pillow: int = 0
    details: Counter[str] = field(default_factory=Counter)


Counts = dict[tuple[str, str], Count]


def count(files: Iterator[tuple[str, str, bytes]]) -> Counts:
    """Examine the files and count them by (half, kind)."""
    result: Counts = {}
    for half, kind, body in files:
        health, row = examine(body), result.setdefault((half, kind), Count())
        row.files += 1
        row.refused += health.decode_status != "ok"
        row.by_pillow += is_refused_by_pillow(body)
        if health.decode_status != "ok":
            row.details[f"{health.decode_status}: {health.detail}"] += 1
    return result


def bright_shares(sources: list[Source]) -> list[str]:
    """Compare the score `bright` of real photographs and of overexposed ones."""
    lines = []
    for half in HALVES:
        own = [pixels_of(each.body) for each in sources if each.half == half]
        burnt = [overexposed(pixels, random.Random(k)) for k, pixels in enumerate(own)]
        pale = [pixels for pixels in burnt if np.percentile(pixels.mean(axis=2), 5) >= 0.9 * 255]
        flagged = [
            sum(scores(pixels)["bright"] > FLAG_ABOVE["bright"] for pixels in group)
            for group in (own, pale)
        ]
        lines.append(
            f"| {half} | {flagged[0]} of {len(own)} photographs | {flagged[1]} of {len(pale)} overexposed ones |"
        )
    return lines


def total(counts: Counts, half: str) -> Count:
    """Add up the kinds of a half."""
    rows = [row for (where, _), row in counts.items() if where == half]
    return Count(
        *(sum(getattr(row, name) for row in rows) for name in ("files", "refused", "by_pillow"))
    )


def table(caught: Counts, refused: Counts, bright: list[str], seconds: float) -> str:
    """Write the table."""
    lines = [
        "# Health: planted damage and sound files",
        "",
        f"Commit {commit()}, Python {platform.python_version()}, Pillow {PIL.__version__}; {seconds:.0f} s of CPU "
        f"with making the files. {len(KINDS)} kinds of damage, {EACH} files of each in each half of the sources; "
        "limits were chosen on the half `tuning`. Refused means that `decode_status` is not `ok`; beside it what "
        "Pillow refuses when it decodes the whole file.",
        "",
        "| half | damaged files | refused | by Pillow | sound files | refused | by Pillow |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for half in HALVES:
        bad, good = total(caught, half), total(refused, half)
        lines.append(
            f"| {half} | {bad.files} | {bad.refused / bad.files:.1%} | {bad.by_pillow / bad.files:.1%} "
            f"| {good.files} | {good.refused} | {good.by_pillow} |"
        )
    lines += ["", "Sound files that were refused:", ""]
    lines += [
        f"- {half}, {kind}: {n} x {detail}"
        for (half, kind), row in refused.items()
        for detail, n in row.details.items()
    ]
    lines += [
        "",
        "## By kind",
        "",
        "| kind | tuning | judging | Pillow, both |",
        "| --- | ---: | ---: | ---: |",
    ]
    for kind in KINDS:
        rows = [caught[half, kind] for half in HALVES]
        shares = " | ".join(f"{row.refused} of {row.files}" for row in rows)
        lines.append(
            f"| {kind} | {shares} | {sum(row.by_pillow for row in rows)} of {sum(row.files for row in rows)} |"
        )
    lines += ["", "## Overexposed pictures", "", *OVEREXPOSED, *bright, ""]
    return "\n".join(lines)


OVEREXPOSED = (
    "Photographs brightened by 1.5 to 3.5 EV with a veil, of which the 5th percentile is 0.9 or more; flag "
    f"`quality_bright` above {FLAG_ABOVE['bright']}.",
    "",
    "| half | flagged among | flagged among |",
    "| --- | --- | --- |",
)


def main() -> None:
    """Plant, examine and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--every", type=int, default=1, help="Take every n-th real file only.")
    options = parser.parse_args()
    started = time.process_time()
    sources = read_sources(options.data, options.every)
    decodable = [each for each in sources if examine(each.body).decode_status == "ok"]
    caught, refused = count(damaged_files(decodable)), count(sound_files(sources))
    bright = bright_shares(decodable[::4])
    text = table(caught, refused, bright, time.process_time() - started)
    print(text)
    if options.output:
        options.output.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
