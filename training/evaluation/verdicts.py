"""Say in words what the figures of a run show; every sentence is derived, none is written ahead."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import polars as pl

from catalog import FEW_GROUPS, KNOWN_SHARE, TOO_FEW, counted, known_text
from training.data.photo_settings import task_name
from training.evaluation.findings import (
    BETTER,
    LEVEL,
    VIEWS,
    WORSE,
    Finding,
    Score,
    beats_chance,
    compare,
    lead,
    predictor_name,
    scores,
)


def join(words: Iterable[str]) -> str:
    """Join words as in a sentence.

    >>> join(["aperture", "ISO", "exposure time"])
    'aperture, ISO and exposure time'
    """
    *front, last = words
    return f"{', '.join(front)} and {last}" if front else last


def inside(task: str) -> str:
    """Name a head in the middle of a sentence.

    >>> inside("f_number"), inside("iso")
    ('aperture', 'ISO')
    """
    name = task_name(task)
    return name if name.isupper() else name[:1].lower() + name[1:]


def place(policy: str, audit: Mapping[str, object], given_up: Collection[str] = ()) -> str:
    """Say where the test pictures come from.

    Only what the leak audit found unshared, and what is known of at least 95 % of the pictures of train and of test, is
    called unseen; what is not known, and what the split could not keep apart, stands in brackets.

    >>> known = {"cameras_known_share": 1.0, "photographers_known_share": 0.0}
    >>> place("split", known | {"cameras_in_train_and_test": 0, "photographers_in_train_and_test": 0})
    'On cameras never seen in training (photographer unknown)'
    """
    if policy != "split":
        return "On a random split, where groups are cut"
    shares = {kind: _share(audit, kind) for kind in ("photographer", "camera")}
    unseen = [
        f"{kind}s"
        for kind, share in shares.items()
        if audit.get(f"{kind}s_in_train_and_test") == 0 and share >= KNOWN_SHARE
    ]
    gaps = [known_text(kind, share) for kind, share in shares.items()]
    gaps += [
        f"{kind} not kept apart" for kind in given_up if not known_text(kind, shares.get(kind, 1.0))
    ]
    where = f"On {join(unseen)} never seen in training" if unseen else "On groups kept apart"
    said = ", ".join(filter(None, gaps))
    return f"{where} ({said})" if said else where


def _share(audit: Mapping[str, object], kind: str) -> float:
    """Read of how many pictures a kind is known; an audit that does not say so knows of none."""
    share = audit.get(f"{kind}s_known_share")
    return share if isinstance(share, float) else 0.0


def headline(findings: Sequence[Finding], where: str) -> str:
    """Answer in one sentence for which heads the model beats its best baseline; `where` opens it."""
    if not findings:
        return "No head has both a model and a baseline figure, so there is nothing to compare."
    parts = {
        BETTER: "the model beats its best baseline for {}",
        LEVEL: "cannot be told from the best baseline for {}",
        WORSE: "is worse than the best baseline for {}",
        TOO_FEW: "rests on too few groups to tell for {}",
    }
    said = [
        text.format(join(inside(one.task) for one in findings if one.verdict == verdict))
        for verdict, text in parts.items()
        if any(one.verdict == verdict for one in findings)
    ]
    if not said[0].startswith("the model"):
        said[0] = f"the model {said[0]}"
    return f"{where}, {join(said)}."


def sentence(one: Finding, where: str, *, beats_chance: bool) -> str:
    """Answer for one head, with both figures and the verdict."""
    above = "above chance" if beats_chance else "not shown to be above chance"
    if one.verdict == TOO_FEW:
        return (
            f"{where}, {inside(one.task)}: {one.model} balanced accuracy over "
            f"{counted(one.model.n, 'photo')} in {counted(one.model.n_groups, 'group')}; best baseline "
            f"({predictor_name(one.baseline_name)}) {one.baseline}; {TOO_FEW}."
        )
    return (
        f"{where}, {inside(one.task)}: {one.model} balanced accuracy over "
        f"{counted(one.model.n, 'photo')} in {counted(one.model.n_groups, 'group')}, {above}; "
        f"best baseline ({predictor_name(one.baseline_name)}) {one.baseline}; so: {one.verdict}."
    )


def gap(apart: Score, naive: Score) -> str:
    """Say what the random split pretends beyond the split that keeps groups whole."""
    difference = naive.value - apart.value
    verdict = {
        BETTER: "the random split flatters the model",
        LEVEL: "the intervals overlap, so a gap is not shown",
        WORSE: "the random split is the harder one here",
        TOO_FEW: TOO_FEW,
    }[compare(naive, apart)]
    return f"{difference:+.2f}: {verdict}"


def information(metrics: pl.DataFrame, policy: str, task: str, chance: float) -> str:
    """Answer whether a setting can be read from the picture, and from which view of it."""
    found = scores(metrics, policy, task)
    seeing = {
        name: score for name, score in found.items() if name in {"model", "tiny_features", *VIEWS}
    }
    if not seeing:
        return f"{task_name(task)}: nothing that looks at pixels was measured."
    if max(score.n_groups for score in seeing.values()) < FEW_GROUPS:
        return f"{task_name(task)}: {TOO_FEW}."
    above = [n for n in seeing if beats_chance(metrics, policy, task, n, chance)]
    if not above:
        return f"{task_name(task)}: not shown. {_resolution(seeing)}"
    gain = _gain(seeing, lead(metrics, policy, task, "tiny_features"))
    return f"{task_name(task)}: yes, above chance ({chance:.2f}) for {join(map(predictor_name, above))}. {gain}"


def _resolution(found: Mapping[str, Score]) -> str:
    widest = max(score.upper - score.value for score in found.values())
    return (
        "No predictor is clear of chance; with so few photos and groups an effect smaller "
        f"than about {widest:.2f} would not be seen; a larger test set may show it."
    )


def _gain(found: Mapping[str, Score], over_scene: Score | None) -> str:
    """Compare the full model with the plainest look at the scene."""
    if "model" not in found or "tiny_features" not in found:
        return ""
    verdict = compare(found["model"], found["tiny_features"], over_scene)
    scene = predictor_name("tiny_features")
    return {
        BETTER: f"The full model reads more than {scene}.",
        LEVEL: f"That the full model reads more than {scene} is not shown.",
        WORSE: f"The full model stays below {scene}, so there is more to learn than it learned.",
        TOO_FEW: f"Whether the full model reads more than {scene}: {TOO_FEW}.",
    }[verdict]
