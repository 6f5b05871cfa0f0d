"""Write README.md of a model folder: training data, outputs, scores beside baselines, limits."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from catalog import FEW_GROUPS, TOO_FEW
from training.evaluation.intervals import with_interval


def write_card(path: Path, facts: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]) -> None:
    """Write the card of a model from the content of its config.json and its metrics."""
    where = facts["where_tested"]
    texts = {
        "outputs": "\n".join(_output(head) for head in facts["heads"]),
        "rows": "\n".join(_scores(facts["heads"], metrics)),
        "few_groups": FEW_GROUPS,
        "too_few": TOO_FEW,
        "where": where[:1].lower() + where[1:],
        "encoders": "".join(map(_encoder, facts.get("encoders", ()))),
        "view": ", ".join(
            f"{key.replace('_', ' ')} {value}" for key, value in facts["view"].items()
        ),
    }
    path.write_text(_CARD.format(**{**facts, **texts}), "utf-8")


def _output(head: Mapping[str, Any]) -> str:
    if head["family"] == "classes":
        text = (
            f"- `{head['name']}`: the probability of {', '.join(head['classes'])}; they sum to 1."
        )
        edges = head.get("edges")
        return f"{text} Edges: {' and '.join(map(str, edges))}." if edges else text
    if head["family"] == "values":
        unit = f" in {head['unit']}" if head.get("unit") else ""
        return f"- `{head['name']}`: a number{unit}, with an interval that held nine of ten validation pictures."
    return (
        f"- `{head['name']}`: a unit vector of {head['dim']} numbers. The higher the cosine of two vectors, the more "
        "likely the pictures are copies of one photograph. Two shots of one scene also have a high cosine: verify "
        "candidates on their pixels."
    )


def _encoder(card: Mapping[str, Any]) -> str:
    """Say where the weights of a user's encoder come from."""
    package = f" of {card['package']}" if card["package"] else ""
    note = f" ({card['note']})" if card["note"] else ""
    return (
        f"\nEncoder `{card['name']}`: {card['kind']} `{card['file']}`{package}, sha256 `{card['sha256']}`.\n"
        f"Licence: {card['licence']}{note}. Trained on: {card['trained_on']}.\n"
    )


def _scores(
    heads: Sequence[Mapping[str, Any]], metrics: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    for head in heads:
        chosen = (head["name"], "all", head["metric"])
        for row in metrics:
            if (row["task"], row["slice"], row["metric"]) == chosen:
                cells = (
                    row["task"], row["predictor"], head["metric"].replace("_", " "),
                    with_interval(row), row["n"], row["n_groups"],
                )  # fmt: skip
                yield f"| {' | '.join(map(str, cells))} |"


_CARD = """# Model {model_id}

Recipe `{recipe}`, trained by Safelight {code_version} on `{dataset}@{version}`
(digest `{dataset_digest}`), split policy `{split_policy}`:
{rows_train} pictures to train, {rows_validation} to choose the epoch and to calibrate,
{rows_test} to test; {rows_excluded} more have no training permission or no split.
{parameters} parameters, best epoch {best_epoch} of {epochs}, {examples_seen} training examples.

## Output

{outputs}

Probabilities give every class the same weight (they are divided by the class shares of training). For probabilities in
your own collection, multiply by its class shares and normalise.

## Input

Pixels only: no EXIF tag, name, size or orientation. View: {view}.
{encoders}
## Scores

On the test pictures, with 95 % intervals from a bootstrap over groups (none under {few_groups} groups: {too_few}).

| head | predictor | metric | value | pictures | groups |
| --- | --- | --- | --- | --- | --- |
{rows}

All figures: `metrics.parquet`.

## Limits

A model can learn cameras and photographers instead of what it is asked: trust the figures of the split that keeps
groups apart. The figures above are measured {where}. Resized or re-compressed pictures have lost most of their noise
and fine detail. The model is less reliable for pictures unlike those of the data set. Do not use a prediction as
evidence about a person.
"""
