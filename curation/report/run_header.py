"""The head of the report: when the run was, what it read, what it kept, by which plan."""

import dataclasses
import json
from dataclasses import dataclass
from datetime import datetime

from catalog import Catalog
from curation.run.plan import CurationPlan
from curation.run.summary import CurationSummary


@dataclass(frozen=True)
class SelectionStep:
    """A step of the way from the pictures in to the kept ones, with the pictures left and those dropped by it."""

    name: str
    n: int
    n_dropped: int = 0


@dataclass(frozen=True)
class PlanEntry:
    """One entry of the plan as JSON; `is_default` unless somebody set it."""

    name: str
    value: str
    is_default: bool


@dataclass(frozen=True)
class RunFacts:
    """One row of `curation_runs` without the counts; times are UTC."""

    started_at: datetime
    finished_at: datetime
    code_version: str
    input_snapshot: int

    @property
    def seconds(self) -> float:
        """Give the time that the run took."""
        return (self.finished_at - self.started_at).total_seconds()


def run_facts(catalog: Catalog, run_id: str) -> RunFacts:
    """Read the facts of a run."""
    names = ", ".join(field.name for field in dataclasses.fields(RunFacts))
    [row] = catalog.records(f"SELECT {names} FROM curation_runs WHERE run_id = ?", [run_id])
    return RunFacts(**row)  # type: ignore[arg-type]  # the contract has these types


def funnel(summary: CurationSummary) -> list[SelectionStep]:
    """List the steps: pictures in, what is left after each reason, pictures kept."""
    steps, left = [SelectionStep("pictures in", summary.n_input)], summary.n_input
    for reason, n in summary.dropped.items():
        left -= n
        steps.append(SelectionStep(f"after {reason}", left, n))
    return [*steps, SelectionStep("kept", summary.n_kept)]


def plan_entries(plan: dict[str, object]) -> list[PlanEntry]:
    """List the entries of a plan by name, and whether each is the default one.

    Entries that a run adds (notes, groups) have no default; they count as default.
    """
    defaults = json.loads(json.dumps(dataclasses.asdict(CurationPlan())))
    return [
        PlanEntry(name, json.dumps(value, ensure_ascii=False), defaults.get(name, value) == value)
        for name, value in sorted(plan.items())
    ]
