"""How many labels a taste needs: pictures chosen by the model's uncertainty against pictures drawn at random.

    OMP_NUM_THREADS=1 python3 dev.py bench label --data DIR --output FILE

DIR holds `realfake/realfake.tar` (folders real and fake), `faces/utkface.tar` (age_gender_race_time in the name) and
`photos/truth.csv` with the archives that it names (ISO). A made person labels by a rule that only the labels show:
real or generated, adult or child, man or woman, and high ISO. The labelling of the page is used as it is, with its
repeats and random pictures; the random order differs in nothing else. Half of the pictures, whole sources for
photographs, are only judged: balanced accuracy and area are means over seeds, with the 2.5 and 97.5 percentiles.
"""

import argparse
import csv
import io
import platform
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tarfile import open as open_tar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.code_version import commit  # noqa: E402
from catalog.lake.judgements import Judgement  # noqa: E402
from catalog.web.labelling.candidates import Candidates, on_main_axes  # noqa: E402
from catalog.web.labelling.labelled_task import LabelledTask  # noqa: E402
from catalog.web.labelling.taste_model import fit  # noqa: E402
from curation import EfficientNetLite0  # noqa: E402
from training.evaluation.tasks.binary import area, area_sums  # noqa: E402

STEPS = (16, 32, 60, 120)
MOMENT = datetime(2026, 1, 1)  # noqa: DTZ001 - the catalog keeps UTC without a zone
SIDE, BATCH = 288, 16
MOST = {"faces": 800, "realfake": 1000, "photos": 1201}
CHILD_YEARS, HIGH_ISO = 18, 400

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Question:
    """What a made person says: labels (N,) of some of the pictures (N,), and which pictures are only judged (N,)."""

    name: str
    pictures: tuple[str, ...]
    vectors: Vectors
    labels: tuple[str, ...]
    is_judged: NDArray[np.bool_]


def half(name: str) -> bool:
    """Say whether a name is in the half that is only judged."""
    return zlib.crc32(name.encode()) % 2 == 1


def members(path: Path, most: int) -> list[tuple[str, bytes]]:
    """Read pictures of a tar archive, spread over it by the hash of their names."""
    with open_tar(path) as tar:
        files = [each for each in tar.getmembers() if each.isfile()]
        chosen = sorted(files, key=lambda each: zlib.crc32(each.name.encode()))[:most]
        return [(each.name, tar.extractfile(each).read()) for each in chosen]  # type: ignore[union-attr]  # files


def vectors_of(bodies: list[bytes]) -> Vectors:
    """Embed pictures, squeezed to squares, and project the vectors as the page does."""
    embedder = EfficientNetLite0()
    embedder.load()
    parts = []
    for start in range(0, len(bodies), BATCH):
        squares = [square(body) for body in bodies[start : start + BATCH]]
        parts.append(embedder.embed(np.stack(squares)))
        print(f"{start + len(squares)} of {len(bodies)}", file=sys.stderr)
    return on_main_axes(np.concatenate(parts))


def square(body: bytes) -> NDArray[np.uint8]:
    """Decode a picture upright to SIDE x SIDE px."""
    picture = ImageOps.exif_transpose(Image.open(io.BytesIO(body))).convert("RGB")
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX))


def questions(data: Path) -> Iterator[Question]:
    """Make the four questions."""
    for folder, file in (("realfake", "realfake.tar"), ("faces", "utkface.tar")):
        listed = members(data / folder / file, MOST[folder])
        names = [name for name, _ in listed]
        vectors, judged = vectors_of([body for _, body in listed]), np.array(list(map(half, names)))
        if folder == "realfake":
            said = {"real or generated": [name.split("/")[0] for name in names]}
        else:
            parts = [Path(name).name.split("_") for name in names]
            said = {
                "child or adult": [
                    "child" if int(age) < CHILD_YEARS else "adult" for age, *_ in parts
                ],
                "man or woman": [("man", "woman")[int(gender)] for _, gender, *_ in parts],
            }
        for name, labels in said.items():
            yield Question(name, tuple(names), vectors, tuple(labels), judged)
    yield of_photographs(data)


