"""Train the recipe `good_photos` to tell native photographs from degraded ones; sources are kept apart.

    OMP_NUM_THREADS=1 python3 dev.py bench good_photos --photos DIR --home HOME --output FILE

DIR holds `truth.csv` (`archive`, `file`, `source_repo`) and the tar archives that it names. Each photograph is there
twice, as it is and with one change of moderate strength that its name draws: blur, noise, exposure, haze, white
balance, compression or less colour; in training with two more of them, each a picture of its own. All are stored alike
(JPEG 90, EXIF kept). They are crawled with `folder`, and published without the search for near copies, which would join
them. Whole sources are in training, validation or test, by the hash of their name.
Changes that training never saw are judged on the native photographs of the test sources; `--without` names those of
the seven that are left to them.
"""

import argparse
import csv
import io
import platform
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tarfile import open as open_tar
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.code_version import command_line, commit  # noqa: E402
from catalog import Workspace, open_catalog, publish, rows  # noqa: E402
from training.evaluation.findings import predictor_name  # noqa: E402
from training.evaluation.intervals import group_bootstrap  # noqa: E402
from training.evaluation.tasks.binary import area, area_sums  # noqa: E402
from training.fit.run_request import TrainingRequest  # noqa: E402
from training.predict.predict_files import read_model, stated_outputs  # noqa: E402
from training.runs.run import train  # noqa: E402

NAME = "good_photos"
UNSEEN_EVERY = 2  # photographs: every second one is judged with changes that were never trained on
FURTHER = 2  # changes of a training photograph beside its first one
TENTHS = {"train": range(6), "validation": range(6, 7), "test": range(7, 10)}  # of the sources
Change = Callable[[NDArray[Any], np.random.Generator], NDArray[Any]]


