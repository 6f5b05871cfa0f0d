"""What people record about the rights of photos that are here: a basis for training, a licence, an attribution.

Photos are chosen by an SQL predicate when the statement is made; nobody is asked over the network. Nothing is changed
or deleted: a statement is rows of `rights`, the newest one counts for each value (view `v_rights`), an undo is a row
that names the statement it takes back, and an undo that is undone is a redo. `v_photos` shows what holds.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from catalog.errors import QueryError, RightsError
from catalog.lake.lake import Catalog, open_catalog
from catalog.packs.spool import write_segment
from catalog.program_name import command_name
from catalog.tables.rows import rows
from catalog.tables.tables_by_name import TABLES
from catalog.workspace.workspace import Workspace

PREFIX = "rights:"
LOCAL = "local"
"""Who records at the command line, unless a name is given."""
VALUES = ("training_allowed", "training_basis", "licence", "attribution")
_COLUMNS = ", ".join(TABLES["photos"].schema.names)


@dataclass(frozen=True)
class Rights:
    """What is said about photos; None says nothing. `training_basis` is the reason for `training_allowed`."""

    training_allowed: bool | None = None
    training_basis: str | None = None
    licence: str | None = None
    attribution: str | None = None

    def __post_init__(self) -> None:
        """Refuse blank texts and a statement that says nothing, with `RightsError`."""
        values = {name: getattr(self, name) for name in VALUES}
        if all(value is None for value in values.values()):
            raise RightsError("nothing is said; give a training basis, a licence or an attribution")
        for name, value in values.items():
            if isinstance(value, str) and not value.strip():
                raise RightsError(
                    f"{name} is blank; say it in words, they are kept with each photo"
                )
        if (self.training_allowed is None) != (self.training_basis is None):
            raise RightsError("training_allowed and its reason, training_basis, go together")


@dataclass(frozen=True)
class Statement:
    """One statement: its name (empty when nothing had to be written), photos that fit and photos that it changes."""

    statement_id: str
    matched: int
    changed: int


def record_rights(
    workspace: Workspace,
    where: str,
    rights: Rights,
    *,
    recorded_by: str = LOCAL,
    dry_run: bool = False,
) -> Statement:
    """Record rights of the photos for which the SQL predicate `where` holds, and commit them as one statement.

    The predicate is over the columns of `v_all_photos`. Photos that have these very values already get no row, so the
    same statement again changes nothing. Raises `RightsError` for a predicate that does not work.
    """
    with open_catalog(workspace) as catalog:
        catalog.commit()
        made = write_rights(catalog, where, rights, recorded_by=recorded_by, dry_run=dry_run)
        catalog.commit()
    return made


def write_rights(
    catalog: Catalog,
    where: str,
    rights: Rights,
    *,
    values: Mapping[str, object] | None = None,
    recorded_by: str = LOCAL,
    dry_run: bool = False,
) -> Statement:
    """Put a statement into the spool, as `record_rights` does; `values` fill `$name` in `where`. The caller commits."""
    given = dict(values or {})
    values = {name: value for name in VALUES if (value := getattr(rights, name)) is not None}
    differs = " OR ".join(f"{name} IS DISTINCT FROM ${name}" for name in values)
    fitting = f"FROM v_all_photos WHERE (\n{where}\n)"
    try:
        matched = int(str(catalog.records(f"SELECT count(*) AS n {fitting}", given)[0]["n"]))
        rows = catalog.query(
            f"SELECT DISTINCT photo_id, asset_sha256 {fitting} AND ({differs})", given | values
        )
    except QueryError as error:
        raise RightsError(
            f"--where {where!r} does not work: {error}. Columns: {_COLUMNS}"
        ) from error
    if dry_run or not len(rows):
        return Statement("", matched, len(rows))
    name = _new_id()
    shared = {
        **values,
        "statement_id": name,
        "action": "record",
        "predicate": where,
        "recorded_by": recorded_by,
        "recorded_at": _now(),
    }
    write_segment(catalog.workspace, {"rights": _repeated(rows, shared)}, job=name)
    return Statement(name, matched, len(rows))


def _repeated(photos: pa.Table, shared: dict[str, object]) -> pa.Table:
    """Give each photo the same values, without a Python object for each row."""
    one = rows("rights", [shared])
    for name in shared:
        values = pa.repeat(one[name][0], len(photos))
        photos = photos.append_column(one.schema.field(name), values)
    return photos


def undo_rights(workspace: Workspace, name: str, *, recorded_by: str = LOCAL) -> tuple[str, bool]:
    """Take a statement back, or bring back one that was taken back; gives its whole name and whether it holds now.

    `name` may be its first letters, with or without `rights:`. Raises `RightsError` when none or several have them.
    """
    with open_catalog(workspace) as catalog:
        catalog.commit()
        statements = {
            str(row["statement_id"]): bool(row["holds"]) for row in catalog.records(_HISTORY)
        }
        fitting = [each for each in statements if each.startswith((name, PREFIX + name)) and name]
        if len(fitting) != 1:
            listed = ", ".join(fitting[:3] or list(statements)[:3]) or "none yet"
            raise RightsError(
                f"{len(fitting)} statements begin with {name!r}; there are: {listed}. "
                f"List them with: {command_name()} crawl basis --history"
            )
        (target,) = fitting
        holds = statements[target]
        row = {
            "statement_id": _new_id(),
            "action": "undo" if holds else "redo",
            "recorded_by": recorded_by,
            "recorded_at": _now(),
            "undoes": target,
        }
        write_segment(workspace, {"rights": rows("rights", [row])}, job=str(row["statement_id"]))
        catalog.commit()
    return target, not holds


_HISTORY = """
    WITH last AS (SELECT undoes, arg_max(action, recorded_at) AS action FROM rights WHERE undoes IS NOT NULL GROUP BY 1)
    SELECT r.statement_id, count(*) AS photos, any_value(r.predicate) AS predicate,
           any_value(r.training_allowed) AS training_allowed, any_value(r.training_basis) AS training_basis,
           any_value(r.licence) AS licence, any_value(r.attribution) AS attribution,
           any_value(r.recorded_by) AS recorded_by, any_value(r.recorded_at) AS recorded_at,
           coalesce(any_value(last.action), '') <> 'undo' AS holds
    FROM rights r LEFT JOIN last ON last.undoes = r.statement_id
    WHERE r.action = 'record' GROUP BY r.statement_id ORDER BY recorded_at DESC, r.statement_id
"""


def rights_history(workspace: Workspace) -> list[dict[str, object]]:
    """List the statements, newest first: what was said, by whom, about how many photos, and whether it `holds`."""
    with open_catalog(workspace) as catalog:
        catalog.commit()
        return catalog.records(_HISTORY)


def _new_id() -> str:
    return PREFIX + secrets.token_hex(6)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
