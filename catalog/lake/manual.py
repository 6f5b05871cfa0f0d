"""What people decide about pictures: rows of `decisions` beside those of curation runs, each can be taken back.

A decision is one or more rows with a `run_id` of its own, `manual:...`. Nothing is ever changed or deleted: an undo is
a row that names what it takes back, and an undo that is undone is a redo. The next curation run honours what
holds then; until it ran, the pictures of the current run stay as they are.

| kind | assets | what the next run does |
| --- | --- | --- |
| keep | any | keeps the pictures against every rule, but not what does not decode or was taken down |
| drop | any | drops the pictures; a copy takes the place of a dropped keeper |
| keeper | one | makes the picture the keeper of its group |
| split | some of a group | takes these pictures out of their group, which is looked up in `about.run_id` |
| merge | two or more | makes one group of the groups that these pictures are in |
| right, wrong | one or more | nothing: a verdict on a group of a sample that measures precision |

Of two decisions about one picture or one group that contradict each other, the later one counts.
"""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from catalog.errors import DecisionError
from catalog.lake.lake import Catalog, open_catalog
from catalog.packs.spool import write_segment
from catalog.plurals import counted
from catalog.program_name import command_name
from catalog.tables.rows import rows
from catalog.workspace.workspace import Workspace

KINDS = ("keep", "drop", "keeper", "split", "merge", "right", "wrong")
PREFIX = "manual:"
LOCAL = "local"
"""Who decides at the command line."""

_LISTING = f'list them with: {command_name()} catalog sql "SELECT sha256 FROM assets"'
_MANY = {"keeper": (1, 1), "merge": (2, None)}  # how many pictures at least and at most


@dataclass(frozen=True)
class About:
    """What a person looked at: a group, and the curation run that made it; `evidence` says more, as JSON."""

    group_id: str | None = None
    run_id: str | None = None
    evidence: str | None = None


@dataclass(frozen=True)
class ManualDecision:
    """One decision of a person.

    `assets` are sorted. For a split these are the pictures that were set apart, and `rest` are those that stayed in
    the group; for all others `rest` is empty. `kind` is one of `KINDS`, or undo or redo with `undoes` naming a run or
    a decision.
    """

    decision_id: str
    kind: str
    assets: tuple[str, ...]
    reason: str
    decided_by: str
    decided_at: datetime
    about: About = About()
    rest: tuple[str, ...] = ()
    undoes: str | None = None


def decide(
    workspace: Workspace,
    kind: str,
    assets: Collection[str],
    *,
    reason: str,
    decided_by: str = LOCAL,
    about: About | None = None,
) -> ManualDecision:
    """Write down one decision about `assets` (whole SHA-256s) and commit it.

    A split needs `about` with the group and its run. Raises `DecisionError` for an unknown kind, for pictures that are
    not there and for a split that is none.
    """
    with open_catalog(workspace) as catalog:
        catalog.commit()
        made = prepare(catalog, kind, assets, reason=reason, decided_by=decided_by, about=about)
        return _write(catalog, made)


def prepare(
    catalog: Catalog,
    kind: str,
    assets: Collection[str],
    *,
    reason: str,
    decided_by: str = LOCAL,
    about: About | None = None,
) -> ManualDecision:
    """Check a decision and give it a name; `write_down` makes it count. Raises `DecisionError` as `decide` does."""
    about, named = about or About(), tuple(sorted(set(assets)))
    _check(catalog, kind, named)
    rest = _rest(catalog, named, about) if kind == "split" else ()
    return ManualDecision(_new_id(), kind, named, reason, decided_by, _now(), about, rest)


def prepare_undo(decision_id: str, *, reason: str = "", decided_by: str = LOCAL) -> ManualDecision:
    """Give the word that takes back a decision which holds; `write_down` makes it count."""
    return _word("undo", decision_id, reason, decided_by)


