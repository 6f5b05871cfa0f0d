"""How many planted copies the search finds, edit by edit, and what it merges by mistake; beside other programs.

    python -m benchmarks.bench_dedupe --data DIR --output FILE [--peers DIR] [--embedder ONNX] [--copied N] [--work DIR]

`--data` has photos/ and neardup/ as described in tests/real_data.py. `--peers` has a virtual environment for each of
imagededup, fastdup and cleanvision; those that are missing or fail are named in the table. `--embedder` is a network
of one's own, as bench_copy_embedder.py trains it on the half that is not judged. Limits are chosen on one
half of the photographs and judged on the other; no source repository is in both. What is done is kept in `--work`,
where a run that was stopped goes on.
"""

import argparse
import functools
import itertools
import json
import logging
import pickle
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.dedupe_corpus import COPIES_EACH, SEED, Corpus, make
from benchmarks.photo_edits import EDITS, LIGHT
from curation.decoding.decoding import examine
from curation.duplicates.limits import DuplicateLimits
from curation.duplicates.search import find_duplicates
from curation.run.stage_results import limits_for
from curation.similarity.neighbours import best_distance
from curation.similarity.pdq import from_hex, luma_of, pdq
from curation.stages.embeddings import EfficientNetLite0
from curation.stages.onnx_embedder import OnnxEmbedder
from curation.stages.stage import THUMBNAIL_SIDE_PX

