"""Add 100 files to 2,000: which old groups of copies change and why, and whether the order of batches matters.

    python -m benchmarks.bench_growth --data DIR --output FILE [--work DIR]

The pictures are those of the tuning half of bench_dedupe.py (photographs, copies of them, collages, bursts) and chips
of faces until there are 2,100. Each pair of pictures is compared once, however many orders are tried: a verdict depends
on its two pictures only. Finished steps are stored in `--work`.
"""

import argparse
import logging
import pickle
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from tarfile import open as open_tar
from typing import Any

import cv2
import numpy as np
import polars as pl

from benchmarks.bench_dedupe import describe_corpus, prepare_half, versions
from benchmarks.code_version import commit
from benchmarks.dedupe_corpus import Corpus, CorpusFile
from curation.duplicates.distinct_shots import Shot, are_distinct_shots, shots_of
from curation.duplicates.index import SimilarityIndex
from curation.duplicates.limits import DuplicateLimits
from curation.duplicates.pair_verification import EDGES
from curation.duplicates.search import GROUPS, Duplicates, compare, descriptors_of, distinct
from curation.duplicates.verification import Verdict, Verifier
from curation.similarity.picture_features import FeatureCache

OLD, ADDED, SEED, ORDERS = 2000, 100, 7, 3
LIMITS = DuplicateLimits()
Groups = dict[str, frozenset[str]]


class OnceVerifier(Verifier):
    """Compares each pair once, however many searches it serves."""

    def __init__(self, features: FeatureCache) -> None:
        super().__init__(features, LIMITS.verification)
        self.verdicts: dict[tuple[str, str], Verdict] = {}

    def verify(
        self,
        left: str,
        right: str,
        cosine: float,
        shots: tuple[Shot | None, Shot | None] = (None, None),
    ) -> Verdict:
        """Compare two pictures, or give the verdict of an earlier search."""
        if (left, right) not in self.verdicts:
            self.verdicts[left, right] = super().verify(left, right, cosine, shots)
        return self.verdicts[left, right]


@dataclass(frozen=True)
class State:
    """The pictures so far, their index and the copies among them."""

    names: frozenset[str]
    index: SimilarityIndex
    result: Duplicates

    def changed(self, pictures: pl.DataFrame, names: frozenset[str], verifier: Verifier) -> "State":
        """Add and remove pictures until these are left, and search again with the earlier verdicts."""
        present = pictures.filter(pl.col("asset_sha256").is_in(names))
        wanted = distinct(present)
        old, new = set(self.index.pictures.names), set(wanted["asset_sha256"])
        added = descriptors_of(wanted.filter(pl.col("asset_sha256").is_in(new - old)))
        index = self.index.updated(added, old - new)
        return State(
            names, index, compare(present, index, verifier, LIMITS, earlier_edges=self.result.edges)
        )


def prepare(data: Path, work: Path) -> tuple[Corpus, pl.DataFrame]:
    """Make and describe the pictures, or read them from an earlier run."""
    cache = work / "growth.pkl"
    if not cache.exists():
        corpus, pictures, _ = prepare_half(data, work, 0, 310)
        missing = max(0, OLD + ADDED - len(corpus.items))
        faces = add_faces(data, corpus, missing)
        chips = replace(corpus, items=faces, shots={})
        pictures = pl.concat([pictures, describe_corpus(chips)[0]])
        whole = replace(corpus, items=[*corpus.items, *faces])
        cache.write_bytes(pickle.dumps((whole, pictures)))
    content: tuple[Corpus, pl.DataFrame] = pickle.loads(cache.read_bytes())
    return content


def add_faces(data: Path, corpus: Corpus, n_faces: int) -> list[CorpusFile]:
    """Write chips of faces into the folder of a corpus."""
    items: list[CorpusFile] = []
    for archive in sorted((data / "faces").glob("utkface*.tar")):
        with open_tar(archive) as tar:
            for entry in tar:
                if len(items) == n_faces:
                    return items
                stream = tar.extractfile(entry) if entry.isfile() else None
                if stream is None:
                    continue
                picture = cv2.imdecode(np.frombuffer(stream.read(), np.uint8), cv2.IMREAD_COLOR)
                if picture is not None:
                    name = f"face{len(items):04d}"
                    cv2.imwrite(str(corpus.path(name)), picture)
                    items.append(CorpusFile(name, name, "face"))
    return items


def groups_of(result: Duplicates) -> Groups:
    """Map each picture to the members of its group."""
    members = defaultdict(set)
    for name, group in result.groups.select("asset_sha256", "group_id").iter_rows():
        members[group].add(name)
    return {name: frozenset(each) for each in members.values() for name in each}


