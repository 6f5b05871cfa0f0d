"""What a GPU brings, on a machine with stock PyTorch (2.9 or newer), numpy, Pillow and this repository alone.

    python3 benchmarks/bench_gpu.py --output gpu.md

It takes four minutes at most (`--minutes`), and without a GPU it runs small on the processors. Parts that need more
libraries are left out by name. The table has: losses of a training on the GPU in fp32 and in bf16 beside the same on
the CPU in fp32, with the tolerance stated here; pictures a second of each recipe's network; how long training waits for
pictures; the search of FAISS where `faiss` is there. Exit code 1 when a loss is out of
tolerance or a part fails on the device.
"""

import argparse
import importlib
import importlib.util
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from code_version import commit  # noqa: E402 - after the path is set
from stand_in_lazy_loader import install  # noqa: E402

install()

from recipe_networks import (  # noqa: E402 - it imports packages that need the stand-in
    CLASSES,
    Batch,
    Case,
    LinearHead,
    Step,
    cases,
    move,
    pictures,
    wait_for,
    without_dropout,
)

CPU = torch.device("cpu")
FP32_TOLERANCE = 2e-3
"""Largest relative difference of a step's loss from the CPU in fp32: sums in another order, grown over the steps."""
BF16_TOLERANCE = 0.05
"""The same in bf16, whose numbers have 8 bits: a single product is off by up to 2^-9 of its size."""
STEPS = 5
COMPARED = 8
"""Rows of a batch whose losses are compared."""


@dataclass
class Sizes:
    """How much is measured: less where the processors do it."""

    share_of_batch: float
    rounds: int
    seconds: float
    jpegs: int
    vectors: int


ON_GPU = Sizes(share_of_batch=8.0, rounds=3, seconds=2.0, jpegs=512, vectors=1_000_000)
ON_CPU = Sizes(share_of_batch=0.25, rounds=2, seconds=0.3, jpegs=32, vectors=5_000)


@dataclass
class Report:
    """The sections of the table, and what was left out."""

    deadline: float
    lines: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    is_right: bool = True

    def has_time(self, what: str) -> bool:
        """Whether there is time for another part; otherwise it is named among those left out."""
        if time.monotonic() < self.deadline:
            return True
        self.left_out.append(f"{what}: no time left")
        return False

    def cases(self, what: str) -> Iterator[Case]:
        """List the networks as long as there is time."""
        return (case for case in cases() if self.has_time(f"{what} of {case.name}"))

    @contextmanager
    def named_if_missing(self, what: str) -> Iterator[None]:
        """Leave out by name what needs a library that is not there, or fails on the device."""
        try:
            yield
        except ModuleNotFoundError as error:
            self.left_out.append(f"{what}: needs {error.name}")
        except RuntimeError as error:  # of one device; the other parts may still work
            self.is_right = False
            self.left_out.append(f"**{what} failed**: {str(error).splitlines()[0][:200]}")


def losses(case: Case, device: torch.device, *, half: bool) -> list[float]:
    """Train STEPS steps from seed 0 on the same batches; weights and batches are drawn on the CPU."""
    torch.manual_seed(0)
    step = Step(without_dropout(case.make()), case.config, device, half)
    values = []
    for number in range(STEPS):
        torch.manual_seed(number)  # for what a network draws itself
        batch = move(case.inputs(step.network, COMPARED, number), device)
        labels = torch.arange(COMPARED, device=device) % CLASSES
        values.append(float(step(batch, labels)))
    return values


def furthest(values: list[float], expected: list[float]) -> float:
    """Return the largest relative difference of two lists of losses."""
    return max(abs(a - b) / max(abs(b), 1e-6) for a, b in zip(values, expected, strict=True))


def compare_losses(report: Report, device: torch.device) -> None:
    """Compare the losses of trainings on the device, in fp32 and bf16, with those of the CPU in fp32."""
    report.lines += [
        "## The same losses", "",
        f"{STEPS} steps on {COMPARED} made pictures, dropout off, TF32 off. Largest relative difference of a loss",
        f"from the CPU in fp32; tolerance {FP32_TOLERANCE:g} in fp32 and {BF16_TOLERANCE:g} in bf16.", "",
        f"| network | {device.type} fp32 | {device.type} bf16 | within |", "| --- | ---: | ---: | --- |",
    ]  # fmt: skip
    for case in report.cases("losses"):
        with report.named_if_missing(f"losses of {case.name}"):
            expected = losses(case, CPU, half=False)
            single = furthest(losses(case, device, half=False), expected)
            half = furthest(losses(case, device, half=True), expected)
            is_within = single <= FP32_TOLERANCE and half <= BF16_TOLERANCE
            report.is_right &= is_within
            verdict = "yes" if is_within else "**no**"
            report.lines.append(f"| {case.name} | {single:.1e} | {half:.1e} | {verdict} |")
    report.lines.append("")


