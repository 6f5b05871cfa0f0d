"""Describe the scores of a run in sentences; each sentence is derived from the scores."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import polars as pl

from catalog import FEW_GROUPS, KNOWN_SHARE, TOO_FEW, counted, known_text
from training.evaluation.findings import (
    BETTER,
    LEVEL,
    SCENE,
    WORSE,
    Finding,
    Score,
    beats_chance,
    best_baseline_finding,
    compare,
    learnt,
    paired_lead,
    predictor_name,
    scores,
)
from training.evaluation.saved_head import CLASS_FAMILY, VALUE_FAMILY, SavedHead


def join_words(words: Iterable[str]) -> str:
    """Join words as in a sentence.

    >>> join_words(["aperture", "ISO", "exposure time"])
    'aperture, ISO and exposure time'
    """
    *front, last = words
    return f"{', '.join(front)} and {last}" if front else last


def describe_test_set(
    policy: str, audit: Mapping[str, object], given_up: Collection[str] = ()
) -> str:
    """Describe the test pictures, as the beginning of a sentence.

    Photographers or cameras are "never seen in training" only if train and test share none of them, and if at least
    95 % of the pictures of train and of test have a value. Unknown values, and kinds that the split could not separate,
    are in brackets.

    >>> shares = {"cameras_known_share": 1.0, "photographers_known_share": 0.0}
    >>> describe_test_set("split", shares | {"cameras_in_train_and_test": 0, "photographers_in_train_and_test": 0})
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
    phrase = f"On {join_words(unseen)} never seen in training" if unseen else "On groups kept apart"
    limits = ", ".join(filter(None, gaps))
    return f"{phrase} ({limits})" if limits else phrase


def _share(audit: Mapping[str, object], kind: str) -> float:
    """Return the share of pictures with a value of this kind; 0 if the audit does not contain it."""
    share = audit.get(f"{kind}s_known_share")
    return share if isinstance(share, float) else 0.0


def headline(findings: Sequence[Finding], phrase: str) -> str:
    """Say in one sentence for which heads the model beats its best baseline; the sentence begins with `phrase`."""
    if not findings:
        return "No head has both a model and a baseline figure, so there is nothing to compare."
    parts = {
        BETTER: "the model beats its best baseline for {}",
        LEVEL: "cannot be told from the best baseline for {}",
        WORSE: "is worse than the best baseline for {}",
        TOO_FEW: "rests on too few groups to tell for {}",
    }
    clauses = [
        text.format(
            join_words(one.head.title_in_sentence for one in findings if one.verdict == verdict)
        )
        for verdict, text in parts.items()
        if any(one.verdict == verdict for one in findings)
    ]
    if not clauses[0].startswith("the model"):
        clauses[0] = f"the model {clauses[0]}"
    return f"{phrase}, {join_words(clauses)}."


def sentence(one: Finding, phrase: str, *, beats_chance: bool) -> str:
    """Describe one head with both scores and the verdict; the sentence begins with `phrase`."""
    head, over = one.head, f"{counted(one.model.n, _noun(one.head))} in {_groups(one.model)}"
    baseline = (
        f"best baseline ({predictor_name(one.baseline_name)}) {head.with_unit(str(one.baseline))}"
    )
    start = f"{phrase}, {head.title_in_sentence}: {_measured(one)} over {over}"
    if one.verdict == TOO_FEW:
        return f"{start}; {baseline}; {TOO_FEW}."
    level = f", {_above_chance(head, is_shown=beats_chance)}" if head.family in _LEVELS else ""
    return f"{start}{level}; {baseline}; so: {one.verdict}."


def learnt_verdict(metrics: pl.DataFrame, policy: str, head: SavedHead) -> str:
    """Say whether a head was learnt, and that a baseline does as well where the model's lead over it is not shown."""
    text = learnt(scores(metrics, policy, head, "spearman").get("model"))
    finding = best_baseline_finding(metrics, policy, head)
    if text != "learnt" or finding is None or finding.verdict in (BETTER, TOO_FEW):
        return f"{head.title}: {text}"
    return f"{head.title}: learnt, but not shown to be better than {predictor_name(finding.baseline_name)}"


def scaling_note(metrics: pl.DataFrame, policy: str, heads: Sequence[SavedHead]) -> str:
    """Name the heads whose calibration error on test is larger after temperature scaling; empty without any."""
    worse = []
    for head in heads:
        after, before = (
            scores(metrics, policy, head, name).get("model") for name in ("ece", "ece_uncalibrated")
        )
        if after and before and round(after.value, 2) > round(before.value, 2):
            worse.append(head.title_in_sentence)
    if not worse:
        return ""
    return (
        "Temperature scaling, fitted on validation, did not lower the calibration error of "
        f"{join_words(worse)} on test: validation is small, or unlike test."
    )