PEERS = ("imagededup", "fastdup", "cleanvision")
SHIPPED = DuplicateLimits()
BLIND = "no EXIF"
OWN = "Safelight, own embedder"
DRIFTS = {"strict": (0.15, 0.08), "middle": (0.25, 0.15), "lax": (0.4, 0.25)}
CHOICES = {
    f"{name}: drift {drift} px, at second looks {second} px": replace(
        SHIPPED,
        verification=replace(SHIPPED.verification, drift_px=drift, strict_drift_px=second),
    )
    for name, (drift, second) in DRIFTS.items()
}
NEAR_BEST = 0.01  # of F1: among limits this close the strictest wins, for mistakes grow with the square of a collection
PIXELS = (THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX, 3)
Pairs = set[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    """The pairs that a program calls copies, and the CPU seconds it took."""

    pairs: Pairs
    cpu_s: float
    note: str = ""


@dataclass(frozen=True)
class Score:
    """Pairwise precision and recall; photographs that would be lost; wrong pairs among bursts and with collages."""

    precision: float
    recall: float
    lost: int
    bursts: int
    collages: int

    @property
    def f1(self) -> float:
        """Give the harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def described(corpus: Corpus) -> tuple[pl.DataFrame, dict[str, float]]:
    """Run the stages on every file; also CPU seconds by stage."""
    clock, seconds = time.process_time(), {}
    health = [examine(corpus.path(item.name).read_bytes()) for item in corpus.items]
    thumbnails = [np.frombuffer(each.thumbnail or b"", np.uint8).reshape(PIXELS) for each in health]
    seconds["decode"], clock = time.process_time() - clock, time.process_time()
    hashes = [pdq(luma_of(each)) for each in thumbnails]
    seconds["PDQ"], clock = time.process_time() - clock, time.process_time()
    embedder = EfficientNetLite0()
    embedder.load()
    vectors = [
        vector
        for start in range(0, len(thumbnails), 64)
        for vector in embedder.embed(np.stack(thumbnails[start : start + 64]))
    ]
    seconds["embedding"] = time.process_time() - clock
    rows = {
        "asset_sha256": [item.name for item in corpus.items],
        "pixel_sha256": [each.pixel_sha256 for each in health],
        "value": [each.hex for each in hashes],
        "quality": [each.quality for each in hashes],
        "vector": pl.Series([each.tolist() for each in vectors], dtype=pl.List(pl.Float32)),
        "decode_status": [each.decode_status for each in health],
        "detail_energy": [each.detail_energy for each in health],
        "width": [each.width for each in health],
        "height": [each.height for each in health],
    }
    # Camera and moment are those of the photographs' files; copies have lost them, as on most sites.
    shots = [corpus.shots.get(item.name, (None, None)) for item in corpus.items]
    rows["camera"] = pl.Series([camera for camera, _ in shots], dtype=pl.String)
    rows["taken_at"] = pl.Series([moment for _, moment in shots], dtype=pl.Datetime("us"))
    # All files claim the same number of settings and the same quality.
    same = {"has_valid_exif": 3, "jpeg_quality": 90, "first_seen": 0}
    frame = pl.DataFrame(rows).with_columns(
        pl.lit(value).alias(name) for name, value in same.items()
    )
    return frame.with_columns(serial_sha256=pl.lit(None, pl.String)), seconds


def ours(
    corpus: Corpus, pictures: pl.DataFrame, limits: DuplicateLimits, *, with_exif: bool = True
) -> Answer:
    if not with_exif:
        pictures = pictures.drop("camera")
    clock = time.process_time()
    found = find_duplicates(pictures, corpus.read, limits)
    seconds = time.process_time() - clock
    groups = defaultdict(list)
    for name, group in found.groups.select("asset_sha256", "group_id").iter_rows():
        groups[group].append(name)
    return Answer(pairs_within(groups.values()), seconds, str(found.n_compared))


def by_own(
    corpus: Corpus, pictures: pl.DataFrame, limits: DuplicateLimits, embedder: OnnxEmbedder
) -> Answer:
    """Search with the vectors of another network; its seconds a picture go into the note."""
    thumbnails = [
        np.frombuffer(examine(corpus.path(name).read_bytes()).thumbnail or b"", np.uint8)
        for name in pictures["asset_sha256"]
    ]
    embedder.load()
    clock = time.process_time()
    vectors = [
        vector
        for start in range(0, len(thumbnails), 64)
        for vector in embedder.embed(
            np.stack([each.reshape(PIXELS) for each in thumbnails[start : start + 64]])
        )
    ]
    seconds = time.process_time() - clock
    own = pl.Series("vector", [each.tolist() for each in vectors], dtype=pl.List(pl.Float32))
    answer = ours(corpus, pictures.with_columns(own), limits_for(embedder, limits))
    return replace(answer, note=f"{seconds:.0f}")


def by_pdq(pictures: pl.DataFrame) -> Answer:
    """Take every pair within 31 bits in the best of 8 orientations, as PDQ alone would."""
    clock = time.process_time()
    names = pictures["asset_sha256"].to_list()
    rich = np.flatnonzero(pictures["quality"].to_numpy() >= 50)
    bits = from_hex(pictures["value"].to_list())
    pairs: Pairs = set()
    for place in rich.tolist():
        others = rich[rich > place]
        near = best_distance(np.repeat(bits[place : place + 1], len(others), 0), bits[others]) <= 31
        pairs |= {ordered(names[place], names[other]) for other in others[near].tolist()}
    return Answer(pairs, time.process_time() - clock)


def by_peer(name: str, peers: Path, corpus: Corpus) -> Answer | str:
    """Run another program over the folder; a sentence when that fails."""
    python = (peers / name / "bin" / "python").absolute()
    if not python.exists():
        return f"{name}: not installed"
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "pairs.json"
        script = str(Path(__file__).with_name("dedupe_peers.py").absolute())
        command = [str(python), script, name, str(corpus.folder.absolute()), str(output)]
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
        if done.returncode or not output.exists():
            return f"{name}: failed with {(done.stderr.strip().splitlines() or ['no message'])[-1][:200]}"
        told = json.loads(output.read_text("utf-8"))
    return Answer({ordered(a, b) for a, b in told["pairs"]}, told["cpu_s"], told["version"])


def ordered(one: str, two: str) -> tuple[str, str]:
    return (one, two) if one < two else (two, one)


def pairs_within(groups: Iterable[Iterable[str]]) -> Pairs:
    return {ordered(*pair) for each in groups for pair in itertools.combinations(each, 2)}


def score(corpus: Corpus, pairs: Pairs) -> Score:
    """Compare pairs with the truth, over all pairs of the corpus."""
    truth, edit = corpus.truth, {item.name: item.edit for item in corpus.items}
    right = sum(truth[a] == truth[b] for a, b in pairs)
    wrong = [pair for pair in pairs if truth[pair[0]] != truth[pair[1]]]
    real = sum(n * (n - 1) // 2 for n in Counter(truth.values()).values())
    return Score(
        precision=right / max(1, len(pairs)),
        recall=right / real,
        lost=lost(truth, pairs),
        bursts=sum({edit[a], edit[b]} == {"burst"} for a, b in wrong),
        collages=sum("collage" in {edit[a], edit[b]} for a, b in wrong),
    )


def lost(truth: Mapping[str, str], pairs: Pairs) -> int:
    """Count the photographs of which nothing is left when one picture of each connected group is kept."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while (above := parent.get(name, name)) != name:
            name = above
        return name

    for a, b in pairs:
        parent[root(a)] = root(b)
    groups = defaultdict(set)
    for name, photograph in truth.items():
        groups[root(name)].add(photograph)
    return sum(len(each) - 1 for each in groups.values())


def found_per_edit(corpus: Corpus, pairs: Pairs) -> dict[str, int]:
    """Count the copies that are paired with their original."""
    return Counter(
        item.edit
        for item in corpus.items
        if item.edit in EDITS and ordered(item.name, item.photograph) in pairs
    )


def kept(path: Path, make_answer: Callable[[], Answer | str]) -> Answer | str:
    """Read an answer that a run before has left, or make it; failures are not kept."""
    if not path.exists():
        made = make_answer()
        if isinstance(made, str):
            return made
        told = {"pairs": sorted(made.pairs), "cpu_s": made.cpu_s, "note": made.note}
        path.write_text(json.dumps(told), "utf-8")
    told = json.loads(path.read_text("utf-8"))
    return Answer({ordered(a, b) for a, b in told["pairs"]}, told["cpu_s"], told["note"])


def prepared(
    data: Path, work: Path, half: int, copied: int
) -> tuple[Corpus, pl.DataFrame, dict[str, float]]:
    """Make one half of the corpus and describe it, unless that is done."""
    done = work / f"half{half}.pkl"
    if not done.exists():
        corpus = make(data, work / f"half{half}", half, copied)
        done.write_bytes(pickle.dumps((corpus, *described(corpus))))
    found: tuple[Corpus, pl.DataFrame, dict[str, float]] = pickle.loads(done.read_bytes())
    return found


def chosen(corpus: Corpus, pictures: pl.DataFrame, work: Path) -> tuple[str, list[str]]:
    """Choose limits on the first half: the strictest of those whose F1 is within 0.01 of the best."""
    scores = {}
    for name, limits in CHOICES.items():
        path = work / f"tuned {name.split(':')[0]}.json"
        answer = kept(path, functools.partial(ours, corpus, pictures, limits))
        assert isinstance(answer, Answer)
        scores[name] = score(corpus, answer.pairs)
        print(name, scores[name], f"{answer.cpu_s:.0f} s", flush=True)
    top = max(each.f1 for each in scores.values())
    best = next(name for name, each in scores.items() if each.f1 >= top - NEAR_BEST)
    lines = [
        f"| {name} | {each.precision:.4f} | {each.recall:.4f} | {each.f1:.4f} | {each.lost} | {each.bursts} |"
        for name, each in scores.items()
    ]
    return best, lines


def report(
    corpus: Corpus,
    answers: dict[str, Answer],
    missing: list[str],
    choice: tuple[str, list[str]],
    half: str,
    stages: dict[str, float],
) -> str:
    kinds = Counter(item.edit for item in corpus.items)
    n_copies = sum(kinds[edit] for edit in EDITS)
    n_photographs = len(set(corpus.truth.values()))
    lines = [
        "# Finding copies, edit by edit",
        "",
        f"{len(corpus.items)} files: {kinds['original']} photographs, {n_copies} planted copies "
        f"({len(EDITS)} kinds of edits, {COPIES_EACH} for each of {round(n_copies / COPIES_EACH)} photographs),",
        f"{kinds['collage']} collages of two or four of the photographs, {kinds['burst']} burst shots; "
        f"{n_photographs} distinct photographs in all.",
        "Precision and recall are over all pairs of files; *lost* are photographs of which nothing would be left.",
        "",
        "| program | precision | recall | F1 | lost | burst pairs merged | pairs with collages | CPU s |",
        "| --- |" + " ---: |" * 7,
    ]
    for name, answer in answers.items():
        each = score(corpus, answer.pairs)
        lines.append(
            f"| {name} | {each.precision:.4f} | {each.recall:.4f} | {each.f1:.4f} | {each.lost} "
            f"({each.lost / n_photographs:.1%}) | {each.bursts} | {each.collages} | {answer.cpu_s:.0f} |"
        )
    before = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in stages.items())
    lines += [
        "",
        f"The seconds of Safelight and PDQ are those of the search; before it come {before}.",
    ]
    if OWN in answers:
        lines.append(f"The own embedder takes {answers[OWN].note} s in place of the default's.")
    lines += [f"Not in the table: {each}." for each in missing]
    found = {name: found_per_edit(corpus, answer.pairs) for name, answer in answers.items()}
    for title, edits in (("Light edits", LIGHT), ("Hard edits", EDITS.keys() - LIGHT.keys())):
        names = [edit for edit in EDITS if edit in edits]
        lines += [
            "",
            f"| {title}: copies paired with their original | copies | {' | '.join(answers)} |",
        ]
        lines += ["| --- | ---: |" + " ---: |" * len(answers)]
        for edit in names:
            counts = " | ".join(str(found[name][edit]) for name in answers)
            lines.append(f"| {edit} | {kinds[edit]} | {counts} |")
        total = sum(kinds[edit] for edit in names)
        shares = (sum(found[name][edit] for edit in names) / max(1, total) for name in answers)
        lines.append(f"| **all** | {total} | {' | '.join(f'{share:.3f}' for share in shares)} |")
    lines += [
        "",
        f"Limits chosen on {half}: **{choice[0]}**, the strictest whose F1 is "
        f"within {NEAR_BEST} of the best.",
        "",
        "| limits | precision | recall | F1 | lost | burst pairs merged |",
        "| --- |" + " ---: |" * 5,
        *choice[1],
    ]
    return "\n".join(lines)