def rate(act: Callable[[], object], n: int, device: torch.device, sizes: Sizes) -> list[float]:
    """Return pictures a second, once a round, after a warm-up; each round lasts `seconds` or two steps."""
    for _ in range(2):
        act()
    rates = []
    for _ in range(sizes.rounds):
        wait_for(device)
        start, steps = time.perf_counter(), 0
        while steps < 2 or time.perf_counter() - start < sizes.seconds:
            act()
            steps += 1
            if steps % 8 == 0:
                wait_for(device)
        wait_for(device)
        rates.append(n * steps / (time.perf_counter() - start))
    return rates


def measure_networks(report: Report, device: torch.device, sizes: Sizes) -> None:
    """Measure pictures a second of training and of inference for each recipe's network."""
    report.lines += [
        "## Pictures a second", "",
        f"Batches on the device already; {sizes.rounds} rounds, median [lowest, highest]. Recipes on a frozen encoder",
        "train on vectors; the encoder itself is `lite0`, here with random weights.", "",
        "| network | parameters | batch | training fp32 | training bf16 | inference bf16 |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    for case in report.cases("rate"):
        n = max(4, round(case.config.batch_size * sizes.share_of_batch))
        with report.named_if_missing(f"rate of {case.name}"):
            cells = [_training_rate(case, device, n, sizes, half=half) for half in (False, True)]
            network = case.make().to(device).eval()
            batch = move(case.inputs(network, n, 0), device)
            cells.append(_inference_rate(network, batch, n, device, sizes))
            count = sum(each.numel() for each in network.parameters())
            report.lines.append(f"| {case.name} | {count:,} | {n} | {' | '.join(cells)} |")
    if report.has_time("rate of lite0"):
        report.lines.append(_encoder_row(device, sizes))
    report.lines.append("")


def _training_rate(case: Case, device: torch.device, n: int, sizes: Sizes, *, half: bool) -> str:
    step = Step(case.make(), case.config, device, half)
    batch = move(case.inputs(step.network, n, 0), device)
    labels = torch.arange(n, device=device) % CLASSES
    return shown(rate(lambda: step(batch, labels), n, device, sizes))


def _inference_rate(
    network: nn.Module, batch: Batch, n: int, device: torch.device, sizes: Sizes
) -> str:
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        return shown(rate(lambda: network(batch), n, device, sizes))


def _encoder_row(device: torch.device, sizes: Sizes) -> str:
    from curation.stages.lite0 import Lite0Trunk

    n = max(4, round(32 * sizes.share_of_batch))
    trunk = Lite0Trunk().to(device).eval()
    batch = pictures(n, 224, np.random.default_rng(0)).to(device).float() / 128 - 1
    cell = _inference_rate(trunk, batch, n, device, sizes)  # type: ignore[arg-type]  # it takes the tensor itself
    return (
        f"| lite0 at 224 px | {sum(p.numel() for p in trunk.parameters()):,} | {n} | | | {cell} |"
    )


def measure_feeding(report: Report, device: torch.device, sizes: Sizes) -> None:
    """Train `digits` on pictures that are decoded meanwhile; tell the rate and the share of time spent waiting.

    Pillow decodes in threads into the memory of our `BatchRing`, since our own loader needs more libraries.
    """
    from training.data.batches.ring import BatchRing
    from training.recipes.digits import RECIPE

    if not report.has_time("feeding"):
        return
    config, side, n = RECIPE.presets["default"], 224, 32
    encoded = _jpegs(sizes.jpegs, 320)
    ring = BatchRing(pinned=device.type == "cuda")
    step = Step(RECIPE.network(config, (LinearHead(),)), config, device, half=device.type != "cpu")
    labels = torch.arange(n, device=device) % CLASSES
    waited, count, start = 0.0, 0, time.perf_counter()
    workers = len(_processors())
    with ThreadPoolExecutor(workers) as decoders, ThreadPoolExecutor(1) as ahead:
        fill = lambda: _decode(encoded, ring.take((n, side, side, 3)), decoders)  # noqa: E731 - two uses
        coming = ahead.submit(fill)
        while count < sizes.jpegs * 4 and time.perf_counter() - start < sizes.seconds * 5:
            before = time.perf_counter()
            batch = coming.result()
            waited += time.perf_counter() - before
            coming = ahead.submit(fill)
            on_device = torch.from_numpy(batch).to(device, non_blocking=True).permute(0, 3, 1, 2)
            ring.mark_copies()
            step({"pictures": on_device}, labels)
            wait_for(device)
            count += n
    lasted = time.perf_counter() - start
    report.lines += [
        "## Feeding", "",
        f"JPEGs of 320 px decoded by Pillow to {side} px in {workers} threads while `digits` trains on the",
        f"batch before: {count / lasted:,.0f} pictures a second, {waited / lasted:.0%} of the time waiting.", "",
    ]  # fmt: skip


def _processors() -> list[int]:
    return (
        sorted(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else list(range(os.cpu_count() or 1))
    )


def _jpegs(count: int, side: int) -> list[bytes]:
    encoded = []
    for number in range(count):
        stream = BytesIO()
        drawn = pictures(1, side, np.random.default_rng(number))[0].permute(1, 2, 0)
        Image.fromarray(drawn.contiguous().numpy()).save(stream, "JPEG", quality=88)
        encoded.append(stream.getvalue())
    return encoded


def _decode(encoded: list[bytes], batch: Any, decoders: ThreadPoolExecutor) -> Any:
    rng = np.random.default_rng()

    def decode(place: int) -> None:
        with Image.open(BytesIO(encoded[rng.integers(len(encoded))])) as picture:
            batch[place] = np.asarray(picture.convert("RGB").resize(batch.shape[1:3]))

    list(decoders.map(decode, range(len(batch))))
    return batch


def measure_faiss(report: Report, sizes: Sizes) -> None:
    """Time the search for the twelve nearest vectors, on processors and on the GPU where it can."""
    if importlib.util.find_spec("faiss") is None:
        report.left_out.append("FAISS: not installed")
        return
    if not report.has_time("FAISS"):
        return
    import faiss

    rng, questions = np.random.default_rng(0), 256
    vectors = rng.standard_normal((sizes.vectors, 256), np.float32)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    rows = [("processors", index)]
    if getattr(faiss, "get_num_gpus", lambda: 0)():
        resources = faiss.StandardGpuResources()
        rows.append(("GPU", faiss.index_cpu_to_gpu(resources, 0, index)))
    report.lines += [
        "## FAISS", "",
        f"The 12 nearest of {sizes.vectors:,} vectors of 256 numbers, exact, for {questions} questions.", "",
        "| on | seconds | questions a second | same answers |", "| --- | ---: | ---: | --- |",
    ]  # fmt: skip
    expected = None
    for name, each in rows:
        each.search(vectors[:questions], 12)
        start = time.perf_counter()
        _, found = each.search(vectors[:questions], 12)
        lasted = time.perf_counter() - start
        expected = found if expected is None else expected
        same = float((found == expected).mean())
        report.lines.append(f"| {name} | {lasted:.3f} | {questions / lasted:,.0f} | {same:.4f} |")
    report.lines.append("")


def shown(rates: list[float]) -> str:
    return f"{statistics.median(rates):,.0f} [{min(rates):,.0f}, {max(rates):,.0f}]"


def machine(device: torch.device) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    versions = (
        f"torch {torch.__version__}, numpy {np.__version__}, Python {platform.python_version()}"
    )
    return f"{name}, {len(_processors())} processors, {versions}, {platform.system()}"


def choose_device(wanted: str) -> torch.device:
    if wanted:
        return torch.device(wanted)
    return (
        torch.accelerator.current_accelerator() or CPU if torch.accelerator.is_available() else CPU
    )


def main() -> int:
    """Measure everything that there is time for, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, help="file of the table (default: standard output)")
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument(
        "--device", default="", help="cpu, cuda ...; by default the accelerator that torch sees"
    )
    options = parser.parse_args()
    start = time.monotonic()
    device = choose_device(options.device)
    sizes = ON_CPU if device.type == "cpu" else ON_GPU
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    report = Report(start + options.minutes * 60 * 0.9)
    measure_feeding(report, device, sizes)
    compare_losses(report, device)
    measure_networks(report, device, sizes)
    measure_faiss(report, sizes)
    kind = "A GPU" if device.type != "cpu" else "No GPU: the same on processors, small"
    head = [
        f"# {kind}", "", f"Commit {commit()}, {machine(device)}, {time.monotonic() - start:.0f} s.",
        "", f"    python3 benchmarks/bench_gpu.py{f' --device {options.device}' if options.device else ''}", "",
    ]  # fmt: skip
    out = [f"Left out: {'; '.join(report.left_out)}.", ""] if report.left_out else []
    text = "\n".join([*head, *report.lines, *out])
    if options.output:
        options.output.write_text(text, "utf-8")
    print(text)
    return 0 if report.is_right else 1


if __name__ == "__main__":
    sys.exit(main())