def resolve_sha256(workspace: Workspace, letters: str) -> str:
    """Give the whole SHA-256 of the picture whose name begins with these letters; raises `DecisionError`."""
    with open_catalog(workspace) as catalog:
        catalog.commit()
        sql = "SELECT sha256 FROM assets WHERE starts_with(sha256, ?) ORDER BY sha256 LIMIT 3"
        names = [str(row["sha256"]) for row in catalog.records(sql, [letters.lower()])]
    if not names:
        raise DecisionError(f"no picture begins with {letters!r}; {_LISTING}")
    if len(names) > 1:
        raise DecisionError(f"{letters!r} could be {', '.join(names)}; give more letters")
    return names[0]


def undo(
    workspace: Workspace, name: str, *, reason: str = "", decided_by: str = LOCAL
) -> tuple[str, bool]:
    """Take back a curation run or a decision; what was taken back already comes back.

    Gives its whole name and whether it holds now.

    `name` may be its first letters, with or without `manual:`. The undo of an undo is named by either, and brings back
    what the undo took. Raises `DecisionError` when none or several have this name.
    """
    with open_catalog(workspace) as catalog:
        catalog.commit()
        target = _target(catalog, name)
        holds = _is_undone(catalog, target)
        _write(catalog, _word("redo" if holds else "undo", target, reason, decided_by))
        return target, holds


def choose_run(catalog: Catalog, run_id: str, *, decided_by: str = LOCAL) -> None:
    """Make a run that is there the current one, undone or not; does nothing when it is current."""
    current = catalog.records("SELECT run_id FROM v_runs WHERE is_current")
    if current != [{"run_id": run_id}]:
        _write(catalog, _word("redo", run_id, "chosen_again", decided_by))


def undone_by(catalog: Catalog, run_id: str) -> tuple[str, datetime] | None:
    """Say who took a run back and when; None when nobody did, or somebody brought it back."""
    sql = "SELECT decision, decided_by, decided_at FROM decisions WHERE undoes = ? ORDER BY decided_at DESC LIMIT 1"
    rows = catalog.records(sql, [run_id])
    if not rows or rows[0]["decision"] != "undo":
        return None
    at = rows[0]["decided_at"]
    assert isinstance(at, datetime), "the contract says so"
    return str(rows[0]["decided_by"] or LOCAL), at


def decisions_in_force(catalog: Catalog, kinds: Sequence[str] = KINDS) -> list[ManualDecision]:
    """Give the decisions of these kinds that nobody has taken back, oldest first."""
    return _read(catalog, "SELECT * FROM v_manual_decisions", kinds)


def history(catalog: Catalog) -> list[ManualDecision]:
    """Give all decisions that people ever made, with undos and redos, oldest first."""
    sql = "SELECT * EXCLUDE (run_id), run_id AS decision_id FROM decisions WHERE decided_at IS NOT NULL"
    return _read(catalog, sql, (*KINDS, "undo", "redo"))


def _read(catalog: Catalog, sql: str, kinds: Sequence[str]) -> list[ManualDecision]:
    rows_by_decision: dict[str, list[dict[str, object]]] = {}
    ordered = (
        f"SELECT * FROM ({sql}) WHERE list_contains(?, decision) "
        "ORDER BY decided_at, decision_id, asset_sha256"
    )
    for row in catalog.records(ordered, [list(kinds)]):
        rows_by_decision.setdefault(str(row["decision_id"]), []).append(row)
    return [_decision(name, listed) for name, listed in rows_by_decision.items()]


