"""Plant pictures that share content with others across a split, and count what the leak audit reports.

    OMP_NUM_THREADS=1 python3 -m benchmarks.bench_leaks --data DIR --output FILE

DIR holds photos/*.tar. Of each half of the sources, photographs go to train; edits, collages and screenshots of some of
them go to test, beside photographs of other sources. Limits were chosen on the half `tuning`. A reported pair is wrong
when its two pictures are of different sources and not planted.
"""

import argparse
import hashlib
import io
import platform
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tarfile import open as open_tar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import photo_edits as edits  # noqa: E402
from benchmarks.code_version import commit  # noqa: E402
from curation.duplicates.index import Descriptors, SimilarityIndex  # noqa: E402
from curation.duplicates.limits import CandidateLimits, VerificationLimits  # noqa: E402
from curation.duplicates.verification import Verifier  # noqa: E402
from curation.similarity.neighbours import compact  # noqa: E402
from curation.similarity.pdq import luma_of, pdq  # noqa: E402
from curation.similarity.picture_features import FeatureCache  # noqa: E402
from curation.splits.shared_content import (  # noqa: E402
    LEAK_INLIERS,
    PART_INLIERS,
    ContentComparison,
    SharedContent,
    pairs_across,
    part_pairs,
)
from curation.stages.embeddings import EfficientNetLite0  # noqa: E402

ARCHIVES = ("photos/photos-1.tar", "photos/photos-2.tar")
HALVES, SEED, EACH = ("tuning", "judging"), 3, 10
Picture = NDArray[np.uint8]
Plant = Callable[[list[Picture], random.Random], Picture]


def blur_strongly(picture: Picture, rng: random.Random) -> Picture:
    return cv2.GaussianBlur(picture, (0, 0), rng.uniform(2, 3.5))


def outlined_text(picture: Picture, _: random.Random) -> Picture:
    """Write large letters with an outline over two lines, as memes have."""
    result = picture.copy()
    for place in (0.2, 0.92):
        at = (8, int(place * picture.shape[0]))
        for colour, width in ((0, 7), (255, 3)):
            cv2.putText(
                result, "WHEN IT WORKS", at, cv2.FONT_HERSHEY_DUPLEX, 1.5, [colour] * 3, width
            )
    return result


def repost(picture: Picture, rng: random.Random) -> Picture:
    """Crop, add a caption, encode again."""
    return edits.encode_and_decode(
        edits.add_caption(edits.crop(picture, rng, 0.75), rng), quality=50
    )


def half_page(picture: Picture, rng: random.Random) -> Picture:
    """Show a crop of 40 % of the area."""
    return edits.crop(picture, rng, 0.4)


def story(picture: Picture, _: random.Random) -> Picture:
    """Put the picture between blurred bars."""
    height, width = picture.shape[:2]
    page = cv2.resize(picture, (width, int(1.6 * width)))
    page = cv2.GaussianBlur(page, (0, 0), 15)
    top = (page.shape[0] - height) // 2
    if top < 0:
        return edits.embed_in_screenshot(picture, random.Random(0))
    page[top : top + height] = picture
    return page


def of_one(edit: edits.Edit) -> Plant:
    return lambda pictures, rng: np.ascontiguousarray(edit(pictures[0], rng))


PLANTS: dict[str, tuple[int, Plant]] = {
    "collage of two": (2, lambda pictures, _: edits.make_collage(pictures)),
    "collage of four": (4, lambda pictures, _: edits.make_collage(pictures)),
    "screenshot": (1, of_one(edits.embed_in_screenshot)),
    "story with blurred bars": (1, of_one(story)),
    "crop to 40 %": (1, of_one(half_page)),
    "repost": (1, of_one(repost)),
    "strong blur": (1, of_one(blur_strongly)),
    "outlined text": (1, of_one(outlined_text)),
    "sharpened": (1, of_one(edits.sharpen)),
    "turned 20 degrees": (1, of_one(lambda picture, _: edits.rotate_and_zoom(picture, 20))),
    "gamma": (1, of_one(edits.change_gamma)),
    "contrast": (1, of_one(edits.change_contrast)),
    "mirrored": (1, of_one(lambda picture, _: picture[:, ::-1])),
    "watermark all over": (1, of_one(edits.add_watermark)),
}
"""Kind -> how many photographs it shows, and how it is made."""