def blur(pixels: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Blur by 1 to 2.5 px."""
    picture = Image.fromarray(pixels.astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(rng.uniform(1.0, 2.5))), float)


def noise(pixels: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Add noise of 8 to 20 levels."""
    return pixels + rng.normal(0, rng.uniform(8, 20), pixels.shape)


def exposure(pixels: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Expose 0.8 to 1.6 stops too little or too much, in linear light."""
    stops = rng.uniform(0.8, 1.6) * rng.choice((-1, 1))
    return 255 * ((pixels / 255) ** 2.2 * 2.0**stops).clip(0, 1) ** (1 / 2.2)


def haze(pixels: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Mix with 25 to 45 % of light grey."""
    share = rng.uniform(0.25, 0.45)
    return (1 - share) * pixels + share * rng.uniform(190, 235)


def white_balance(pixels: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Change red and blue by 15 to 30 % against each other."""
    gain = rng.uniform(1.15, 1.3) ** rng.choice((-1, 1))
    return pixels * np.array([gain, 1.0, 1 / gain])


def compression(pixels: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Compress to JPEG 10 to 25."""
    data = encoded(pixels, quality=int(rng.integers(10, 26)))
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), float)


def faded(pixels: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Take 50 to 80 % of the colour away."""
    return coloured(pixels, rng.uniform(0.2, 0.5))


def vivid(pixels: NDArray[Any], _rng: np.random.Generator) -> NDArray[Any]:
    """Double the colour."""
    return coloured(pixels, 2.0)


def coloured(pixels: NDArray[Any], share: float) -> NDArray[Any]:
    """Multiply the distance from grey."""
    grey = (pixels @ np.array([0.299, 0.587, 0.114]))[..., None]
    return np.asarray(grey + share * (pixels - grey))


def sharpened(pixels: NDArray[Any], _rng: np.random.Generator) -> NDArray[Any]:
    """Sharpen by an unsharp mask of 2 px and 250 %."""
    picture = Image.fromarray(pixels.astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.UnsharpMask(2, 250, 0)), float)


def small(pixels: NDArray[Any], _rng: np.random.Generator) -> NDArray[Any]:
    """Shrink to a third, and enlarge again."""
    picture = Image.fromarray(pixels.astype(np.uint8))
    third = picture.resize((max(1, picture.width // 3), max(1, picture.height // 3)))
    return np.asarray(third.resize(picture.size, Image.Resampling.BICUBIC), float)


def motion(pixels: NDArray[Any], _rng: np.random.Generator) -> NDArray[Any]:
    """Smear over 9 px from left to right."""
    return np.asarray(np.mean([np.roll(pixels, step, axis=1) for step in range(-4, 5)], axis=0))


SEEN: dict[str, Change] = {
    each.__name__: each for each in (blur, noise, exposure, haze, white_balance, compression, faded)
}
STRENGTHS = {
    "blur": "blur 1 to 2.5 px", "noise": "noise of 8 to 20 levels", "exposure": "exposure by 0.8 to 1.6 stops",
    "haze": "haze of 25 to 45 %", "white_balance": "red against blue by 15 to 30 %", "compression": "JPEG 10 to 25",
    "faded": "50 to 80 % less colour",
}  # fmt: skip
UNSEEN: dict[str, Change] = {each.__name__: each for each in (small, motion, sharpened, vivid)}


def encoded(pixels: NDArray[Any], *, exif: bytes = b"", quality: int = 90) -> bytes:
    """Write pixels (H, W, 3) as JPEG."""
    out = io.BytesIO()
    picture = Image.fromarray(np.asarray(pixels).round().clip(0, 255).astype(np.uint8))
    picture.save(out, "JPEG", quality=quality, **({"exif": exif} if exif else {}))
    return out.getvalue()


def photographs(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    """Yield source, file name and bytes of each photograph."""
    with (folder / "truth.csv").open() as file:
        facts = {row["file"]: row for row in csv.DictReader(file)}
    for archive in sorted({row["archive"] for row in facts.values()}):
        with open_tar(folder / Path(archive).name) as tar:
            for entry in tar:
                stream = tar.extractfile(entry) if Path(entry.name).name in facts else None
                if stream is not None:
                    name = Path(entry.name).name
                    yield facts[name]["source_repo"], name, stream.read()


def make_pictures(folder: Path, out: Path, kinds: Sequence[str]) -> int:
    """Write good/SOURCE/CHANGE-FILE and bad/...; return how many photographs cannot be decoded."""
    broken = 0
    for source, name, data in photographs(folder):
        try:
            with Image.open(io.BytesIO(data)) as stored:
                exif, pixels = stored.info.get("exif", b""), np.asarray(stored.convert("RGB"))
        except Exception:  # noqa: BLE001 - damaged files raise whatever their reader meets; they are counted
            broken += 1
            continue
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        change = kinds[int(rng.integers(len(kinds)))]
        versions = {
            ("good", "native"): pixels,
            ("bad", change): SEEN[change](pixels.astype(float), rng),
        }
        if tenth(source.replace("/", "__")) in TENTHS["train"]:
            others = [name for name in kinds if name != change]
            for other in rng.choice(others, FURTHER, replace=False):
                versions["bad", str(other)] = SEEN[other](pixels.astype(float), rng)
        for (kind, how), version in versions.items():
            place = out / kind / source.replace("/", "__")
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{how}-{Path(name).stem}.jpg").write_bytes(encoded(version, exif=exif))
    return broken


def tenth(name: str) -> int:
    """Return a number from 0 to 9 that a name decides."""
    return zlib.crc32(name.encode()) % 10


def crawled_pictures(workspace: Workspace) -> list[dict[str, Any]]:
    """Return a row of `curated_items` without splits for each picture that was crawled."""
    with open_catalog(workspace) as catalog:
        return catalog.records(
            "SELECT a.sha256 AS asset_sha256, ANY_VALUE(p.photo_id) AS photo_id, ANY_VALUE(p.source) AS source, "
            "MIN(p.source_photo_id) AS source_photo_id, ANY_VALUE(a.width) AS width, ANY_VALUE(a.height) AS height, "
            "ANY_VALUE(a.jpeg_quality) AS jpeg_quality, BOOL_AND(p.training_allowed) AS training_allowed, "
            "ANY_VALUE(p.training_basis) AS training_basis, ANY_VALUE(e.camera) AS camera, "
            "ANY_VALUE(e.software) AS software, ANY_VALUE(e.f_number) AS f_number, ANY_VALUE(e.iso) AS iso, "
            "ANY_VALUE(e.exposure_time) AS exposure_time FROM assets a JOIN photos p ON p.asset_sha256 = a.sha256 "
            "LEFT JOIN v_exif e ON e.asset_sha256 = a.sha256 WHERE a.header_status = 'ok' GROUP BY a.sha256"
        )


def make_release(workspace: Workspace) -> None:
    """Publish all crawled pictures, divided by their source."""
    photos = crawled_pictures(workspace)
    labels = [each["source_photo_id"].split("/")[0] for each in photos]
    for each in photos:
        source = each["source_photo_id"].split("/")[1]
        part = next(name for name, tenths in TENTHS.items() if tenth(source) in tenths)
        each |= {"run_id": "bench", "group_id": source, "split": part, "random_split": part}
    items = rows("curated_items", photos).append_column("class", pa.array(labels))
    publish(
        workspace,
        NAME,
        items,
        plan={"labels": ["class"], "seed": 0, "bins": {}},
        run_id="bench",
    )


def unseen_lines(folder: Path, photos: Path, unseen: Mapping[str, Change]) -> list[str]:
    """Judge changes that training never saw, each against the native photographs of the test sources."""
    model, native, groups = read_model(folder), [], []
    changed: dict[str, list[float]] = {name: [] for name in unseen}

    def share_good(pixels: NDArray[Any]) -> float:
        return float(stated_outputs(model, encoded(pixels), "test")[model.heads[0].name][1])

    for source, name, data in list(photographs(photos))[::UNSEEN_EVERY]:
        if tenth(source.replace("/", "__")) not in TENTHS["test"]:
            continue
        try:
            with Image.open(io.BytesIO(data)) as stored:
                pixels = np.asarray(stored.convert("RGB"), float)
        except Exception:  # noqa: BLE001 - counted when the pictures were made
            continue
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        native.append(share_good(pixels))
        groups.append(source)
        for change, apply in unseen.items():
            changed[change].append(share_good(apply(pixels, rng)))
    numbers = np.unique(groups, return_inverse=True)[1]
    return [
        f"| {name} | {figure(native, scores, numbers)} | {len(scores)} |"
        for name, scores in changed.items()
    ]


def figure(good: list[float], bad: list[float], groups: NDArray[np.int64]) -> str:
    """Return the area between scores of good and of bad versions of the same photographs, by group."""
    target = np.repeat([1, 0], [len(good), len(bad)])
    both = np.concatenate([groups, groups])
    each = group_bootstrap(area_sums(target, np.array(good + bad)), both, area)
    return f"{each.value:.3f} [{each.low:.3f}, {each.high:.3f}]"


def kind_lines(folder: Path, index: pl.DataFrame, kinds: Sequence[str]) -> list[str]:
    """Judge each change of training on the test sources, against all native photographs there."""
    frame = pl.read_parquet(folder / "predictions.parquet").join(
        index.select("asset_sha256", "source_photo_id"), on="asset_sha256"
    )
    names = frame["source_photo_id"].str.split("/").list.get(2).str.split("-").list.get(0)
    frame = frame.with_columns(names.alias("change"))
    lines = []
    for change in kinds:
        rows_ = frame.filter(pl.col("change").is_in(["native", change]))
        scores = np.array([row[1] for row in rows_["probabilities"].to_list()])
        groups = np.unique(rows_["group_id"].to_numpy().astype(str), return_inverse=True)[1]
        each = group_bootstrap(area_sums(rows_["target"].to_numpy(), scores), groups, area)
        n = int((rows_["target"] == 0).sum())
        lines.append(f"| {change} | {each.value:.3f} [{each.low:.3f}, {each.high:.3f}] | {n} |")
    return lines


def main() -> None:
    """Make the pictures and the release where they are missing, train, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--without", nargs="*", default=[], choices=list(SEEN))
    parser.add_argument("--set", dest="options", action="append", default=[])
    options = parser.parse_args()
    torch.set_num_threads(1)
    home, kinds = options.home, [name for name in SEEN if name not in options.without]
    if not (home / "releases" / NAME).exists():
        broken = make_pictures(options.photos, home / "pictures", kinds)
        print(f"{broken} photographs cannot be decoded", flush=True)
        words = ["crawl", "run", "folder", str(home / "pictures"), "--class-level", "1"]
        subprocess.run(
            [sys.executable, "-m", "safelight", "--home", str(home), *words], check=True, cwd=ROOT
        )
        make_release(Workspace.at(home))
    workspace = Workspace.at(home)
    started = time.process_time()
    request = TrainingRequest(
        NAME, dataset=NAME, policies=("split",), options=tuple(options.options)
    )
    folder = train(workspace, request).models["split"]
    seconds = time.process_time() - started
    text = table(folder, workspace, seconds, options.photos, kinds)
    options.output.write_text(text, "utf-8")
    print(text)


def table(
    folder: Path, workspace: Workspace, seconds: float, photos: Path, kinds: Sequence[str]
) -> str:
    """Write the results as Markdown."""
    from catalog import find_release

    facts = read_model(folder).facts
    index = pl.DataFrame(find_release(workspace, NAME).index())
    sources = index.group_by("split").agg(
        pl.len().alias("n"), pl.col("group_id").n_unique().alias("groups")
    )
    counts = ", ".join(
        f"{row['split']} {row['n']} of {row['groups']} sources"
        for row in sources.sort("split").to_dicts()
    )
    metrics = pl.read_parquet(folder / "metrics.parquet").filter(pl.col("slice") == "all")

    def cell(predictor: str, metric: str) -> str:
        chosen = metrics.filter((pl.col("predictor") == predictor) & (pl.col("metric") == metric))
        if not len(chosen):
            return "-"
        row = chosen.row(0, named=True)
        interval = "" if row["low"] is None else f" [{row['low']:.3f}, {row['high']:.3f}]"
        return f"{row['value']:.3f}{interval}"

    names = ("auc", "balanced_accuracy", "accuracy")
    lines = [
        f"| {predictor_name(each)} | {' | '.join(cell(each, name) for name in names)} |"
        for each in metrics["predictor"].unique(maintain_order=True)
    ]
    newline = "\n"
    unseen = UNSEEN | {name: change for name, change in SEEN.items() if name not in kinds}
    further = "".join(f"; {STRENGTHS[name]}" for name in unseen if name in SEEN)
    return f"""# Native photographs and degraded ones, told apart on sources that were left out

{command_line()}

Commit {commit()}, Python {platform.python_version()}, torch {torch.__version__}, one compute thread.
CPU of the process that ended the training and evaluated it: {seconds:.0f} s; the part before a stop is not in it.
{facts["parameters"]:,} parameters, best epoch {facts["best_epoch"]} of {facts["epochs"]}.

What it is: photographs of at most 448 px, each as it is and with one change of moderate strength, in training with
{1 + FURTHER} of them, all stored as JPEG 90: {", ".join(STRENGTHS[each] for each in kinds)}.
It says how well technical faults are seen, **not how well taste is learnt**: many native photographs have such faults
themselves.
Pictures: {counts}.
Intervals (95 %): bootstrap over sources.

| predictor | AUC | balanced accuracy | accuracy |
| --- | --- | --- | --- |
{newline.join(lines)}

Each change of training against the native photographs of the test sources:

| change | AUC | changed |
| --- | --- | --- |
{newline.join(kind_lines(folder, index, kinds))}

Changes that were never in training, on the same sources (a third of the size; 9 px of motion; an unsharp mask of 250 %;
twice the colour{further}):

| change | AUC | changed |
| --- | --- | --- |
{newline.join(unseen_lines(folder, photos, unseen))}

EXIF is the same in both versions of a photograph, so what follows from EXIF, program or source alone is 0.5 by design.

Configuration: `{facts["config"]}`
"""


if __name__ == "__main__":
    main()
