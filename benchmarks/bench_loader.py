"""Measure what a picture costs from its file to a batch, beside other loaders.

    python -m benchmarks.bench_loader --output FILE [--work DIR] [--rounds N] [--pictures N] [--only NAME ...]
                                     [--tasks TASK ...]

The photographs are those of tests/real_data.py, scaled to 1,000 px. Each peer gets an environment of its own below
`--work` (some bring another torch), made once, and its own copy of the pictures. The peers take turns within a round;
ratios are those within a round. What cannot be installed or fails is named with its reason.
"""

import argparse
import io
import itertools
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image

from benchmarks.code_version import commit
from benchmarks.loader_peers import BATCH, PEERS, SIDE, WORKERS
from tests.real_data import members

SCRIPT = Path(__file__).with_name("loader_peers.py")
LONG_SIDE, SMALL_SIDE, QUALITY = 1000, 256, 88
TASKS = {
    "raw": ("pictures", "raw", "Bytes in shuffled order, one process"),
    "pil": ("pictures", "pil", f"Decoded to {SIDE} px: peers with Pillow, as most scripts do"),
    "fast": ("pictures", "fast", f"Decoded to {SIDE} px: peers with our decoder and resize"),
    "small": ("small", "fast", f"As before, from pictures of {SMALL_SIDE} px"),
}
"""Task -> (pictures it reads, task of loader_peers.py, heading)."""
LIMIT_S = 900
OWN = ("safelight",)
INSTALLED = ("webdataset", "huggingface")  # extras of developers bring them
Results = dict[tuple[str, str], list[dict[str, Any]]]


def make_pictures(folder: Path, count: int) -> None:
    """Scale real photographs to 1,000 px, mirrored when they come a second time, and again to 256 px."""
    archives = ("photos/photos-1.tar", "photos/photos-2.tar")
    bodies = [body for _, body in members(*archives)]
    for number, body in zip(range(count), itertools.cycle(bodies), strict=False):
        with Image.open(io.BytesIO(body)) as opened:
            picture = opened.convert("RGB")
        if number >= len(bodies):
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        for name, scale in (
            ("pictures", LONG_SIDE / max(picture.size)),
            ("small", SMALL_SIDE / min(picture.size)),
        ):
            size = round(picture.width * scale), round(picture.height * scale)
            path = folder / name / str(number % 10) / f"{number:05}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.resize(size, Image.Resampling.LANCZOS).save(path, quality=QUALITY)


def python_of(name: str, work: Path) -> Path:
    """Return the Python of a peer, with an environment of its own that also sees the libraries of this one."""
    if name in (*OWN, *INSTALLED):
        return Path(sys.executable)
    folder = work / "environments" / name
    python = folder / "bin" / "python"
    if (folder / "made").exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    here = next(path for path in sys.path if path.endswith("site-packages"))
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "base.pth").write_text(f"{here}\n")
    words = [python, "-m", "pip", "install", "--quiet", PEERS[name][0]]
    subprocess.run(words, check=True, capture_output=True, text=True)
    (folder / "made").touch()
    return python


def run(python: Path, *words: str | Path) -> None:
    """Run loader_peers.py; raises `CalledProcessError` with what it wrote."""
    command = [str(each) for each in (python, "-W", "ignore", SCRIPT, *words)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=LIMIT_S)


def prepare(name: str, work: Path) -> Path:
    """Make the environment and the copies of one peer; return its Python."""
    python = python_of(name, work)
    for pictures in ("pictures", "small"):
        copy = work / "copies" / f"{name}-{pictures}"
        if not copy.with_suffix(".made").exists():
            shutil.rmtree(copy, ignore_errors=True)
            run(python, "write", name, work / pictures, copy)
            copy.with_suffix(".made").touch()
    return python


def read(python: Path, name: str, task: str, work: Path) -> dict[str, Any]:
    """Measure one task of one peer."""
    pictures, peer_task, _ = TASKS[task]
    output = work / "result.json"
    output.unlink(missing_ok=True)
    run(python, "read", name, peer_task, work / "copies" / f"{name}-{pictures}", output)
    result: dict[str, Any] = json.loads(output.read_text("utf-8"))
    return result


def measure(
    names: Sequence[str], tasks: Sequence[str], work: Path, rounds: int
) -> tuple[Results, dict[str, str]]:
    """Run the tasks of all peers in rounds; return the results, and the reasons of those that failed."""
    results: Results = {}
    failed: dict[str, str] = {}
    pythons: dict[str, Path] = {}
    for name in names:
        try:
            pythons[name] = prepare(name, work)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            failed[name] = reason(error)
    for number, task in itertools.product(range(rounds), tasks):
        order = [*pythons][number % len(pythons) :] + [*pythons][: number % len(pythons)]
        for name in order:
            try:
                results.setdefault((task, name), []).append(read(pythons[name], name, task, work))
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                failed[f"{name}, {task}"] = reason(error)
    return results, failed


def reason(error: subprocess.CalledProcessError | subprocess.TimeoutExpired) -> str:
    """Return the last line of what a peer wrote."""
    if isinstance(error, subprocess.TimeoutExpired):
        return f"took more than {LIMIT_S} s"
    lines = (error.stderr or error.stdout or "no output").strip().splitlines()
    return lines[-1][:300]


