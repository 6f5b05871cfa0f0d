"""Batches of a release for training, read and decoded in threads of its own: `safelight.loader`.

It is the fast way; `dataset` with torch's DataLoader is the way with any transform. The order of the pictures is a
pure function of the release, the selection, the seed and the epoch, so a saved position means the same pictures on any
number of ranks and threads.
"""

import hashlib
import math
import os
import time
import weakref
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from catalog import CACHE_BYTES, UsageError, Workspace, counted
from training.data.batches.filling import BadPicture, BatchFiller, Filling, OnBad
from training.data.batches.ring import BatchRing
from training.data.crops import Crop, PictureView
from training.data.sampling.samplers import (
    BatchRows,
    Epoch,
    Sampler,
    SamplerSpec,
    count_batches,
    cut_batches,
    plan_epoch,
)
from training.data.selection import open_here_or_remote, select

if TYPE_CHECKING:
    import polars as pl

FORMAT = "safelight-loader/1"
LOOKAHEAD = 20_000  # pictures: more than a shard holds of 256 MB
SHARDS_AHEAD = 3
Batch = dict[str, Any]


@dataclass(frozen=True)
class BatchOptions:
    """How batches are cut and prepared; `rank` of `world_size` gets its share of every step.

    `prefetch` batches are prepared in advance. Raises `UsageError` for impossible values.
    """

    batch_size: int
    rank: int = 0
    world_size: int = 1
    drop_last: bool = False
    threads: int = 2
    prefetch: int = 2
    on_bad: OnBad = "replace"
    pin_memory: bool = False

    def __post_init__(self) -> None:
        for name in ("batch_size", "world_size", "threads", "prefetch"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if not 0 <= self.rank < self.world_size:
            raise UsageError(f"rank {self.rank} is not below world_size {self.world_size}")


class Loader:
    """Batches of a release; a context manager, and iterable once for each epoch.

    A batch is a dict. `image`: uint8 (N, 3, H, W), RGB, channels last in memory; `mask` (N,): false for a row that only
    pads; `id`: N texts; for each label its values (N,) and `LABEL_mask`; each column as a tensor or a list of texts.
    Its memory is used again when nothing refers to it any more, so batches may be kept.

    Each iteration is the next epoch, the first after `load_state_dict` what is left of the saved one.
    """

    def __init__(self, sampler: Sampler, view: PictureView, options: BatchOptions) -> None:
        self.selection = sampler.selection
        self.epoch = 0
        self.waited_s = 0.0
        self._sampler, self._view, self._options = sampler, view, options
        self._position, self._resumes = 0, False
        self._iteration = 0
        self._plan: tuple[int, Epoch] | None = None
        self._filler = BatchFiller(
            self.selection, threads=options.threads, seed=sampler.seed, on_bad=options.on_bad
        )
        self._ring = BatchRing(pinned=options.pin_memory)
        self._close = weakref.finalize(self, self._filler.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the threads and let go of the shards; the loader gives no batches any more."""
        self._close()

    def __len__(self) -> int:
        """Return the number of batches of this rank in a whole epoch."""
        options = self._options
        return count_batches(
            len(self._epoch_plan()),
            batch_size=options.batch_size,
            world_size=options.world_size,
            drop_last=options.drop_last,
        )

    def __iter__(self) -> Iterator[Batch]:
        """Give the batches of the next epoch, or of the rest of the one that was loaded; raises `UsageError`."""
        if not self._close.alive:
            raise UsageError("this loader is closed; open it again with safelight.loader")
        if self._position and not self._resumes:
            self.set_epoch(self.epoch + 1)
        self._resumes = False
        if not len(self):
            pictures = counted(len(self._epoch_plan()), "picture", "is")
            raise UsageError(
                f"{pictures} no whole batch on each rank; use a smaller batch_size, or drop_last=False"
            )
        self._iteration += 1
        return self._batches(self._iteration)

    def set_epoch(self, epoch: int) -> None:
        """Begin with this epoch (from 0) at the next iteration, from its start."""
        self.epoch, self._position, self._resumes = epoch, 0, False

    @property
    def bad(self) -> list[BadPicture]:
        """Pictures that could not be decoded so far, and what stands in for them."""
        return [*self._filler.bad.values()]

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """The class names of each label that is a text: code 0 is the first."""
        labels = self.selection.labels
        return {name: label.classes for name, label in labels.items() if label.classes}

    @property
    def index(self) -> "pl.DataFrame":
        """All columns of the release's index for the chosen pictures."""
        return self.selection.frame()

    def state_dict(self) -> dict[str, Any]:
        """Return where all ranks are after the latest batch; JSON can hold it.

        Inside the loop that batch counts as used: save after its step. A rank that loads it goes on with the next
        picture, also with another number of ranks, threads or pictures in a batch.
        """
        is_over = next(self._cuts(self._position), None) is None
        epoch, position = (self.epoch + 1, 0) if is_over else (self.epoch, self._position)
        return {"format": FORMAT, "epoch": epoch, "position": position, **self._identity()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a state was saved; raises `UsageError` when it is of other pictures or another order."""
        if state.get("format") != FORMAT:
            raise UsageError(
                f"this is not a state of a loader: its format is {state.get('format')!r}"
            )
        for name, value in self._identity().items():
            if state.get(name) != value:
                raise UsageError(
                    f"the state was saved with {name} {state.get(name)!r}, and this loader has {value!r}"
                )
        self.set_epoch(int(state["epoch"]))
        self._position, self._resumes = int(state["position"]), True

    def _identity(self) -> dict[str, Any]:
        """Return what the order of the pictures is a function of, beside the epoch."""
        chosen, options = self.selection, self._options
        identity = {
            "digest": chosen.release.digest,
            "split": chosen.split,
            "where": chosen.where,
            "rows": hashlib.sha256(chosen.rows.tobytes()).hexdigest()[:16],
            "sampler": self._sampler.name,
            "seed": self._sampler.seed,
            "epoch_size": self._sampler.size,
        }
        cuts = {"batch_size": options.batch_size, "drop_last": options.drop_last}
        return identity | (cuts if self._sampler.kind == "buckets" else {})

    def _epoch_plan(self) -> Epoch:
        if self._plan is None or self._plan[0] != self.epoch:
            plan = plan_epoch(
                self._sampler,
                self.epoch,
                batch_size=self._options.batch_size,
                side=round(math.sqrt(self._view.height * self._view.width)),
                pads=not self._options.drop_last,
            )
            self._plan = (self.epoch, plan)
        return self._plan[1]

    def _cuts(self, start: int) -> Iterator[BatchRows]:
        options = self._options
        return cut_batches(
            self._epoch_plan(),
            start=start,
            batch_size=options.batch_size,
            rank=options.rank,
            world_size=options.world_size,
            drop_last=options.drop_last,
        )

    def _batches(self, iteration: int) -> Iterator[Batch]:
        cuts = self._cuts(self._position)
        ahead = deque(self._begin(cut) for cut in _first(cuts, self._options.prefetch))
        try:
            while ahead:
                self._wait(ahead[0])
                full = ahead.popleft()
                self._position = full.batch.end
                yield full.tensors(self.selection)
                del full  # or its memory would not be free
                if iteration != self._iteration:
                    raise UsageError(
                        "another iteration of this loader has begun; one runs at a time"
                    )
                self._ring.mark_copies()
                ahead.extend(self._begin(cut) for cut in _first(cuts, 1))
            self.set_epoch(self.epoch + 1)
        finally:
            for filling in ahead:
                filling.cancel()

    def _begin(self, cut: BatchRows) -> Filling:
        options, plan, view = self._options, self._epoch_plan(), self._view
        if plan.shapes is not None:
            number = min(int(cut.positions[0]), len(plan) - 1) // options.batch_size
            view = replace(view, height=plan.shapes[number][0], width=plan.shapes[number][1])
        if self.selection.release.may_drop_shards:
            self.selection.release.prefetch(self._upcoming(plan, cut))
        memory = self._ring.take((options.batch_size, view.height, view.width, 3))
        return self._filler.start(cut, self.epoch, view, memory[: len(cut.rows)])

    def _upcoming(self, plan: Epoch, cut: BatchRows) -> list[str]:
        """Name the shards of a batch and those of the pictures after it, in the order of their use."""
        places = self.selection.places
        rows = plan.rows[cut.positions[0] :][:LOOKAHEAD]
        codes, first = np.unique(places.codes[rows], return_index=True)
        return [places.shards[code] for code in codes[np.argsort(first)][:SHARDS_AHEAD]]

    def _wait(self, filling: Filling) -> None:
        started = time.perf_counter()
        filling.wait()
        self.waited_s += time.perf_counter() - started


def _first(cuts: Iterator[BatchRows], count: int) -> list[BatchRows]:
    return [cut for _, cut in zip(range(count), cuts, strict=False)]


def loader(  # noqa: PLR0913 - keywords; each of them is documented
    name: str,
    split: str | None = None,
    *,
    size: int | tuple[int, int],
    batch_size: int,
    labels: Sequence[str] = (),
    columns: Sequence[str] = (),
    where: str = "",
    image: str = "image",
    sampler: SamplerSpec | None = None,
    seed: int = 0,
    epoch_size: int | None = None,
    crop: Crop = "center",
    scale: tuple[float, float] = (0.08, 1.0),
    flip: bool = False,
    upright: bool = True,
    rank: int | None = None,
    world_size: int | None = None,
    drop_last: bool = False,
    threads: int | None = None,
    prefetch: int = 2,
    on_bad: OnBad = "replace",
    pin_memory: bool | None = None,
    workspace: Workspace | str | Path | None = None,
    source: str | None = None,
    cache_bytes: int = CACHE_BYTES,
) -> Loader:
    """Open pictures of a release (`name` or `name@1.2.0`) as batches of one size; use it as a context manager.

    `labels` are columns of the index that become tensors with a mask, `columns` are given as they are, `where` is an
    SQL predicate over the index. `size` is a side, or (height, width); `crop` is center, whole, pad, random (`scale`
    are the shares of the area it may have), native and native_random; `flip` mirrors half of the pictures. `image` is
    the column to read: image_256 decodes faster, where the release was published with it.

    `sampler`: uniform (block for a `source`), sequential, block, balanced, balanced:LABEL or buckets, a mixture as
    shares by SQL predicate, or a function of the index and a random generator that returns row numbers. An epoch has
    `epoch_size` pictures. `rank` and `world_size` are by default those of RANK and WORLD_SIZE; every rank gets as many
    batches of the same size. The rest of an epoch is padded to equal shares, or dropped by `drop_last`.

    `threads` decode, by default one a core of this rank; `prefetch` batches are ready in advance; `pin_memory` is by
    default on where there is a GPU. `on_bad` says what becomes of a picture that cannot be decoded: replace, mask or
    raise. `workspace` is by default that of SAFELIGHT_HOME, else ./workspace.

    `source` reads a release that is not here, from http(s)://, s3:// or a folder: shards are fetched while the loader
    runs, into a cache of at most `cache_bytes`.

    Raises `ReleaseNotFoundError`, `ReleaseError` for a split or predicate that does not fit, `UsageError` for all else;
    warns about revoked releases and pictures without training permission.
    """
    release = open_here_or_remote(name, workspace, source, cache_bytes)
    selection = select(
        release, split=split, where=where, labels=labels, columns=columns, image=image
    )
    order = sampler or ("block" if source else "uniform")
    height, width = (size, size) if isinstance(size, int) else size
    options = BatchOptions(
        batch_size=batch_size,
        rank=_from_environment("RANK", 0) if rank is None else rank,
        world_size=_from_environment("WORLD_SIZE", 1) if world_size is None else world_size,
        drop_last=drop_last,
        threads=default_threads() if threads is None else threads,
        prefetch=prefetch,
        on_bad=on_bad,
        pin_memory=torch.cuda.is_available() if pin_memory is None else pin_memory,
    )
    view = PictureView(height, width, crop=crop, scale=scale, flip=flip, upright=upright)
    return Loader(Sampler(selection, order, seed, epoch_size), view, options)


def default_threads() -> int:
    """Return the number of cores that this process may use, divided by the ranks of this machine."""
    ranks = _from_environment("LOCAL_WORLD_SIZE", 1)
    return max(1, len(os.sched_getaffinity(0)) // max(1, ranks))


def _from_environment(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    if not text:
        return default
    if not text.isdecimal():
        raise UsageError(f"{name}={text} in the environment is not a number")
    return int(text)
