"""Select example photographs by their loss: best, worst, most confidently wrong, most typical.

A photo is ranked by its negative log-likelihood averaged over heads (the same order as the sum),
among photos with labels for all heads. Each group contributes one photo before any group contributes
a second; otherwise a burst would fill a row with one scene.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class HeadPrediction:
    """One head of one photo: probabilities of low, medium, high; true and predicted class; NLL in nats."""

    probabilities: tuple[float, ...]
    target: int
    predicted: int
    nll: float

    @property
    def is_right(self) -> bool:
        """Whether the most probable class is the true one."""
        return self.predicted == self.target


@dataclass(frozen=True)
class RankedPhoto:
    """One ranked photo with its heads by task and its mean NLL over them, in nats."""

    asset_sha256: str
    group_id: str
    nll: float
    heads: dict[str, HeadPrediction]

    @property
    def wrong_confidence(self) -> float:
        """The largest probability of a wrong class; 0 when all heads are right."""
        return max(
            (max(h.probabilities) for h in self.heads.values() if not h.is_right), default=0.0
        )


@dataclass(frozen=True)
class PanelSelection:
    """The four rows of a panel, most extreme first, and the number of ranked photos."""

    best: tuple[RankedPhoto, ...]
    worst: tuple[RankedPhoto, ...]
    confident_wrong: tuple[RankedPhoto, ...]
    typical: tuple[RankedPhoto, ...]
    n_ranked: int


def select_photos(predictions: pl.DataFrame, count: int = 5) -> PanelSelection:
    """Select `count` photos for each row from prediction rows (one per photo and head).

    Photos without a label for some head are left out; ties are broken by asset_sha256. A photo is not both
    best and worst, so with fewer than 2 x `count` photos the worst row is shorter.
    """
    photos = _photos(predictions)
    best = _take(sorted(photos, key=_by(lambda photo: photo.nll)), count)
    others = [photo for photo in photos if photo not in best]
    wrong = [photo for photo in photos if photo.wrong_confidence > 0]
    middle = _median([photo.nll for photo in photos])
    return PanelSelection(
        best=best,
        worst=_take(sorted(others, key=_by(lambda photo: -photo.nll)), count),
        confident_wrong=_take(sorted(wrong, key=_by(lambda photo: -photo.wrong_confidence)), count),
        typical=_take(sorted(photos, key=_by(lambda photo: abs(photo.nll - middle))), count),
        n_ranked=len(photos),
    )


def _by(score: Callable[[RankedPhoto], float]) -> Callable[[RankedPhoto], tuple[float, str]]:
    return lambda photo: (score(photo), photo.asset_sha256)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0


def _take(ranked: Iterable[RankedPhoto], count: int) -> tuple[RankedPhoto, ...]:
    """Take the first photo of each group, in order, then further photos of the groups."""
    firsts: list[RankedPhoto] = []
    seconds: list[RankedPhoto] = []
    groups: set[str] = set()
    for photo in ranked:
        (seconds if photo.group_id in groups else firsts).append(photo)
        groups.add(photo.group_id)
    return tuple((firsts + seconds)[:count])


def _photos(predictions: pl.DataFrame) -> list[RankedPhoto]:
    n_heads = predictions["task"].n_unique()
    labelled = predictions.filter(pl.col("target").is_not_null() & pl.col("nll").is_not_null())
    whole = labelled.filter(pl.len().over("asset_sha256") == n_heads).sort("asset_sha256", "task")
    return list(_grouped(whole))


def _grouped(rows: pl.DataFrame) -> Iterator[RankedPhoto]:
    for (sha,), heads in rows.group_by("asset_sha256", maintain_order=True):
        yield RankedPhoto(
            asset_sha256=str(sha),
            group_id=str(heads["group_id"][0]),
            nll=sum(heads["nll"]) / heads.height,
            heads={row["task"]: _head(row) for row in heads.iter_rows(named=True)},
        )


def _head(row: dict[str, object]) -> HeadPrediction:
    return HeadPrediction(
        probabilities=tuple(row["probabilities"]),  # type: ignore[arg-type]  # a list by contract
        target=int(str(row["target"])),
        predicted=int(str(row["predicted"])),
        nll=float(str(row["nll"])),
    )