CAVEATS = """
Command: `python -m benchmarks.bench_dedupe --data DATA --peers VENVS --embedder ONNX --output FILE`

{versions}; 2 CPU cores, no GPU, shared with other work: CPU seconds, not seconds. Seed {seed}.

Caveats: no source repository is in both halves, but both halves come from the same kind of archives. The photographs
are 448 px and smaller. Which files show one photograph twice was judged by eye, also after a first run had pointed at
them. Pairs of the other programs are those that they report with their defaults, not closed over groups; ours are
all pairs of each group. Safelight reads camera and moment of taking from the EXIF of the photographs (the copies have
none); the line "no EXIF" has pixels alone, and takes stricter limits because of that. That EXIF tells shots
apart, that plain pictures are candidates within 10 bits, and the search for faint features and for writing over whole
pictures, came after looking at what earlier versions had got wrong on the judged half: its figures are somewhat
optimistic. PDQ alone takes pairs within 31 bits in 8 orientations.
"""


def versions() -> str:
    names = ("faiss-cpu", "numpy", "opencv-python-headless", "torch")
    return ", ".join([f"Python {platform.python_version()}", *(f"{n} {version(n)}" for n in names)])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data", "output"):
        arguments.add_argument(f"--{name}", type=Path, required=True)
    arguments.add_argument("--peers", type=Path, default=Path())
    arguments.add_argument("--embedder", type=Path, help="an ONNX file with its card beside it")
    arguments.add_argument("--copied", type=int, default=310, help="photographs with copies")
    arguments.add_argument(
        "--tuned-on", type=int, default=100, help="photographs in the other half"
    )
    arguments.add_argument(
        "--work", type=Path, help="folder for what is done; a new one if left out"
    )
    given = arguments.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    work = given.work or Path(tempfile.mkdtemp(prefix="bench_dedupe."))
    work.mkdir(parents=True, exist_ok=True)
    tuned, pictures, _ = prepared(given.data, work, 0, given.tuned_on)
    choice = chosen(tuned, pictures, work)
    corpus, pictures, stages = prepared(given.data, work, 1, given.copied)
    search = functools.partial(ours, corpus, pictures, CHOICES[choice[0]])
    own: dict[str, Callable[[], Answer | str]] = {}
    if given.embedder:
        embedder = OnnxEmbedder(given.embedder)
        own[OWN] = functools.partial(by_own, corpus, pictures, CHOICES[choice[0]], embedder)
    asked: dict[str, Callable[[], Answer | str]] = {
        "Safelight": search,
        **own,
        f"Safelight, {BLIND}": functools.partial(search, with_exif=False),
        "PDQ alone": functools.partial(by_pdq, pictures),
        **{name: functools.partial(by_peer, name, given.peers, corpus) for name in PEERS},
    }
    answers, missing = {}, []
    for name, ask in asked.items():
        answer = kept(work / f"judged {name}.json", ask)
        if isinstance(answer, str):
            missing.append(answer)
            continue
        print(name, score(corpus, answer.pairs), flush=True)
        answers[f"{name} {answer.note}" if name in PEERS else name] = answer
    for pair in sorted(answers["Safelight"].pairs):
        if corpus.truth[pair[0]] != corpus.truth[pair[1]]:
            print("not one photograph, or to be added to dedupe_corpus.TWICE:", *pair)
    half = f"{given.tuned_on} photographs of the other half and their copies ({len(tuned.items)} files)"
    page = report(corpus, answers, missing, choice, half, stages)
    caveats = CAVEATS.format(versions=versions(), seed=SEED)
    given.output.write_text(page + "\n" + caveats, "utf-8")


if __name__ == "__main__":
    main()
