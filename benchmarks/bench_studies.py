"""Measure the limits of `faces`, how large its network must be, two faces in a picture, and pictures of 8 megapixels.

    OMP_NUM_THREADS=1 python3 dev.py bench studies --output FILE [--every 2] [--most 120]

The faces are those of tests/real_data.py. Every second is taken; a fourth of the sessions (hours of the time in the
file name) is left for testing. The first three parts are the commands `train run faces`, `train limits MODEL_ID` and
`train complexity faces --over hidden=...`; each is run once.
"""

import argparse
import hashlib
import io
import platform
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl
import pyarrow as pa
import torch
from PIL import Image

from benchmarks.code_version import commit
from catalog import Workspace, find_release, open_catalog, publish, rows, write_segment
from crawler.sources.utkface import FaceLabels, read_name
from tests.real_data import members
from training.commands.printing import complexity_lines, limits_lines
from training.data.shards import ShardReader
from training.errors import NoFaceError
from training.fit.run_request import TrainingRequest
from training.predict.each_face import FaceAnswers, predict_faces
from training.predict.predict_files import Model, load_model
from training.runs.run import train
from training.studies.complexity import ComplexityRequest, measure_complexity
from training.studies.edits.limits import LimitsRequest, measure_limits

SPLITS = ("train", "train", "train", "train", "validation", "test", "test", "train")
WIDTHS = "hidden=8,32,384"
FACES = 24  # for two faces and for 8 megapixels
LARGE, SMALL = (2448, 3264), (450, 600)


def publish_faces(workspace: Workspace, every: int) -> int:
    """Publish some faces as `faces@1.0.0`, sessions whole; return their number."""
    named = [(read_name(name), body) for name, body in members("faces/utkface.tar")][::every]
    faces = {hashlib.sha256(body).hexdigest(): (label, body) for label, body in named if label}
    assets = [
        {"sha256": sha, "bytes": len(body), "format": "JPEG", "header_status": "ok"}
        for sha, (_, body) in faces.items()
    ]
    images = [(sha, body) for sha, (_, body) in faces.items()]
    write_segment(workspace, {"assets": rows("assets", assets)}, job="crawl:bench", images=images)
    with open_catalog(workspace) as catalog:
        catalog.commit()
    items = rows("curated_items", [item(sha, label) for sha, (label, _) in faces.items()])
    for name, kind in (("age", pa.float64()), ("gender", pa.string()), ("ethnicity", pa.string())):
        column = pa.array([getattr(label, name) for label, _ in faces.values()], kind)
        items = items.append_column(name, column)
    labels = {"labels": ["gender", "ethnicity"], "label_columns": ["age"], "seed": 0}
    publish(workspace, "faces", items, plan=labels, run_id="bench")
    return len(faces)


def item(sha: str, label: FaceLabels) -> dict[str, Any]:
    """Return a row of a release; its group is the hour in which the face was collected."""
    session = f"{label.collected_at:%Y%m%d%H}"
    number = int(hashlib.sha256(session.encode()).hexdigest(), 16) % len(SPLITS)
    return {
        "run_id": "bench", "asset_sha256": sha, "photo_id": sha[:32], "source": "utkface",
        "source_photo_id": sha, "group_id": session, "split": SPLITS[number], "random_split": SPLITS[number],
        "weight": 1.0, "licence": "unknown", "training_allowed": True, "training_basis": "a benchmark",
    }  # fmt: skip


def test_faces(workspace: Workspace) -> list[Image.Image]:
    """Return some test faces."""
    release = find_release(workspace, "faces@1.0.0")
    index = pl.DataFrame(release.index()).filter(split="test").sort("asset_sha256").head(FACES)
    with ShardReader(release) as reader:
        bodies = [reader.read(*place) for place in index.select("shard", "offset", "length").rows()]
    return [Image.open(io.BytesIO(body)).convert("RGB") for body in bodies]