def of_photographs(data: Path) -> Question:
    """Ask for high ISO; whole sources are judged."""
    with (data / "photos/truth.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["ISO"].isdigit()]
    bodies: dict[str, bytes] = {}
    for archive in sorted({row["archive"] for row in rows}):
        bodies |= members(data / archive, MOST["photos"])
    rows = [row for row in rows if row["file"] in bodies]
    labels = ["high" if int(row["ISO"]) >= HIGH_ISO else "low" for row in rows]
    judged = np.array([half(row["source_repo"]) for row in rows])
    names = tuple(row["file"] for row in rows)
    vectors = vectors_of([bodies[name] for name in names])
    return Question("ISO of 400 and more", names, vectors, tuple(labels), judged)


def asked(question: Question, seed: int) -> Iterator[tuple[int, list[int]]]:
    """Label as the page asks; give the places that are labelled after each number of key presses in STEPS."""
    open_ones = np.flatnonzero(~question.is_judged)
    pictures = tuple(question.pictures[place] for place in open_ones)
    place_of = dict(zip(pictures, open_ones.tolist(), strict=True))
    task = LabelledTask(
        "said", f"person {seed}", Candidates(pictures, question.vectors[open_ones]), []
    )
    for number in range(1, max(STEPS) + 1):
        if task.is_due():
            task.order = task.reordered()
        [shown] = task.upcoming(1)
        name = pictures[shown.place]
        value, when = question.labels[place_of[name]], MOMENT + timedelta(seconds=number)
        about = task.about(name, value)
        made = Judgement(f"label:{number}", name, task.task, value, task.by, when, **about)  # type: ignore[arg-type]  # by name
        task.judgements.append(made)
        if number in STEPS:
            yield number, [place_of[sha] for sha in task.labels]


def drawn(question: Question, seed: int) -> Iterator[tuple[int, list[int]]]:
    """Label pictures in a random order."""
    order = np.random.default_rng(seed).permutation(np.flatnonzero(~question.is_judged))
    for number in STEPS:
        yield number, order[:number].tolist()


def judged(question: Question, labelled: list[int]) -> tuple[float, float]:
    """Fit the model to the labels; return balanced accuracy and area on the pictures that are only judged."""
    vectors = question.vectors
    model = fit(vectors[labelled], [question.labels[place] for place in labelled])
    if model is None:
        return 0.5, 0.5
    truth = np.array(question.labels)[question.is_judged]
    shares = model.probabilities(vectors[question.is_judged])
    said = np.array(model.classes)[shares.argmax(axis=1)]
    sums = area_sums((truth == model.classes[1]).astype(np.int64), shares[:, 1]).sum(
        0, keepdims=True
    )
    right = [float((said[truth == name] == name).mean()) for name in model.classes]
    return float(np.mean(right)), float(area(sums)[0])


def lines_of(question: Question, seeds: int) -> Iterator[str]:
    """Compare both orders on one question."""
    scores: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for seed in range(seeds):
        for name, order in (("asked", asked), ("random", drawn)):
            for number, labelled in order(question, seed):
                scores.setdefault((name, number), []).append(judged(question, labelled))
    n = int(question.is_judged.sum())
    for number in STEPS:
        cells = []
        for column in (0, 1):
            for name in ("asked", "random"):
                values = [each[column] for each in scores[name, number]]
                low, high = np.percentile(values, [2.5, 97.5])
                cells.append(f"{np.mean(values):.3f} [{low:.3f}, {high:.3f}]")
        yield f"| {question.name} ({n} judged) | {number} | {' | '.join(cells)} |"


def seconds_of_an_order(n: int) -> float:
    """Return the seconds of one new order of `n` candidates after 120 labels."""
    rng = np.random.default_rng(0)
    names = tuple(f"{number:064x}" for number in range(n))
    task = LabelledTask(
        "said", "ada", Candidates(names, rng.normal(size=(n, 128)).astype(np.float32)), []
    )
    for number in range(120):
        value = ("bad", "good")[int(rng.integers(2))]
        when = MOMENT + timedelta(seconds=number)
        task.judgements.append(
            Judgement(f"label:{number}", names[number], "said", value, "ada", when)
        )
    started = time.perf_counter()
    task.reordered()
    return time.perf_counter() - started


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=20)
    given = parser.parse_args()
    started = time.perf_counter()
    table = [line for question in questions(given.data) for line in lines_of(question, given.seeds)]
    order_s = seconds_of_an_order(50_000)
    minutes = (time.perf_counter() - started) / 60
    head = [
        "# Labels chosen by uncertainty against labels drawn at random",
        "",
        f"Safelight `{commit()}`, Python {platform.python_version()}, {platform.machine()}, 2 cores; "
        f"{given.seeds} seeds, {minutes:.0f} minutes. Made by "
        "`python3 dev.py bench label --data DIR --output FILE`.",
        "",
        "*asked* labels what `/label` asks for, repeats and random pictures among it; *random* labels pictures in a "
        "random order. Both press the same number of keys, and the same model learns from both. Means over seeds, with "
        "the 2.5 and 97.5 percentiles, on pictures that are never asked about (of photographs whole sources).",
        "",
        "| question | key presses | balanced accuracy, asked | random | area, asked | random |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    tail = [
        "",
        f"One new order of 50,000 candidates after 120 labels took {order_s:.1f} s, in the background.",
    ]
    given.output.write_text("\n".join([*head, *table, *tail]) + "\n", "utf-8")
    print("\n".join(table + tail))


if __name__ == "__main__":
    main()
