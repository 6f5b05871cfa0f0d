"""The check for machines with a GPU: it needs torch, numpy and Pillow alone, and runs small on processors."""

import os
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement

from benchmarks.recipe_networks import CLASSES, Case, Step, cases, move, without_dropout

ROOT = Path(__file__).parents[1]


def stock_libraries(folder: Path) -> Path:
    """Link torch with what it needs itself, numpy and Pillow into a folder, and nothing else."""
    waiting, linked = ["torch", "numpy", "pillow"], set[str]()
    while waiting:
        name = waiting.pop()
        if name in linked:
            continue
        linked.add(name)
        library = distribution(name)
        for top in {path.parts[0] for path in library.files or () if path.parts[0] != ".."}:
            (folder / top).symlink_to(Path(str(library.locate_file(top))).resolve())
        needed = map(Requirement, library.requires or ())
        waiting += [
            each.name
            for each in needed
            if each.marker is None or each.marker.evaluate({"extra": ""})
        ]
    return folder


QUICK = ("digits", "exif", "sounds")
CASES = [
    pytest.param(case, id=case.name, marks=() if case.name in QUICK else pytest.mark.slow)
    for case in cases()
]


@pytest.mark.parametrize("case", CASES)
def test_a_step_of_each_recipe_changes_its_weights_and_is_the_same_again(case: Case) -> None:
    found = []
    for _ in range(2):
        torch.manual_seed(0)
        step = Step(without_dropout(case.make()), case.config, torch.device("cpu"), half=False)
        before = [each.detach().clone() for each in step.network.parameters() if each.requires_grad]
        torch.manual_seed(1)
        batch = move(case.inputs(step.network, 4, 0), torch.device("cpu"))
        loss = step(batch, torch.arange(4) % CLASSES)
        after = [each for each in step.network.parameters() if each.requires_grad]
        assert any((a != b).any() for a, b in zip(before, after, strict=True))
        found.append(float(loss))
    assert found[0] == found[1] > 0


@pytest.mark.parametrize("case", CASES)
def test_a_network_makes_no_tensor_on_the_cpu_when_it_is_elsewhere(case: Case) -> None:
    """The device `meta` computes nothing, but refuses to mix with tensors of the CPU as a GPU does."""
    with pytest.raises(RuntimeError, match="not on the expected device"):
        torch.empty(3, device="meta") + torch.ones(3)
    network = case.make().train()
    batch = move(case.inputs(network, 4, 0), torch.device("meta"))
    output = next(iter(network.to("meta")(batch).values()))
    labels = torch.empty(4, dtype=torch.long, device="meta")
    torch.nn.functional.cross_entropy(output[:, :CLASSES].float(), labels).backward()
    assert output.device.type == "meta"


def test_every_recipe_is_measured() -> None:
    recipes = {path.stem for path in (ROOT / "training" / "recipes").glob("[a-z]*.py")}
    assert {case.recipe for case in cases()} == recipes
    assert "exif (cnn)" in {case.name for case in cases()}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_script_runs_on_processors_with_nothing_but_torch_numpy_and_pillow(
    tmp_path: Path,
) -> None:
    (tmp_path / "libraries").mkdir()
    libraries, output = stock_libraries(tmp_path / "libraries"), tmp_path / "table.md"
    script = ROOT / "benchmarks" / "bench_gpu.py"
    words = [sys.executable, "-S", "-P", script, "--device", "cpu", "--output", output]
    environment = {"PYTHONPATH": str(libraries), "OMP_NUM_THREADS": "1", "PATH": os.environ["PATH"]}
    done = subprocess.run(
        words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    text = output.read_text("utf-8")
    assert text.startswith("# No GPU")
    assert (
        len(re.findall(r"^\| [\w ()]+ \| 0\.0e\+00 \| \d\.\de-\d\d \| yes \|$", text, re.MULTILINE))
        >= 9
    )
    assert len(re.findall(r"^\| .* \[[\d,]+, [\d,]+\] \|$", text, re.MULTILINE)) >= 9
    assert re.search(r"batch before: \d+ pictures a second, \d+% of the time waiting", text)
    assert "copy_detection: needs" in text
    assert "FAISS: not installed" in text
