"""The heads of a saved model or run: what each predicts, in which classes or unit, and how it is measured.

`config.json` and `run.json` list their heads under `heads`, one mapping each. Files of older code have no list; their
heads are camera settings with the classes low, medium and high, or those of an embedder.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from training.data.photo_settings import CLASSES, TASKS, class_ranges, task_name

CLASS_FAMILY, VALUE_FAMILY, RETRIEVAL_FAMILY = "classes", "values", "retrieval"

PARTS = ("thumbnail_only", "patches_only")
"""The parts of models that do not list theirs."""

_METRIC_NAMES = {
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "r2": "R²",
    "nll": "NLL",
    "ece": "ECE",
    "auc": "AUC",
    "spearman": "Spearman correlation",
    "cross_class_correlation": "cross-class ranking correlation",
}


SOUND_VIEWS = ("log_mel",)


@dataclass(frozen=True)
class SavedHead:
    """One head: `name` is its key in tables (the column `task`), `title` its name for people.

    `kind` is the kind of head (ordinal, softmax, binary, regression, embedding), `family` the way in which it is
    evaluated: classes, values or retrieval. `descriptions` say what each class contains, or are empty. `unit` is the
    unit of a value, such as years. `metric` is the main metric; an error has `higher_is_better` False. `parts` are the
    predictors that use a part of the model's input; a model need not beat them. `column` is the column of the label in
    the release; empty if it has the name of the head. A head that is not `in_panel` has no chart below photographs.
    `subject` is what one prediction is of: photo or sound.
    """

    name: str
    kind: str
    family: str
    title: str
    classes: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()
    unit: str = ""
    metric: str = "balanced_accuracy"
    higher_is_better: bool = True
    parts: tuple[str, ...] = PARTS
    column: str = ""
    in_panel: bool = True
    subject: str = "photo"

    @property
    def title_in_sentence(self) -> str:
        """The title for the middle of a sentence: names in capitals keep them.

        >>> setting_head("f_number").title_in_sentence, setting_head("iso").title_in_sentence
        ('aperture', 'ISO')
        """
        first = self.title.split(" ", maxsplit=1)[0]
        keeps_capitals = first[1:] != first[1:].lower()
        return self.title if keeps_capitals else self.title[:1].lower() + self.title[1:]

    @property
    def metric_name(self) -> str:
        """The name of the main metric for people, such as balanced accuracy."""
        return metric_name(self.metric)

    @property
    def has_setting_classes(self) -> bool:
        """Whether the classes are low, medium and high."""
        return self.family == CLASS_FAMILY and self.classes == CLASSES

    def with_unit(self, number: str) -> str:
        """Add the unit to the text of a number."""
        return f"{number} {self.unit}".rstrip()

    def value_text(self, value: float | None) -> str:
        """Write a value with its unit; None is unknown.

        >>> age = SavedHead("age", "regression", "values", "Age", unit="years")
        >>> age.value_text(34.256), age.value_text(None)
        ('34.3 years', 'unknown')
        """
        return "unknown" if value is None else self.with_unit(number_text(value))

    def class_name(self, number: int | None) -> str:
        """Return the name of a class; a number without a name stays a number, None is unknown."""
        if number is None:
            return "unknown"
        return self.classes[number] if 0 <= number < len(self.classes) else str(number)

    def describe_class(self, number: int) -> str:
        """Return what a class contains, such as "up to ISO 200"; without a description its name."""
        has_description = number < len(self.descriptions) and self.descriptions[number]
        return self.descriptions[number] if has_description else self.class_name(number)


def number_text(value: float) -> str:
    """Write a number with three significant digits, and all digits before the point.

    >>> number_text(34.256), number_text(1987.2), number_text(12345.6), number_text(0.00123)
    ('34.3', '1987', '12,346', '0.00123')
    """
    if abs(value) < 1000:
        return f"{value:.3g}"
    return f"{value:.0f}" if abs(value) < 10_000 else f"{value:,.0f}"


def metric_name(metric: str) -> str:
    """Return the name of a metric for people.

    >>> metric_name("mae"), metric_name("balanced_accuracy"), metric_name("ece_with_prior")
    ('mean absolute error', 'balanced accuracy', 'ECE with prior')
    """
    first, _, rest = metric.partition("_")
    name = _METRIC_NAMES.get(metric) or f"{_METRIC_NAMES.get(first, first)} {rest}"
    return name.replace("_", " ").strip()


def saved_heads(facts: Mapping[str, Any]) -> tuple[SavedHead, ...]:
    """Return the heads of the content of `config.json` or `run.json`, in order; of older files those of settings."""
    if listed := facts.get("heads"):
        parts = facts.get("parts")
        subject = subject_of(facts)
        return tuple(
            replace(_saved_head(one, PARTS if parts is None else tuple(parts)), subject=subject)
            for one in listed
        )
    return tuple(
        setting_head(task, facts.get("bins") or {}) for task in facts.get("tasks") or TASKS
    )


def subject_of(facts: Mapping[str, Any]) -> str:
    """Return what a model of these facts predicts: a photo, or a sound."""
    kind = (facts.get("view") or {}).get("kind")
    return "sound" if kind in SOUND_VIEWS else "photo"


def setting_head(task: str, bins: Mapping[str, Any] | None = None) -> SavedHead:
    """Return the head of a camera setting, with the classes low, medium and high of the edges in `bins`."""
    ranges = class_ranges(bins or {}, task)
    descriptions = () if ranges == CLASSES else ranges
    return SavedHead(task, "ordinal", CLASS_FAMILY, task_name(task), CLASSES, descriptions)


def copies_head() -> SavedHead:
    """Return the head of an embedder for copies, whose older model folders do not describe it."""
    metric = "recall_at_precision_0.9"
    return SavedHead("copies", "embedding", RETRIEVAL_FAMILY, "Copies", metric=metric, parts=())


def _saved_head(facts: Mapping[str, Any], parts: tuple[str, ...]) -> SavedHead:
    name, family = str(facts["name"]), str(facts["family"])
    defaults = {VALUE_FAMILY: "mae", RETRIEVAL_FAMILY: copies_head().metric}
    return SavedHead(
        name=name,
        kind=str(facts.get("kind") or ""),
        family=family,
        title=task_name(name) if facts.get("title") in {None, "", name} else str(facts["title"]),
        classes=tuple(map(str, facts.get("classes") or ())),
        descriptions=tuple(map(str, facts.get("descriptions") or ())),
        unit=str(facts.get("unit") or ""),
        metric=str(facts.get("metric") or defaults.get(family, "balanced_accuracy")),
        higher_is_better=bool(facts.get("higher_is_better", family != VALUE_FAMILY)),
        parts=parts,
        column=str(facts.get("column") or ""),
        in_panel=bool(facts.get("in_panel", True)),
    )