def clock_verdict(metrics: pl.DataFrame, policy: str, head: SavedHead) -> str:
    """Say that the time in the file names predicts as well as the model, where the model's lead does not exclude it."""
    by_predictor = scores(metrics, policy, head)
    if not {"clock", "model"} <= by_predictor.keys():
        return ""
    model, clock = by_predictor["model"], by_predictor["clock"]
    lead = paired_lead(metrics, policy, head, "clock")
    found = compare(model, clock, lead, higher_is_better=head.higher_is_better)
    if found not in {LEVEL, WORSE}:
        return ""
    as_well = "better than the model" if found == WORSE else "as well as the model"
    return (
        f"The clock does {as_well}: the time in the file names alone (the ten training {head.subject}s nearest in "
        f"time) reaches {head.with_unit(str(clock))}, so this figure does not show that {head.title_in_sentence} is "
        f"seen in the {head.subject}s."
    )


def _measured(one: Finding) -> str:
    if one.head.family == VALUE_FAMILY:
        return f"{one.head.metric_name} {one.head.with_unit(str(one.model))}"
    return f"{one.model} {one.head.metric_name}"


def _groups(score: Score) -> str:
    return counted(score.n_groups, "group")


def _noun(head: SavedHead) -> str:
    """Return the noun for what a figure of this head counts."""
    return head.subject if head.family in _LEVELS else "query"


_LEVELS = {CLASS_FAMILY: "above chance", VALUE_FAMILY: "below the error of the training median"}


def _above_chance(head: SavedHead, *, is_shown: bool) -> str:
    return f"{'' if is_shown else 'not shown to be '}{_LEVELS[head.family]}"


def gap_verdict(apart: Score, naive: Score, *, higher_is_better: bool = True) -> str:
    """Say by how much the random split differs from the split that keeps groups whole."""
    difference = Score(naive.value - apart.value, None, None, 0, 0, apart.digits)
    verdict = {
        BETTER: "the random split flatters the model",
        LEVEL: "the intervals overlap, so a gap is not shown",
        WORSE: "the random split is the harder one here",
        TOO_FEW: TOO_FEW,
    }[compare(naive, apart, higher_is_better=higher_is_better)]
    return f"{difference.signed}: {verdict}"


def information_verdict(
    metrics: pl.DataFrame, policy: str, head: SavedHead, chance: float | None
) -> str:
    """Say whether a class or value can be predicted from the pixels, and from which part of the picture.

    `chance` is the score of random guessing; None for values, which are compared with the training median.
    """
    by_predictor = scores(metrics, policy, head)
    pixel_scores = {
        name: score
        for name, score in by_predictor.items()
        if name in {"model", "tiny_features", SCENE, *head.parts}
    }
    if not pixel_scores:
        return f"{head.title}: nothing that looks at pixels was measured."
    if max(score.n_groups for score in pixel_scores.values()) < FEW_GROUPS:
        return f"{head.title}: {TOO_FEW}."
    above = [n for n in pixel_scores if beats_chance(metrics, policy, head, n, chance)]
    if not above:
        return f"{head.title}: not shown. {_resolution(head, pixel_scores)}"
    level = "the training median" if chance is None else f"chance ({chance:.2f})"
    better = "above" if head.higher_is_better else "a smaller error than"
    gain = _gain(head, pixel_scores, paired_lead(metrics, policy, head, "tiny_features"))
    return f"{head.title}: yes, {better} {level} for {join_words(map(predictor_name, above))}. {gain}".rstrip()


def _resolution(head: SavedHead, pixel_scores: Mapping[str, Score]) -> str:
    widest = max(pixel_scores.values(), key=lambda score: score.upper - score.value)
    smallest = Score(widest.upper - widest.value, None, None, 0, 0, widest.digits)
    clear = "chance" if head.family == CLASS_FAMILY else "the training median"
    return (
        f"No predictor is clear of {clear}; with so few photos and groups an effect smaller "
        f"than about {head.with_unit(smallest.text)} would not be seen; a larger test set may show it."
    )


def _gain(head: SavedHead, pixel_scores: Mapping[str, Score], over_scene: Score | None) -> str:
    """Compare the full model with simple features of the scene."""
    if "model" not in pixel_scores or "tiny_features" not in pixel_scores:
        return ""
    verdict = compare(
        pixel_scores["model"],
        pixel_scores["tiny_features"],
        over_scene,
        higher_is_better=head.higher_is_better,
    )
    scene = predictor_name("tiny_features")
    return {
        BETTER: f"The full model reads more than {scene}.",
        LEVEL: f"That the full model reads more than {scene} is not shown.",
        WORSE: f"The full model stays below {scene}, so there is more to learn than it learned.",
        TOO_FEW: f"Whether the full model reads more than {scene}: {TOO_FEW}.",
    }[verdict]