def _decision(name: str, listed: list[dict[str, object]]) -> ManualDecision:
    first = listed[0]
    sides: dict[bool, list[str]] = {True: [], False: []}
    for row in listed:
        if row["asset_sha256"] is not None:
            sides[row["rule"] == "rest"].append(str(row["asset_sha256"]))
    return ManualDecision(
        name,
        str(first["decision"]),
        tuple(sides[False]),
        str(first["reason"] or ""),
        str(first["decided_by"] or ""),
        first["decided_at"],  # type: ignore[arg-type]  # the contract says timestamp
        About(_text(first["group_id"]), _text(first["about_run"]), _text(first["evidence"])),
        tuple(sides[True]),
        _text(first.get("undoes")),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _check(catalog: Catalog, kind: str, assets: tuple[str, ...]) -> None:
    if kind not in KINDS:
        raise DecisionError(f"a decision is one of {', '.join(KINDS)}, not {kind!r}")
    least, most = _MANY.get(kind, (1, None))
    if len(assets) < least or (most and len(assets) > most):
        expected = counted(least, "picture") if most else f"at least {counted(least, 'picture')}"
        raise DecisionError(f"{kind} is about {expected}, not {len(assets)}")
    sql = "SELECT sha256 FROM assets WHERE sha256 IN (SELECT unnest(?::VARCHAR[]))"
    rows = catalog.records(sql, [list(assets)])
    if missing := sorted(set(assets) - {str(row["sha256"]) for row in rows}):
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DecisionError(f"there is no picture {missing[0]}{more}; {_LISTING}")


def _rest(catalog: Catalog, apart: tuple[str, ...], about: About) -> tuple[str, ...]:
    """Name the members of the group that are not set apart."""
    rows = catalog.records(
        "SELECT asset_sha256 FROM duplicate_groups WHERE run_id = ? AND group_id = ?",
        [about.run_id, about.group_id],
    )
    members = {str(row["asset_sha256"]) for row in rows}
    if not members:
        raise DecisionError(
            f"run {about.run_id} has no group {about.group_id}; a split names the group and its run"
        )
    if strange := sorted(set(apart) - members):
        raise DecisionError(f"picture {strange[0]} is not in group {about.group_id}")
    if not members - set(apart):
        raise DecisionError("a split leaves at least one picture in the group")
    return tuple(sorted(members - set(apart)))


def _target(catalog: Catalog, name: str) -> str:
    """Find the run or the decision that `name` means; of an undo or redo, what it is about."""
    targets: dict[str, str] = {
        str(row["name"]): str(row["target"])
        for row in catalog.records(
            "SELECT run_id AS name, run_id AS target FROM curation_runs UNION ALL "
            "SELECT DISTINCT run_id, coalesce(undoes, run_id) FROM decisions WHERE decided_at IS NOT NULL"
        )
    }
    fitting = sorted(each for each in targets if each.startswith((name, PREFIX + name)))
    if name in targets:
        return targets[name]
    if not name or not fitting:
        raise DecisionError(
            f"there is no run or decision {name!r}; list runs with {command_name()} curate runs, "
            f'decisions with {command_name()} catalog sql "SELECT * FROM v_manual_decisions"'
        )
    if len({targets[each] for each in fitting}) > 1:
        raise DecisionError(f"{name} could be {', '.join(fitting[:4])}; give more letters")
    return targets[fitting[0]]


def _is_undone(catalog: Catalog, target: str) -> bool:
    sql = "SELECT arg_max(decision, decided_at) AS word FROM decisions WHERE undoes = ?"
    return catalog.records(sql, [target]) == [{"word": "undo"}]


def _word(kind: str, target: str, reason: str, decided_by: str) -> ManualDecision:
    return ManualDecision(_new_id(), kind, (), reason, decided_by, _now(), undoes=target)


def _write(catalog: Catalog, made: ManualDecision) -> ManualDecision:
    write_down(catalog.workspace, made)
    catalog.commit()
    return made


def write_down(workspace: Workspace, made: ManualDecision) -> None:
    """Put a decision into the spool, where it survives a crash; the next commit of any process takes it over."""
    shared = {
        "run_id": made.decision_id,
        "decision": made.kind,
        "rule": "manual",
        "reason": made.reason,
        "decided_by": made.decided_by,
        "decided_at": made.decided_at,
        "group_id": made.about.group_id,
        "about_run": made.about.run_id,
        "evidence": made.about.evidence,
        "undoes": made.undoes,
    }
    sides = [("apart" if made.rest else "manual", made.assets), ("rest", made.rest)]
    listed = [shared | {"asset_sha256": sha, "rule": rule} for rule, shas in sides for sha in shas]
    table = rows("decisions", listed or [shared])
    write_segment(workspace, {"decisions": table}, job=made.decision_id)


def _new_id() -> str:
    return PREFIX + secrets.token_hex(6)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