@dataclass
class Planted:
    """Pictures by name with their side and source; `pairs`: planted pairs (smaller, larger name) to their kind."""

    pictures: dict[str, Picture]
    sides: dict[str, str]
    source: dict[str, str]
    pairs: dict[tuple[str, str], str]


def plant(data: Path, half: str, every: int) -> Planted:
    """Read the photographs of a half and plant edits of them on the other side."""
    result = Planted({}, {}, {}, {})
    for archive in ARCHIVES:
        with open_tar(data / archive) as tar:
            for entry in [each for each in tar if each.isfile()][::every]:
                stream, name = tar.extractfile(entry), Path(entry.name).stem
                source = "__".join(name.split("__")[:2])
                digest = hashlib.sha256(source.encode()).digest()
                if stream is None or HALVES[digest[0] % 2] != half:
                    continue
                picture = np.asarray(Image.open(io.BytesIO(stream.read())).convert("RGB"))
                if min(picture.shape[:2]) >= 100:
                    result.pictures[name], result.source[name] = picture, source
                    result.sides[name] = "train" if digest[1] % 4 else "test"
    rng = random.Random(f"{SEED} {half}")
    originals = sorted(name for name, side in result.sides.items() if side == "train")
    for kind, (n, make) in PLANTS.items():
        for number in range(EACH):
            shown = rng.sample(originals, n)
            name = f"planted {kind} {number}"
            made = make([result.pictures[each] for each in shown], rng)
            result.pictures[name] = edits.encode_and_decode(made, quality=85)
            result.sides[name] = "test"
            result.source[name] = " ".join(sorted({result.source[each] for each in shown}))
            result.pairs |= {(min(each, name), max(each, name)): kind for each in shown}
    return result


@cache
def embedder() -> EfficientNetLite0:
    """Load the default embedder once."""
    result = EfficientNetLite0()
    result.load()
    return result


def embed(pictures: dict[str, Picture]) -> NDArray[np.float32]:
    """Embed the pictures, in the order of their names."""
    small = [
        cv2.resize(pictures[name], (288, 288), interpolation=cv2.INTER_AREA)
        for name in sorted(pictures)
    ]
    chunks = [np.stack(small[start : start + 32]) for start in range(0, len(small), 32)]
    return np.concatenate([embedder().embed(chunk) for chunk in chunks])


def missed_by_search(planted: Planted, vectors: NDArray[np.float32]) -> set[tuple[str, str]]:
    """Give the planted pairs that the verification of copies ties neither as copies nor as one scene."""
    verifier = Verifier(FeatureCache(planted.pictures.__getitem__), VerificationLimits())
    place = {name: row for row, name in enumerate(sorted(planted.pictures))}
    missed = set()
    for pair in planted.pairs:
        cosine = float(vectors[place[pair[0]]] @ vectors[place[pair[1]]])
        if cosine < 0.62 or verifier.verify(*pair, cosine).verdict == "different":
            missed.add(pair)
    return missed


def close_by_hash(planted: Planted, vectors: NDArray[np.float32]) -> dict[tuple[str, str], float]:
    """Give the pairs across the split that the search for copies compares for their hashes, with their cosines."""
    names = sorted(planted.pictures)
    hashes = [pdq(luma_of(planted.pictures[name])) for name in names]
    bits, quality = np.stack([each.bits[0] for each in hashes]), [each.quality for each in hashes]
    described = Descriptors(names, compact(vectors), bits, np.array(quality, np.int8))
    pairs = SimilarityIndex.empty(CandidateLimits()).updated(described).pairs()
    columns = zip(pairs.left, pairs.right, pairs.by_hash, pairs.cosine, strict=True)
    close = {(names[i], names[j]): float(cosine) for i, j, by_hash, cosine in columns if by_hash}
    sides = planted.sides
    return {pair: cosine for pair, cosine in close.items() if sides[pair[0]] != sides[pair[1]]}


