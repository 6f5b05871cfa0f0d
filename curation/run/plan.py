"""The curation plan: everything that decides the result, in one frozen value with a hash."""

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Self, get_args

from curation.duplicates.limits import KEEPER_ORDER, DuplicateLimits
from curation.errors import BadPlanError
from curation.rules.bin_edges import BINS, SETTINGS
from curation.rules.limits import RULES_VERSION, SESSION_MINUTES, THUMBNAIL_CORRELATION
from curation.splits.rebalance import Rebalance

STEPS = (
    "decode",
    "pdq",
    "embedding",
    "quality",
    f"exif_rules@{RULES_VERSION}",
    "exif_crowd@1",
    "duplicates@2",
    "inherit_settings@1",
    "bins@1",
    "group_split@2",
    "balance@2",
)
"""Steps of a run in order; the first four are stages, which carry their own versions."""

PICTURES, SOUNDS = "pictures", "sounds"
MIME_OF = {PICTURES: "image/%", SOUNDS: "audio/%"}
"""What a run curates, and the pattern of its media types."""

BALANCEABLE = (*SETTINGS, "camera", "photographer", "source")
"""What can be balanced over; settings by their bins."""
_TASK = re.compile(r"[a-z][a-z0-9_]*")


@cache
def reserved_columns() -> frozenset[str]:
    """Name the columns that every release has, which no label may be called like."""
    from catalog import TABLES

    beside = ("image", "shard", "offset", "length", "sha256")
    return frozenset((*TABLES["curated_items"].schema.names, *beside))