def changes(before: State, after: State, shots: dict[str, Shot]) -> tuple[int, Counter[str]]:
    """Count the old groups, and those whose old pictures are grouped otherwise, by reason."""
    old, new = groups_of(before.result), groups_of(after.result)
    reasons: Counter[str] = Counter()
    for group in set(old.values()):
        now = {new.get(name, frozenset([name])) for name in group}
        if len(now) > 1:
            reasons[why_parted(now, after, shots)] += 1
        elif next(iter(now)) & before.names != group:
            others = (next(iter(now)) & before.names) - group
            joins_groups = any(name in old for name in others)
            reasons["joined with another group" if joins_groups else "old pictures joined"] += 1
    return len(set(old.values())), reasons


def why_parted(parts: set[frozenset[str]], after: State, shots: dict[str, Shot]) -> str:
    """Say why a group fell apart: two shots by EXIF, a bridge that is an issue for people, or no reason."""
    hubs = {name for bridge in after.result.bridges for name in (bridge.picture, *bridge.pieces)}
    if any(part & hubs for part in parts):
        return "parted at a bridge"
    known = [[shots[name] for name in part if name in shots] for part in parts]
    for place, ones in enumerate(known):
        others = [shot for each in known[place + 1 :] for shot in each]
        if any(are_distinct_shots(one, other) for one in ones for other in others):
            return "two shots by EXIF"
    return "no reason known"


def same(one: Duplicates, two: Duplicates) -> bool:
    """Say whether two searches have equal edges and groups."""
    return one.edges.equals(two.edges) and one.groups.equals(two.groups)


def measure(corpus: Corpus, pictures: pl.DataFrame) -> list[dict[str, Any]]:
    """Grow from 2,000 to 2,100 with several choices of what is added; one row each."""
    verifier, shots = OnceVerifier(FeatureCache(corpus.read)), shots_of(pictures)
    names = sorted(pictures["asset_sha256"])
    nothing = Duplicates(pl.DataFrame(schema=EDGES), pl.DataFrame(schema=GROUPS))
    empty = State(frozenset(), SimilarityIndex.empty(LIMITS.candidates), nothing)
    everything = empty.changed(pictures, frozenset(names), verifier)
    rows = []
    for seed in range(ORDERS):
        rng = random.Random(SEED + seed)
        added = frozenset(rng.sample(names, len(names) - OLD))
        before = empty.changed(pictures, frozenset(names) - added, verifier)
        clock = time.process_time()
        after = before.changed(pictures, frozenset(names), verifier)
        seconds = time.process_time() - clock
        in_batches, order = empty, rng.sample(names, len(names))
        for start in range(0, len(order), 700):
            so_far = frozenset(order[: start + 700])
            in_batches = in_batches.changed(pictures, so_far, verifier)
        back = after.changed(pictures, before.names, verifier)
        n_groups, reasons = changes(before, after, shots)
        rows.append(
            {
                "groups": n_groups,
                "reasons": reasons,
                "once": same(after.result, everything.result),
                "batches": same(in_batches.result, everything.result),
                "back": same(back.result, before.result),
                "cpu_s": seconds,
            }
        )
        print(rows[-1], flush=True)
    return rows


def report(rows: list[dict[str, Any]]) -> str:
    lines = [
        "# 100 files added to 2,000",
        "",
        "Copies of 2,000 pictures, and of the same with 100 more: old groups of which an old picture left or came, by",
        "reason; whether adding equals one search of all, four batches in another order equal it, and a search after",
        "the 100 were removed equals that before. CPU seconds are those of the search after 100 more, without the",
        "comparisons that an earlier search had made.",
        "",
        "| order | old groups | changed, by reason | as at once | any batches | removed again | CPU s |",
        "| ---: | ---: | --- | --- | --- | --- | ---: |",
    ]
    for number, row in enumerate(rows, 1):
        reasons = "; ".join(f"{reason} {n}" for reason, n in sorted(row["reasons"].items()))
        equal = " | ".join(
            "equal" if row[name] else "**differs**" for name in ("once", "batches", "back")
        )
        lines.append(
            f"| {number} | {row['groups']} | {reasons or 'none'} | {equal} | {row['cpu_s']:.1f} |"
        )
    lines += [
        "",
        f"Command: `python -m benchmarks.bench_growth --data DATA --output FILE`. Commit {commit()}.",
        "",
        f"{versions()}.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data", "output"):
        arguments.add_argument(f"--{name}", type=Path, required=True)
    arguments.add_argument(
        "--work", type=Path, help="folder for what is done; a new one if left out"
    )
    options = arguments.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    work = options.work or Path(tempfile.mkdtemp(prefix="bench_growth."))
    work.mkdir(parents=True, exist_ok=True)
    corpus = prepare(options.data, work)
    options.output.write_text(report(measure(*corpus)), "utf-8")


if __name__ == "__main__":
    main()
