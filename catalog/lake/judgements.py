"""What people say about pictures, one picture at a time: rows of `judgements`, each can be taken back.

Nothing is ever changed or deleted: who says something else later, adds a row, and an undo is a row that names what it
takes back. `v_judgements` holds what counts of each person, `v_labels` what most of them say, which is what curation
and releases take, before every other source.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from catalog.errors import LabelError
from catalog.lake.lake import Catalog
from catalog.packs.spool import write_segment
from catalog.tables.rows import contract, rows
from catalog.workspace.workspace import Workspace

PREFIX = "label:"
FIRST, UNCERTAIN, RANDOM, AGAIN = "first", "uncertain", "random", "again"
"""Why a picture was shown."""
TASK = re.compile(r"[a-z][a-z0-9_]{0,39}")
VALUE = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]{0,58}[^\s\x00-\x1f\x7f])?")
_RESERVED = frozenset({"shard", "offset", "length", "sha256", "folder", "image"})


@dataclass(frozen=True)
class Judgement:
    """One label by one person, or an undo of one, whose `undoes` is a judgement and whose `value` is None."""

    judgement_id: str
    asset_sha256: str
    task: str
    value: str | None
    judged_by: str
    judged_at: datetime
    shown_as: str | None = None
    predicted: str | None = None
    probability: float | None = None
    undoes: str | None = None


def new_judgement(
    asset_sha256: str, task: str, value: str, judged_by: str, **about: str | float | None
) -> Judgement:
    """Name a label; raises `LabelError` for a task or value that cannot be a column or a class of a release."""
    check_task(task)
    if not VALUE.fullmatch(value):
        raise LabelError("a class is a text of 1 to 60 characters on one line")
    return Judgement(_new_id(), asset_sha256, task, value, judged_by, _now(), **about)  # type: ignore[arg-type]  # by name


def new_undo(taken_back: Judgement, judged_by: str) -> Judgement:
    """Name the undo of a label."""
    sha256, task = taken_back.asset_sha256, taken_back.task
    undoes = taken_back.judgement_id
    return Judgement(_new_id(), sha256, task, None, judged_by, _now(), undoes=undoes)


def check_task(task: str) -> None:
    """Raise `LabelError` for a name that cannot be the column of a release."""
    if not TASK.fullmatch(task) or task in {*contract("curated_items").names, *_RESERVED}:
        raise LabelError(
            f"{task[:60]!r} cannot be the name of a label: use up to 40 lower-case letters, digits and _, "
            "and no name of a column of every release"
        )


def write_judgement(workspace: Workspace, made: Judgement) -> None:
    """Put a judgement into the spool, where it survives a crash; the next commit of any process takes it over."""
    write_judgements(workspace, [made])


def write_judgements(workspace: Workspace, made: Sequence[Judgement]) -> None:
    """Put judgements into the spool together: all of them survive a crash, or none."""
    table = rows("judgements", [vars(each) for each in made])
    write_segment(workspace, {"judgements": table}, job=made[0].judgement_id)


def new_batch(pictures: Sequence[str], task: str, value: str, judged_by: str) -> list[Judgement]:
    """Name one label of several pictures; raises `LabelError` as `new_judgement` does, and for no picture."""
    if not pictures:
        raise LabelError("a label is about one picture or more")
    first = new_judgement(pictures[0], task, value, judged_by)
    return [
        replace(first, judgement_id=f"{first.judgement_id}:{number}", asset_sha256=sha)
        for number, sha in enumerate(pictures)
    ]


def batch_name(made: Sequence[Judgement]) -> str:
    """Return the name of a batch: what the ids of its labels begin with."""
    return made[0].judgement_id.rpartition(":")[0]


def read_batch(catalog: Catalog, batch: str, judged_by: str) -> list[Judgement]:
    """Read the labels of a batch that this person gave and did not take back."""
    sql = (
        "SELECT * FROM judgements WHERE judged_by = $by AND (starts_with(judgement_id, $batch || ':') "
        "OR starts_with(undoes, $batch || ':')) ORDER BY judged_at, judgement_id"
    )
    read = catalog.records(sql, {"by": judged_by, "batch": batch})
    return in_force([Judgement(**row) for row in read])  # type: ignore[arg-type]  # the contract


def read_judgements(catalog: Catalog, task: str) -> list[Judgement]:
    """Read all labels and undos of a task, oldest first."""
    sql = "SELECT * FROM judgements WHERE task = ? ORDER BY judged_at, judgement_id"
    return [Judgement(**row) for row in catalog.records(sql, [task])]  # type: ignore[arg-type]  # the contract


def in_force(judgements: Sequence[Judgement]) -> list[Judgement]:
    """Leave out undos and what was taken back; the order stays."""
    undone = {each.undoes for each in judgements if each.undoes}
    return [each for each in judgements if not each.undoes and each.judgement_id not in undone]


def _new_id() -> str:
    return PREFIX + secrets.token_hex(8)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
