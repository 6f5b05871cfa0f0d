"""Train the recipe `good_photos` on real folders: photographs that are shown as photographs, and all others.

    OMP_NUM_THREADS=1 python3 dev.py bench good_folders --photos DIR --manifest FILE --home HOME --output FILE

DIR is that of `bench_good_photos.py`; FILE lists each photograph (`file`, `source_repo`, `source_path`). No person has
rated these photographs. What there is are the names that their owners gave to folders: "good" are photographs below a
repository or folder named after photography, a portfolio, a gallery or photos, "bad" are all others, which document a
journey, a device, an experiment or a bug. So the label is a proxy of taste: somebody found the photograph worth being
shown for itself.
Files are as they were stored, with their EXIF. Sources are cut into five parts of about equal size; each part is judged
once, by a model that has seen none of its sources and chose its threshold on another part.
"""

import argparse
import csv
import platform
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.bench_good_photos import crawled_pictures, photographs  # noqa: E402
from benchmarks.code_version import command_line, commit  # noqa: E402
from catalog import Workspace, publish, rows  # noqa: E402
from training.evaluation.findings import predictor_name  # noqa: E402
from training.evaluation.intervals import group_bootstrap  # noqa: E402
from training.evaluation.tasks.binary import area, area_sums  # noqa: E402
from training.fit.run_request import TrainingRequest  # noqa: E402
from training.predict.predict_files import read_model  # noqa: E402
from training.runs.run import train  # noqa: E402

NAME = "good_folders"
PARTS = 5
SHOWN = re.compile(r"photograph|photoblog|portfolio|gallery|(^|/)photos/", re.IGNORECASE)
"""What a repository or folder of photographs that are shown for themselves is called."""


def main() -> None:
    """Make the pictures where they are missing, train once for each part, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    workspace = Workspace.at(options.home)
    if not (options.home / "pictures").exists():
        make_pictures(options.photos, options.manifest, options.home / "pictures")
        words = ["crawl", "run", "folder", str(options.home / "pictures"), "--class-level", "1"]
        command = [sys.executable, "-m", "safelight", "--home", str(options.home), *words]
        subprocess.run(command, check=True, cwd=ROOT)
    started, folders = time.process_time(), []
    for part in range(PARTS):
        make_release(workspace, part)
        request = TrainingRequest("good_photos", dataset=f"{NAME}-{part}", policies=("split",))
        folders.append(train(workspace, request).models["split"])
        print(f"part {part} judged", flush=True)
    text = table(folders, time.process_time() - started)
    options.output.write_text(text, "utf-8")
    print(text)


def make_pictures(photos: Path, manifest: Path, out: Path) -> None:
    """Write good/SOURCE/FILE and bad/SOURCE/FILE, each file as it is stored."""
    with manifest.open() as file:
        paths = {row["file"].rsplit(":", 1)[-1]: row["source_path"] for row in csv.DictReader(file)}
    for source, name, data in photographs(photos):
        folder = str(Path(paths[name]).parent) + "/"
        kind = "good" if SHOWN.search(source) or SHOWN.search(folder) else "bad"
        place = out / kind / source.replace("/", "__")
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)


def make_release(workspace: Workspace, part: int) -> None:
    """Publish the pictures with one part of the sources as test split, and the next one as validation."""
    pictures = crawled_pictures(workspace)
    labels = [each["source_photo_id"].split("/")[0] for each in pictures]
    sources = [each["source_photo_id"].split("/")[1] for each in pictures]
    parts = part_of_sources(sources, labels)
    splits = {part: "test", (part + 1) % PARTS: "validation"}
    for each, source in zip(pictures, sources, strict=True):
        split = splits.get(parts[source], "train")
        each |= {"run_id": "bench", "group_id": source, "split": split, "random_split": split}
    items = rows("curated_items", pictures).append_column("class", pa.array(labels))
    plan = {"labels": ["class"], "seed": 0, "bins": {}}
    publish(workspace, f"{NAME}-{part}", items, plan=plan, run_id="bench")


def part_of_sources(sources: Sequence[str], labels: Sequence[str]) -> dict[str, int]:
    """Give each source a part: the largest first, to the part that has the fewest pictures of its main class.

    >>> part_of_sources(["a", "a", "b", "c"], ["good", "good", "bad", "bad"])
    {'a': 0, 'b': 0, 'c': 1}
    """
    counts = Counter(zip(sources, labels, strict=True))
    of_source = Counter(sources)
    filled: Counter[tuple[int, str]] = Counter()
    parts = {}
    for source in sorted(of_source, key=lambda name: (-of_source[name], name)):
        kinds = {kind: counts[source, kind] for kind in ("good", "bad")}
        main_kind = max(kinds, key=lambda kind: kinds[kind])
        parts[source] = min(range(PARTS), key=lambda part: (filled[part, main_kind], part))
        for kind, n in kinds.items():
            filled[parts[source], kind] += n
    return parts


def table(folders: Sequence[Path], seconds: float) -> str:
    """Write the results as Markdown."""
    metrics = [
        pl.read_parquet(folder / "metrics.parquet").filter(
            (pl.col("slice") == "all") & (pl.col("metric") == "auc")
        )
        for folder in folders
    ]
    areas = [dict(each.select("predictor", "value").iter_rows()) for each in metrics]
    frame = pl.concat([pl.read_parquet(folder / "predictions.parquet") for folder in folders])
    scores = np.array([row[1] for row in frame["probabilities"].to_list()])
    truth, groups = frame["target"].to_numpy(), frame["group_id"].to_numpy().astype(str)
    numbers = np.unique(groups, return_inverse=True)[1]
    pooled = group_bootstrap(area_sums(truth, scores), numbers, area)
    facts = read_model(folders[0]).facts
    of_class = {kind: truth == value for value, kind in enumerate(("bad", "good"))}
    counts = ", ".join(
        f"{kind} {is_in.sum()} of {len(np.unique(groups[is_in]))} sources"
        for kind, is_in in of_class.items()
    )
    lines = "\n".join(line(name, areas) for name in areas[0])
    columns = " | ".join(f"part {part + 1}" for part in range(PARTS))
    return f"""# Photographs that are shown for themselves, and others: real folders

{command_line()}

Commit {commit()}, Python {platform.python_version()}, torch {torch.__version__}, one compute thread.
{PARTS} trainings, {seconds:.0f} s of CPU together. {facts["parameters"]:,} parameters, {facts["epochs"]} epochs.

No person has rated these photographs. "Good" are those below a repository or folder whose name says photograph,
photoblog, portfolio, gallery or photos, "bad" are all others: pictures of journeys, devices, experiments and bugs.
The label is the name of a folder, a **proxy** of somebody's choice, and most sources have one class alone.
So a model may learn who took a photograph, with which camera and program, in place of what makes it good.
Pictures: {counts}. Each source is judged once, by a model that has seen nothing of it.

Area under the ROC curve of all pictures together: **{pooled.value:.3f}
[{pooled.low:.3f}, {pooled.high:.3f}]** (95 %, bootstrap over sources).
Beside it, within each part, what follows from less than the picture:

| predictor | mean | {columns} |
| --- | --- | {"--- | " * PARTS}
{lines}

Configuration: `{facts["config"]}`
"""


def line(name: str, areas: Sequence[Mapping[str, float]]) -> str:
    """Write a line of the table: a predictor's area in each part, and their mean."""
    values = [each.get(name, float("nan")) for each in areas]
    cells = " | ".join(f"{value:.3f}" for value in values)
    return f"| {predictor_name(name)} | {np.nanmean(values):.3f} | {cells} |"


if __name__ == "__main__":
    main()
