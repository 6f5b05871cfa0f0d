"""How many faces of photographs get a box, and how many boxes hold a face: the detector behind `--each-face`.

    python3 dev.py bench face_boxes --data DIR --output benchmarks/results/face_boxes_2core_202611.md

DIR has `detect/photos.tar` with boxes in `manifest.csv`, `detect/face_counts_by_eye.csv` for members of the archives of
photographs, and `faces/utkface.tar`. Beside the labelled photographs stand montages, in which single faces of known
places, sizes and turns lie on photographs without a face. A face counts as found where the centre of a box lies in its
box and the two overlap by at least `LEAST_OVERLAP` of their union; boxes and faces are paired one to one.
"""

import argparse
import csv
import io
import json
import math
import platform
import sys
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.code_version import commit
from training.data.arrays import Pixels
from training.predict.each_face import find_turned_faces

Box = tuple[float, float, float, float]  # x, y, width, height
LEAST_OVERLAP = 0.25  # a square of the inner face in one label is the whole head in another
MONTAGES = 60
FACE_SHARE = 0.8  # of the side of a face's picture that is the face itself


@dataclass(frozen=True)
class Labelled:
    """A picture with the boxes of its faces."""

    pixels: Pixels
    boxes: Sequence[Box]


@dataclass
class Counts:
    """Faces and boxes so far: those that belong together, and all."""

    faces: int = 0
    boxes: int = 0
    matched: int = 0

    def add(self, truth: Sequence[Box], found: Sequence[Box]) -> None:
        """Count a picture."""
        self.faces, self.boxes = self.faces + len(truth), self.boxes + len(found)
        self.matched += len(pairs(truth, found))

    def row(self, name: str) -> str:
        """Write a row of the table."""
        return (
            f"| {name} | {self.faces} | {share(self.matched, self.faces)} | {self.boxes} | "
            f"{share(self.matched, self.boxes)} |"
        )


