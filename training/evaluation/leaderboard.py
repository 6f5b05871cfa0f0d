"""Rank finished models: one list for each data set, split and head, the best first."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from training.evaluation.findings import Finding, best_baseline_finding
from training.evaluation.saved_head import RETRIEVAL_FAMILY, SavedHead, saved_heads


@dataclass(frozen=True)
class Entry:
    """One model in a list."""

    model_id: str
    recipe: str
    finding: Finding
    parameters: int
    examples_seen: int


@dataclass(frozen=True)
class Board:
    """Models that were tested on the same pictures, the best first."""

    dataset: str
    policy: str
    head: SavedHead
    entries: tuple[Entry, ...]


def leaderboards(
    folders: Iterable[Path], dataset: str | None = None, task: str | None = None
) -> list[Board]:
    """Read the figures of model folders; a head without a baseline is in no list.

    `dataset` is a name, or name@version; heads with other classes or another column are in lists of their own.
    """
    lists: dict[tuple[Any, ...], list[Entry]] = {}
    heads: dict[tuple[Any, ...], SavedHead] = {}
    for folder in folders:
        facts = json.loads((folder / "config.json").read_text("utf-8"))
        release = f"{facts['dataset']}@{facts['version']}"
        if dataset is not None and dataset not in (facts["dataset"], release):
            continue
        for head, entry in _entries(folder, facts):
            if task is None or head.name == task:
                key = (release, entry.finding.policy, head.name, head.column, head.classes)
                lists.setdefault(key, []).append(entry)
                heads.setdefault(key, head)
    return [
        Board(key[0], key[1], heads[key], tuple(sorted(lists[key], key=_place)))
        for key in sorted(lists, key=lambda each: tuple(map(str, each)))
    ]


def _entries(folder: Path, facts: dict[str, Any]) -> Iterator[tuple[SavedHead, Entry]]:
    metrics, policy = pl.read_parquet(folder / "metrics.parquet"), str(facts["split_policy"])
    for head in saved_heads(facts):
        if head.family == RETRIEVAL_FAMILY:
            continue
        finding = best_baseline_finding(metrics, policy, head)
        if finding is not None:
            numbers = [int(facts.get(name) or 0) for name in ("parameters", "examples_seen")]
            yield head, Entry(folder.name, str(facts["recipe"]), finding, *numbers)


def _place(entry: Entry) -> tuple[float, str]:
    sign = -1 if entry.finding.head.higher_is_better else 1
    return sign * entry.finding.model.value, entry.model_id