def main() -> None:
    """Plant, audit and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--every", type=int, default=1, help="Take every n-th photograph only.")
    parser.add_argument("--halves", nargs="+", default=list(HALVES))
    options = parser.parse_args()
    sections = []
    for half in options.halves:
        planted = plant(options.data, half, options.every)
        vectors = embed(planted.pictures)
        started = time.process_time()
        names = tuple(sorted(planted.pictures))
        candidates = close_by_hash(planted, vectors)
        candidates |= pairs_across(names, compact(vectors), planted.sides)
        comparison = ContentComparison(FeatureCache(planted.pictures.__getitem__))
        comparison.shared(candidates, LEAK_INLIERS)
        owners, thumbnails = comparison.part_thumbnails(288)
        parts = compact(embedder().embed_parts(thumbnails)) if owners else compact(vectors[:0])
        candidates |= part_pairs(owners, parts, names, compact(vectors), planted.sides)
        reported = comparison.shared(candidates, LEAK_INLIERS)
        seconds = time.process_time() - started
        missed = missed_by_search(planted, vectors)
        sections.append(section(half, planted, reported, missed, (len(candidates), seconds)))
    head = (
        f"# Leaks across a split: planted pairs\n\nCommit {commit()}, Python {platform.python_version()}, Lite0 "
        "embeddings. Missed by the search: the verification of copies calls the pair different, or it is no "
        "candidate.\n"
    )
    text = "\n".join([head, *sections])
    print(text)
    if options.output:
        options.output.write_text(text, "utf-8")


def section(
    half: str,
    planted: Planted,
    reported: list[SharedContent],
    missed: set[tuple[str, str]],
    cost: tuple[int, float],
) -> str:
    """Write the table of one half."""
    inliers = {(each.a, each.b): each.inliers for each in reported}
    of_kind = Counter(planted.pairs.values())
    rows = []
    for kind, n in of_kind.items():
        pairs = [pair for pair, what in planted.pairs.items() if what == kind]
        lost = [pair for pair in pairs if pair in missed]
        rows.append(
            f"| {kind} | {n} | {sum(pair in inliers for pair in pairs)} "
            f"| {sum(inliers.get(pair, 0) >= PART_INLIERS for pair in pairs)} "
            f"| {len(lost)} | {sum(pair in inliers for pair in lost)} |"
        )
    unplanted = [each for each in reported if (each.a, each.b) not in planted.pairs]
    wrong = [
        each
        for each in unplanted
        if not set(planted.source[each.a].split()) & set(planted.source[each.b].split())
    ]
    tied = sum(each.inliers >= PART_INLIERS for each in wrong)
    found = sum(pair in inliers for pair in planted.pairs)
    n_missed = sum(pair in inliers for pair in missed)
    return "\n".join(
        [
            f"\n## {half}\n",
            f"{len(planted.pictures)} pictures, {cost[0]} pairs compared in {cost[1]:.1f} s of CPU. Planted pairs "
            f"reported: {found} of {len(planted.pairs)} ({found / len(planted.pairs):.0%}); of those that the search "
            f"misses: {n_missed} of {len(missed)}. Reported pairs of different sources that were not planted: "
            f"{len(wrong)}, of which {tied} would tie.\n",
            "| kind | planted | reported | strong enough to tie | missed by the search | of these reported |",
            "| --- | ---: | ---: | ---: | ---: | ---: |",
            *rows,
            "",
            *(
                f"- not planted: {each.a}, {each.b}, cosine {each.cosine:.2f}, {each.inliers} spots"
                for each in wrong
            ),
        ]
    )


if __name__ == "__main__":
    main()