def on_canvas(faces: Sequence[Image.Image], size: tuple[int, int], side: int) -> Image.Image:
    """Put faces of `side` px beside each other in the middle of a grey picture."""
    canvas = Image.new("RGB", size, (127, 127, 127))
    left = (size[0] - side * len(faces)) // 2
    for number, face in enumerate(faces):
        place = (left + number * side, (size[1] - side) // 2)
        canvas.paste(face.resize((side, side), Image.Resampling.LANCZOS), place)
    return canvas


def answered(model: Model, picture: Image.Image) -> tuple[list[FaceAnswers], float]:
    """Return the faces of a picture as `predict --each-face` sees them, and the CPU seconds."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=92)
    started = time.process_time()
    try:
        faces = predict_faces(model, stream.getvalue(), "picture")
    except NoFaceError:
        faces = []
    return [each for each in faces if not each.refusal], time.process_time() - started


def difference(one: FaceAnswers, other: FaceAnswers) -> tuple[float, bool]:
    """Return by how many years two answers differ, and whether the gender is the same."""
    years = abs(one.answers["age"]["value"] - other.answers["age"]["value"])
    return years, one.answers["gender"]["class"] == other.answers["gender"]["class"]


def two_faces(model: Model, faces: Sequence[Image.Image]) -> str:
    """Compare each face of a picture of two with the same face alone."""
    alone = [answered(model, on_canvas([face], (500, 300), 200))[0] for face in faces]
    pairs, differences = 0, []
    for n in range(0, len(faces) - 1, 2):
        both, _ = answered(model, on_canvas(faces[n : n + 2], (700, 300), 200))
        if len(both) != 2 or any(len(each) != 1 for each in alone[n : n + 2]):
            continue
        pairs += 1
        differences += [
            difference(mine, own[0]) for mine, own in zip(both, alone[n:], strict=False)
        ]
    differ = about(differences, mean_error(model.folder))
    return (
        f"{pairs} of {len(faces) // 2} pairs: both faces are located, together and alone; {differ}"
    )


def large_and_small(model: Model, faces: Sequence[Image.Image]) -> str:
    """Compare a face in a picture of 8 megapixels with the same picture at 600 px."""
    differences, seconds = [], []
    for face in faces[: FACES // 2]:
        picture = on_canvas([face], LARGE, 1600)
        large, cpu_s = answered(model, picture)
        small, _ = answered(model, picture.resize(SMALL, Image.Resampling.LANCZOS))
        seconds.append(cpu_s)
        if len(large) == len(small) == 1:
            differences.append(difference(large[0], small[0]))
    counts = f"{len(differences)} of {FACES // 2} faces are located in both sizes"
    differ = about(differences, mean_error(model.folder))
    return f"{counts}; {differ}; {median(seconds):.2f} CPU s for 8 megapixels (median)"


def mean_error(folder: Path) -> float:
    """Return the mean absolute error of the age on all test pictures: the tolerance of two answers."""
    metrics = pl.read_parquet(folder / "metrics.parquet")
    chosen = metrics.filter(task="age", predictor="model", slice="all", metric="mae")
    return float(chosen["value"][0])


def about(differences: Sequence[tuple[float, bool]], tolerance: float) -> str:
    """Write how answers differ, and how many are within tolerance."""
    if not differences:
        return "nothing to compare"
    years = [each for each, _ in differences]
    same = sum(is_same for _, is_same in differences)
    within = sum(is_same and off <= tolerance for off, is_same in differences)
    return (
        f"ages differ by {median(years):.1f} years (median; largest {max(years):.1f}), the gender is the same for "
        f"{same} of {len(differences)} faces; {within} of {len(differences)} faces are within tolerance"
    )


def main() -> None:
    """Make the release, run the studies, and write the table after each of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--every", type=int, default=2)
    parser.add_argument("--most", type=int, default=120)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.at(folder)
        n = publish_faces(workspace, options.every)
        request = TrainingRequest("faces", dataset="faces", policies=("split",))
        model_id = train(workspace, request).models["split"].name
        page = Page(options.output, n=n, every=options.every, most=options.most)
        model, faces = load_model(workspace, model_id), test_faces(workspace)
        page.add("Two faces in a picture", [two_faces(model, faces)])
        page.add("A face in 8 megapixels and in 450 x 600", [large_and_small(model, faces)])
        result = measure_limits(workspace, LimitsRequest(model_id, most=options.most))
        lines = limits_lines(result.table, result.limits)
        page.add("`train limits MODEL_ID`", ["```", *lines, "```"])
        sizes = measure_complexity(workspace, ComplexityRequest.parse(request, WIDTHS))
        lines = complexity_lines(sizes.table)
        page.add(f"`train complexity faces --over {WIDTHS}`", ["```", *lines, "```"])


class Page:
    """The table, written anew after each part."""

    def __init__(self, output: Path, **numbers: int) -> None:
        self._output = output
        facts = {"commit": commit(), "python": platform.python_version()}
        self._parts = [HEAD.format(torch=torch.__version__, faces=FACES, **facts, **numbers)]

    def add(self, title: str, lines: Sequence[str]) -> None:
        """Add a part."""
        self._parts.append("\n".join([f"## {title}", "", *lines, ""]))
        self._output.write_text("\n".join(self._parts), "utf-8")
        print(self._parts[-1], flush=True)


HEAD = """# Studies of `faces`: limits, size of the network, two faces, 8 megapixels

Commit {commit}, Python {python}, torch {torch}, one compute thread. Made by
`python3 dev.py bench studies --every {every} --most {most} --output FILE`.

`faces` with EfficientNet-Lite0, default preset, on {n:,} faces of UTKFace (one in {every}), of which a fourth of the
sessions was left for testing. Brackets: 95 % intervals over sessions. Two faces and 8 megapixels use {faces} test
faces, enlarged from 200 px and put on a grey picture, so large pictures have no more detail than small ones.
Within tolerance is a face whose two ages differ by at most the mean error of the model and whose gender is the same.
"""

if __name__ == "__main__":
    main()
