"""Errors of curation: each says what is wrong, what exists and what to do next.

SafelightError
└── CurationError
    ├── UnknownRunnerError
    ├── NodesKeepDyingError
    ├── BadPlanError
    ├── ThinClassError
    ├── RunNotFoundError
    ├── EmbedderNotFoundError
    ├── BadEmbedderError
    └── NothingToCurateError
"""

import json
from collections.abc import Mapping, Sequence

from catalog import SafelightError, command_name, home_words


class CurationError(SafelightError):
    """Curation cannot go on."""


class UnknownRunnerError(CurationError):
    """No runner has this name."""

    def __init__(self, name: str, existing: Sequence[str]) -> None:
        super().__init__(f"there is no runner {name!r}; choose one of: {', '.join(existing)}")
        self.name = name


class NodesKeepDyingError(CurationError):
    """A cluster lost results of the same pictures again and again."""

    def __init__(self, why: str, losses: int) -> None:
        super().__init__(
            f"the Ray cluster lost results {losses} times ({why}). What was committed is kept: look for the reason in "
            "/tmp/ray/session_latest/logs of its nodes, then run the command again"  # noqa: S108 - Ray's place
        )


class BadPlanError(CurationError):
    """A curation plan holds an unknown name or an impossible value."""


class ThinClassError(CurationError):
    """Rebalancing would lift classes with too few scenes."""

    def __init__(self, rebalance: str, thin: Sequence[str], few: int) -> None:
        more = f" (and {len(thin) - 3} more)" if len(thin) > 3 else ""
        super().__init__(
            f"{rebalance} would lift classes with fewer than {few} scenes: {'; '.join(thin[:3])}{more}. Bring in more "
            "of them, choose --rebalance sqrt, or accept it with --allow-thin (allow_thin in a plan)"
        )


class RunNotFoundError(CurationError):
    """No curation run has this id."""

    def __init__(self, run_id: str, existing: Sequence[str]) -> None:
        newest = ", ".join(existing[:3]) or "none yet"
        super().__init__(
            f"curation run {run_id or '(newest)'} does not exist; newest: {newest}. "
            f"Make one with: {command_name()} curate run"
        )
        self.run_id = run_id


class NothingToCurateError(CurationError):
    """The catalog has no pictures."""

    def __init__(self) -> None:
        super().__init__(
            f"the catalog holds no pictures yet. Bring some in with: {command_name()} crawl run"
        )


class RunUndoneError(CurationError):
    """The same run exists already, and somebody took it back."""

    def __init__(self, run_id: str, by: str, at: str) -> None:
        super().__init__(
            f"run {run_id} of the same pictures by the same plan and decisions was taken back by {by} on {at} UTC. "
            f"Bring it back with: {command_name()} curate run --again; or change what was wrong with it first "
            "(the plan, or decisions about pictures): that makes a new run"
        )
        self.run_id = run_id


class NoLabelsError(CurationError):
    """A run whose plan names no labels has none to audit; `n_values` says what the catalog has: values by label."""

    def __init__(self, run_id: str, n_values: Mapping[str, int]) -> None:
        usable = sorted(task for task, n in n_values.items() if n > 1)
        super().__init__(
            f"run {run_id} has no labels with classes to audit (camera settings are not audited here). "
            f"{_labels_advice(n_values, usable)}"
        )


def _labels_advice(n_values: Mapping[str, int], usable: Sequence[str]) -> str:
    """Advise a plan with the labels that are there, and only with those."""
    if usable:
        listed = ", ".join(f"{task} ({n_values[task]:,} values)" for task in usable[:5])
        plan = json.dumps({"labels": usable[:1]})
        return (
            f"The catalog has: {listed}. Name those to be used in a plan, such as {plan}, and give it to: "
            f"{command_name()} curate run --plan FILE{home_words()}"
        )
    listed_labels = ", ".join(f"{task} has one value" for task in sorted(n_values))
    situation = (
        f"In the catalog {listed_labels}" if listed_labels else "The catalog has none either"
    )
    return (
        f"{situation}, so no label can be wrong. Labels come with pictures: from a column of an address list "
        f"(--label-col), from names of folders, or with a data set. What else waits for people: "
        f"{command_name()} curate review{home_words()}"
    )


class EmbedderNotFoundError(CurationError):
    """`[curate] embedder` names no network, or more than one."""

    def __init__(self, name: str, existing: Sequence[str]) -> None:
        super().__init__(
            f"there is no single embedder {name!r}; known: {', '.join(existing)}. Train one with: "
            f"{command_name()} train run copy_detection, or give the path of an ONNX file"
        )
        self.name = name


class BadEmbedderError(CurationError):
    """An ONNX file or its card cannot be used."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} cannot embed pictures: {reason}")
        self.path = path