def share(part: int, whole: int) -> str:
    """Write a share with Wilson's 95 % interval."""
    if not whole:
        return "-"
    p, z = part / whole, 1.96
    middle = (p + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z * math.sqrt(p * (1 - p) / whole + z * z / (4 * whole**2)) / (1 + z * z / whole)
    return f"{p:.3f} [{max(0, middle - half):.3f}, {min(1, middle + half):.3f}]"


def overlap(one: Box, other: Box) -> float:
    """Return the intersection of two boxes over their union."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    inside = max(0.0, width) * max(0.0, height)
    return inside / (one[2] * one[3] + other[2] * other[3] - inside)


def pairs(truth: Sequence[Box], found: Sequence[Box]) -> list[tuple[int, int]]:
    """Pair faces with boxes one to one, the best overlap first."""

    def holds(face: Box, box: Box) -> bool:
        x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
        return face[0] <= x <= face[0] + face[2] and face[1] <= y <= face[1] + face[3]

    candidates = sorted(
        (-overlap(face, box), i, j)
        for i, face in enumerate(truth)
        for j, box in enumerate(found)
        if holds(face, box)
    )
    chosen: list[tuple[int, int]] = []
    for gap, i, j in candidates:
        if -gap >= LEAST_OVERLAP and all(i != a and j != b for a, b in chosen):
            chosen.append((i, j))
    return chosen


def read(path: Path) -> Iterator[tuple[str, Pixels]]:
    """Yield the pictures of an archive."""
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is None:
                continue
            try:
                with Image.open(io.BytesIO(file.read())) as picture:
                    yield member.name, np.asarray(picture.convert("RGB"))
            except OSError:
                continue


def labelled(data: Path) -> list[Labelled]:
    """Return the photographs whose boxes the manifest states."""
    with (data / "manifest.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["file"].startswith("detect/photos.tar:")]
    boxes = {
        row["file"].partition(":")[2]: json.loads(row["labels"]).get("boxes", []) for row in rows
    }
    names = ("left", "top", "width", "height")
    return [
        Labelled(pixels, [tuple(float(box[side]) for side in names) for box in boxes[name]])  # type: ignore[misc]  # four
        for name, pixels in read(data / "detect" / "photos.tar")
    ]


def counted(data: Path) -> list[tuple[Pixels, int]]:
    """Return the photographs whose faces were counted by eye: 0, 1, or 2 for more."""
    with (data / "detect" / "face_counts_by_eye.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    archives = sorted({row["archive"] for row in rows})
    numbers = {(row["archive"], row["file"]): int(row["faces"].rstrip("+")) for row in rows}
    return [
        (pixels, numbers[archive, name])
        for archive in archives
        for name, pixels in read(data / archive)
        if (archive, name) in numbers
    ]


def montages(
    grounds: Sequence[Pixels], faces: Sequence[Pixels], sides: tuple[int, int], turned: bool
) -> Iterator[Labelled]:
    """Yield photographs without a face on which one to four faces lie, of sides in px; upright or turned."""
    rng = np.random.default_rng(0)
    for _ in range(MONTAGES):
        ground = cv2.resize(grounds[rng.integers(len(grounds))], (900, 640))
        boxes: list[Box] = []
        for place in rng.permutation(6)[: rng.integers(1, 5)]:
            side = int(rng.integers(*sides))
            left = int(300 * (place % 3) + rng.integers(0, 300 - side))
            top = int(320 * (place // 3) + rng.integers(0, max(1, 310 - side)))
            face = cv2.resize(
                faces[rng.integers(len(faces))], (side, side), interpolation=cv2.INTER_AREA
            )
            ground[top : top + side, left : left + side] = face
            edge = side * (1 - FACE_SHARE) / 2
            boxes.append((left + edge, top + edge, FACE_SHARE * side, FACE_SHARE * side))
        if turned:  # a quarter to the left: x, y become y, width - x
            boxes = [(y, 900 - x - w, h, w) for x, y, w, h in boxes]
            ground = np.ascontiguousarray(np.rot90(ground))
        yield Labelled(ground, boxes)


def found(pixels: Pixels) -> list[Box]:
    """Return the boxes of the faces that are found."""
    return [face.box for face in find_turned_faces(np.ascontiguousarray(pixels))]


def half(picture: Labelled) -> Labelled:
    """Return a picture at half its size."""
    height, width = picture.pixels.shape[:2]
    size = (width // 2, height // 2)
    boxes = [tuple(number / 2 for number in box) for box in picture.boxes]
    return Labelled(cv2.resize(picture.pixels, size, interpolation=cv2.INTER_AREA), boxes)  # type: ignore[arg-type]  # four


def measured(name: str, pictures: Sequence[Labelled] | Iterator[Labelled]) -> str:
    """Return a row of the table."""
    counts = Counts()
    for picture in pictures:
        counts.add(picture.boxes, found(picture.pixels))
    row = counts.row(name)
    print(row, flush=True)
    return row


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    data: Path = options.data
    groups, by_eye = labelled(data), counted(data)
    faces = [
        pixels
        for number, (_, pixels) in enumerate(read(data / "faces" / "utkface.tar"))
        if number % 20 == 7
    ]
    empty = [pixels for pixels, number in by_eye if number == 0]
    rows = [
        measured("labelled photographs of groups", groups),
        measured("the same at half the size", [half(each) for each in groups]),
        measured(
            "montages, faces of 120 to 200 px", montages(empty, faces, (120, 200), turned=False)
        ),
        measured("montages, faces of 60 to 90 px", montages(empty, faces, (60, 90), turned=False)),
        measured("montages, faces of 36 to 48 px", montages(empty, faces, (36, 48), turned=False)),
        measured(
            "montages on their side, 120 to 200 px", montages(empty, faces, (120, 200), turned=True)
        ),
    ]
    numbers = [(len(found(pixels)), truth) for pixels, truth in by_eye]
    without = [n for n, truth in numbers if truth == 0]
    with_faces = [(n, truth) for n, truth in numbers if truth]
    lines = [
        f"- {share(sum(n == 0 for n in without), len(without))} of {len(without)} without a face get no box",
        f"- {share(sum(n > 0 for n, _ in with_faces), len(with_faces))} of {len(with_faces)} with faces get a box",
        f"- {share(sum(min(n, 2) == truth for n, truth in numbers), len(numbers))} of {len(numbers)} get as many as "
        "there are (none, one, more)",
    ]
    print("\n".join(lines))
    text = TABLE.format(
        rows="\n".join(rows), lines="\n".join(lines), commit=commit(), overlap=LEAST_OVERLAP,
        python=platform.python_version(), opencv=cv2.__version__,
    )  # fmt: skip
    if options.output:
        options.output.write_text(text, "utf-8")


TABLE = """# Boxes of faces

`python3 dev.py bench face_boxes --data DIR --output benchmarks/results/face_boxes_2core_202611.md`, commit {commit},
Python {python}, OpenCV {opencv}.

The detector of `safelight predict --each-face` with its quarter turns. A face is found where the centre of a box lies
in its box and both overlap by at least {overlap} of their union. In brackets 95 % intervals (Wilson) over faces, which
ignore that faces of one picture belong together.

| pictures | faces | recall | boxes | precision |
| --- | --- | --- | --- | --- |
{rows}

Photographs whose faces were counted by eye, on thumbnails of at most 190 px:

{lines}

A montage lays pictures of single faces on photographs without one; the sides are those of the pictures. Such faces look
at the camera: crowds, profiles and covered faces are not measured.
"""

if __name__ == "__main__":
    main()