def spread(values: Sequence[float], digits: int) -> str:
    """Write the median with the smallest and the largest."""
    return f"{median(values):.{digits}f} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


def cpu_ms(result: Mapping[str, Any]) -> float:
    return float(result["cpu_s"] / result["pictures"] * 1000)


def rate(result: Mapping[str, Any]) -> float:
    return float(result["pictures"] / result["seconds"])


def table(task: str, results: Results) -> list[str]:
    """Write the rows of one task: cost, ratios to ours within a round, first batch."""
    ours = results.get((task, "safelight"), [])
    lines = [
        f"## {TASKS[task][2]}", "",
        "| loader | CPU ms a picture | CPU, theirs : ours | pictures/s | pictures/s, ours : theirs | first s |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    for name in PEERS:
        rows = results.get((task, name))
        if not rows:
            continue
        pairs = [*zip(rows, ours, strict=False)]
        cells = [
            spread([cpu_ms(row) for row in rows], 3),
            spread([cpu_ms(row) / cpu_ms(own) for row, own in pairs], 2),
            spread([rate(row) for row in rows], 0),
            spread([rate(own) / rate(row) for row, own in pairs], 2),
            f"{median(row['first_batch_s'] for row in rows):.2f}",
        ]
        shown = (
            " | ".join(cells)
            if name != "safelight"
            else f"{cells[0]} | | {cells[2]} | | {cells[4]}"
        )
        lines.append(f"| {name} | {shown} |")
    return [*lines, ""]


def growth(work: Path) -> str:
    """Open an index of a million rows, in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.million_rows"]
    subprocess.run([*words, "make", work / "million"], check=True)
    opened = subprocess.run([*words, "open", work / "million"], check=True, capture_output=True)
    return GROWTH.format(**json.loads(opened.stdout))


def report(results: Results, failed: Mapping[str, str], work: Path, rounds: int) -> str:
    """Write the page of results."""
    files = [*(work / "pictures").glob("*/*.jpg")]
    first = {name: rows[0] for (_, name), rows in results.items()}
    versions = [f"{name} {row['version']} (torch {row['torch']})" for name, row in first.items()]
    given = dict.fromkeys(task for task, _ in results)
    facts = {
        "n": len(files), "long_side": LONG_SIDE, "rounds": rounds, "commit": commit(),
        "tasks": " ".join(given), "only": " ".join(name for name in first if name not in OWN),
        "kb": sum(path.stat().st_size for path in files) / len(files) / 1000,
        "python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(), "versions": ", ".join(versions), "batch": BATCH, "side": SIDE,
        "workers": WORKERS, "load": os.getloadavg()[1], "pillow": version("pillow"),
        "simplejpeg": version("simplejpeg"), "opencv": version("opencv-python-headless"),
    }  # fmt: skip
    tables = "\n".join(line for task in given for line in table(task, results))
    left_out = "".join(f"- Left out: {name}: {why}\n" for name, why in failed.items())
    return (
        HEAD.format(**facts) + tables + "\n" + growth(work) + CONDITIONS.format(**facts) + left_out
    )


HEAD = """# Loaders

{n} real photographs of {long_side} px (JPEG, {kb:.0f} kB on average), read and decoded by each loader from its own
copy; {rounds} rounds, the loaders in turns within each. Median of the rounds, in brackets the smallest and the largest.
Ratios are those within a round; above 1 ours is cheaper or faster. Where the archives have fewer photographs, they
come again, mirrored.

"""
GROWTH = """## A million pictures

An index of 1,000,000 rows opens in {cpu_s:.2f} CPU seconds ({seconds:.2f} s). The process holds {peak_mb:.0f} MB at
its peak, {before_mb:.0f} MB of them before (torch and other libraries). The order of an epoch takes {order_s:.2f} s.

"""
CONDITIONS = """## Conditions

- Commit {commit}, Python {python}, {cores} CPU cores, {system}.
- {versions}; pillow {pillow}, simplejpeg {simplejpeg}, opencv {opencv}.
- Batches of {batch} at {side} x {side}, the whole picture squeezed, uint8, with a label; {workers} workers (ours:
  {workers} threads of one process). Shuffled as each loader does it: webdataset and Hugging Face with a buffer of
  1,000 pictures, the others whole.
- Ours always decodes with simplejpeg at n/8 and resizes with OpenCV. Peers do the same where the heading says so;
  otherwise they open with Pillow, convert and resize.
- CPU is that of all processes, measured after a first epoch. Start-up is not in it; `first s` is the time from opening
  to the first batch, libraries of the loader included, torch not.
- Load average at the end: {load:.1f}. Above {cores} other programs were running too: then pictures/s mean little, and
  CPU a picture and its ratios within a round are what can be compared.
- Command: `python -m benchmarks.bench_loader --output FILE --rounds {rounds} --pictures {n} --tasks {tasks}
  --only {only}`.
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    given = parser.parse_args()
    work = given.work or Path(tempfile.mkdtemp(prefix="loader-"))
    if not (work / "pictures").exists():
        make_pictures(work, given.pictures)
    names = [*OWN, *(name for name in given.only if name not in OWN)]
    results, failed = measure(names, given.tasks, work, given.rounds)
    page = report(results, failed, work, given.rounds)
    (given.output or work / "loader.md").write_text(page, "utf-8")
    if given.work is None:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