@dataclass(frozen=True)
class CurationPlan:
    """The choices and limits of a run. Two runs of one plan over the same pictures give the same rows."""

    seed: int = 0
    """Seed of both splits."""

    train_share: float = 0.7
    """Target share of the pictures in train."""

    validation_share: float = 0.15
    """Target share of the pictures in validation; test gets the rest."""

    rebalance: str = "sqrt"
    """How strongly rare classes are lifted in train: none, sqrt, inverse or effective."""

    balance_over: tuple[str, ...] = SETTINGS
    """Columns to balance: some of `BALANCEABLE` and `labels`. The default with `labels` is the labels."""

    allow_thin: bool = False
    """Whether inverse and effective may lift classes with too few scenes."""

    thumbnail_correlation: float = THUMBNAIL_CORRELATION
    """Below it the embedded thumbnail shows another picture, so the EXIF does not belong to this file."""

    inherit_splits: bool = True
    """Whether pictures keep the split of their newest release, or else of the newest run with the same seed, shares
    and labels, and draw their groups with them."""

    labels: tuple[str, ...] = ()
    """Tasks of table `labels`, such as age or gender, that the pictures are curated for. They become columns of the
    release and strata of the splits; pictures without any of them are dropped, even with settings. Without tasks the
    camera settings are the labels."""

    label_columns: tuple[str, ...] = ()
    """Tasks of table `labels` that are only columns of the release, unless `label_classes` names them."""

    label_classes: tuple[str, ...] = ()
    """Those of `label_columns` whose classes are strata of the splits and in the class tables."""

    label_tasks: tuple[str, ...] = ()
    """The tasks of labels that are columns under another name, each as column=task."""

    find_labels: bool = True
    """Whether a plan without labels uses the labels of the catalog. A plan file with an entry `labels`, even an empty
    list, does not."""

    media: str = "auto"
    """What is curated: pictures, sounds, or auto, which is pictures where the catalog has any, else sounds."""

    session_minutes: float = SESSION_MINUTES
    """Longest pause between two pictures of one session; a split never separates a session."""

    keeper_order: tuple[str, ...] = KEEPER_ORDER
    """Criteria for the keeper of a group of copies, the most important first: some of `KEEPER_ORDER`."""

    steps: tuple[str, ...] = STEPS
    """Steps with their versions; they cannot be chosen, but a change of them changes the run."""

    def __post_init__(self) -> None:
        """Refuse impossible values with `BadPlanError`."""
        shares = (self.train_share, self.validation_share, self.shares[2])
        if min(shares) < 0 or not all(map(math.isfinite, shares)) or self.train_share <= 0:
            raise BadPlanError(
                f"shares must be positive and sum to at most 1: train {self.train_share}, "
                f"validation {self.validation_share}"
            )
        if self.rebalance not in get_args(Rebalance):
            raise BadPlanError(
                f"rebalance is one of {', '.join(get_args(Rebalance))}, not {self.rebalance!r}"
            )
        if self.media not in (media := ("auto", *MIME_OF)):
            raise BadPlanError(f"media is one of {', '.join(media)}, not {self.media!r}")
        for task in self.labels:
            if (
                not _TASK.fullmatch(task)
                or task in reserved_columns()
                or self.labels.count(task) > 1
            ):
                raise BadPlanError(
                    f"labels names tasks once each, in lower-case letters, digits and _, "
                    f"other than the columns of a release: {task!r} is none"
                )
        taken = [*self.labels, *self.label_columns]
        for name in self.label_columns:
            if not _TASK.fullmatch(name) or name in reserved_columns() or taken.count(name) > 1:
                raise BadPlanError(
                    f"label_columns names columns once each, and none of another: {name!r}"
                )
        if unknown := [name for name in self.label_classes if name not in self.label_columns]:
            raise BadPlanError(f"label_classes are some of label_columns, not {unknown[0]!r}")
        if not 0 <= self.session_minutes < math.inf:
            raise BadPlanError(f"session_minutes must be 0 or more, not {self.session_minutes}")
        allowed = (*BALANCEABLE, *self.class_labels)
        if unknown := [name for name in self.balance_over if name not in allowed]:
            raise BadPlanError(f"balance_over knows {', '.join(allowed)}, not {unknown[0]!r}")
        if unknown := [name for name in self.keeper_order if name not in KEEPER_ORDER]:
            raise BadPlanError(f"keeper_order knows {', '.join(KEEPER_ORDER)}, not {unknown[0]!r}")

    @property
    def all_labels(self) -> tuple[str, ...]:
        """Labels that are columns of the release."""
        return (*self.labels, *self.label_columns)

    @property
    def class_labels(self) -> tuple[str, ...]:
        """Labels that have classes."""
        return (*self.labels, *self.label_classes)

    @property
    def tasks(self) -> dict[str, str]:
        """The label of each task of table `labels` that the run reads."""
        other = dict(pair.split("=", 1) for pair in self.label_tasks)
        return {other.get(label, label): label for label in self.all_labels}

    @property
    def balanced_columns(self) -> tuple[str, ...]:
        """Columns of the items that are balanced over."""
        over = self.labels if self.labels and self.balance_over == SETTINGS else self.balance_over
        return tuple(self._column(name) for name in over)

    def _column(self, name: str) -> str:
        if name in self.class_labels:
            return f"label:{name}"
        return f"{name}_bin" if name in SETTINGS else name

    @property
    def shares(self) -> tuple[float, float, float]:
        """Shares of train, validation and test; they sum to 1."""
        test = round(1 - self.train_share - self.validation_share, 9)
        return (self.train_share, self.validation_share, test)

    def to_json(self) -> str:
        """Write the plan with its bins and limits as JSON; equal plans give equal text."""
        values = dataclasses.asdict(self)
        if self.media != SOUNDS:
            del values["media"]
        for name in _LATER:
            if not values[name]:  # a plan without newer entries keeps the hash of older code
                del values[name]
        return json.dumps({**values, **_fixed()}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a plan; left-out names keep their defaults. Raises `BadPlanError`."""
        try:
            entries = json.loads(text)
        except ValueError as error:
            raise BadPlanError(f"the plan is not JSON: {error}") from error
        if not isinstance(entries, dict):
            raise BadPlanError("the plan must be a JSON object")
        defaults = {field.name: field.default for field in dataclasses.fields(cls)}
        allowed = {*_fixed(), *defaults}
        for name in sorted(set(entries) - allowed):
            similar = get_close_matches(name, allowed, n=1)
            advice = (
                f"did you mean {similar[0]}?" if similar else f"known: {', '.join(sorted(allowed))}"
            )
            raise BadPlanError(f"the plan has no entry {name!r}; {advice}")
        _check_fixed(entries)
        values: dict[str, Any] = {
            name: _typed(name, entries[name], defaults[name])
            for name in defaults
            if name in entries
        }
        if "labels" in entries:
            values.setdefault("find_labels", False)
        return cls(**values)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a plan file; raises `BadPlanError`."""
        try:
            return cls.from_json(path.read_text("utf-8"))
        except OSError as error:
            files = [each.name for each in path.parent.glob("*")]
            similar = get_close_matches(path.name, files, n=1) if not path.exists() else []
            advice = f"; did you mean {path.with_name(similar[0])}?" if similar else ""
            raise BadPlanError(
                f"the plan {path} cannot be read: {error.strerror}{advice}"
            ) from error

    def run_id(self, inputs: Iterable[str], stages: Iterable[str]) -> str:
        """Name the run: equal plan, equal inputs (one line each) and equal stages give the same name."""
        lines = [self.to_json(), *stages, "", *sorted(inputs)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


_LATER = ("label_columns", "label_classes", "label_tasks", "find_labels")


def _fixed() -> dict[str, object]:
    """Give the entries of a plan that cannot be chosen: bin edges and limits for duplicates."""
    limits = dataclasses.asdict(DuplicateLimits())
    limits["reach"] = limits.pop("candidates")  # the name in plans: it must not change
    del limits["threads"]  # changes the speed, not the result
    del limits["keeper"]  # see `keeper_order`
    return {"bins": BINS, "duplicates": limits}


def _check_fixed(entries: dict[str, object]) -> None:
    """Refuse a plan made for other bins, limits or steps than this version has."""
    fixed: dict[str, object] = {**_fixed(), "steps": STEPS}
    for name, value in json.loads(json.dumps(fixed)).items():
        if entries.get(name, value) != value:
            raise BadPlanError(
                f"the plan was made for other {name}; this version has {json.dumps(value)}"
            )


def _typed(name: str, value: object, default: object) -> object:
    if isinstance(default, tuple) and isinstance(value, list):
        return tuple(value)
    if type(default) is float and type(value) is int:
        return float(value)
    if type(value) is not type(default):
        raise BadPlanError(f"{name} must be a {type(default).__name__}, not {json.dumps(value)}")
    return value
