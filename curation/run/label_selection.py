"""Select the labels of a run whose plan has none, from the labels that the catalog has for its pictures.

A label with classes is a stratum of the splits and is in the class tables. Any other label (a caption, a different
number for each picture) is only a column of the release. Where most pictures have camera settings, the run is curated
for the settings, and labels are additional columns.
"""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from catalog import Catalog, counted
from curation.reading import frame
from curation.rules.bin_edges import SETTINGS
from curation.run.inputs import LABELS
from curation.run.plan import MIME_OF, PICTURES, CurationPlan, reserved_columns
from curation.splits.labels import PERSON_TASKS, TIME_TASK
from curation.splits.strata import FEW_NUMBERS, MAX_CLASSES, numbers_of

FOLDER = "folder"
"""The label of every picture in a folder; it alone does not keep a picture without camera settings."""

MAX_CLASS_LABELS = 8  # with more, each has little influence on the splits
MAX_SEVERAL_SHARE = (
    0.1  # of the pictures: a label with several values for more pictures is left out
)
MIN_PICTURES_PER_VALUE = 2  # a value that only one picture has is not a class

# One row for each picture and label: its most trusted value, and how many different values photos of it have.
_VALUES = f"""
    WITH statements AS (SELECT l.asset_sha256, l.task, l.value, l.place, l.photo_id, s.answers FROM ({LABELS}) l
        LEFT JOIN v_labels s ON s.subject_kind = CASE l.place WHEN 0 THEN 'asset' ELSE 'photo' END
        AND s.subject_id = CASE l.place WHEN 0 THEN l.asset_sha256 ELSE l.photo_id END AND s.task = l.task)
    SELECT asset_sha256, task, first(value ORDER BY place, photo_id) AS value, max(answers) AS answers
    FROM statements JOIN assets a ON a.sha256 = asset_sha256 WHERE a.mime LIKE ?
    AND task NOT IN (SELECT unnest(?::VARCHAR[])) GROUP BY asset_sha256, task ORDER BY task, asset_sha256
"""
_SETTINGS = f"""
    SELECT count(*) AS n, count(*) FILTER (coalesce({", ".join(SETTINGS)}) IS NOT NULL) AS with_settings
    FROM assets a LEFT JOIN v_exif e ON e.asset_sha256 = a.sha256 WHERE a.mime LIKE ?
"""


@dataclass(frozen=True)
class LabelSelection:
    """The selected labels by use, sorted by name; `left_out` has the reason for each label that is not a column."""

    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)


def with_selected_labels(plan: CurationPlan, catalog: Catalog) -> tuple[CurationPlan, list[str]]:
    """Give the plan with the labels of the catalog, and notes about labels that cannot be used.

    A plan with labels, or with an empty list of labels, is not changed.
    """
    if plan.labels or plan.label_columns or not plan.find_labels:
        return dataclasses.replace(plan, find_labels=False), []
    mime = MIME_OF.get(plan.media, MIME_OF[PICTURES])
    values = frame(catalog, _VALUES, (mime, [*PERSON_TASKS, TIME_TASK]))
    selection = select_labels(values)
    (counts,) = catalog.records(_SETTINGS, [mime])
    n, with_settings = int(str(counts["n"])), int(str(counts["with_settings"]))
    selected_values = values.filter(pl.col("task").is_in([*selection.classes, *selection.columns]))
    labelled = selected_values["asset_sha256"].n_unique()
    name_of = column_names((*selection.classes, *selection.columns))
    renamed = tuple(f"{name}={task}" for task, name in sorted(name_of.items()) if task != name)
    plan = dataclasses.replace(plan, find_labels=False, label_tasks=renamed)
    classes = tuple(sorted(name_of[task] for task in selection.classes))
    others = tuple(sorted(name_of[task] for task in selection.columns if task != FOLDER))
    notes = [f"label {task} is left out: {why}" for task, why in sorted(selection.left_out.items())]
    if selection.columns == (FOLDER,) and not classes and 2 * with_settings < n:
        notes.append(_folder_note(values))
    if 2 * with_settings < n and labelled > with_settings:
        return dataclasses.replace(plan, labels=classes, label_columns=others), notes
    columns = tuple(sorted((*classes, *others)))
    return dataclasses.replace(plan, label_columns=columns, label_classes=classes), notes


def _folder_note(values: pl.DataFrame) -> str:
    n_folders = values.filter(pl.col("task") == FOLDER)["value"].n_unique()
    return (
        f"label {FOLDER} has {counted(n_folders, 'value')}, not 2 to {MAX_CLASSES}, so it is no class and keeps no "
        "picture; crawl run folder --class-level N takes the class from one folder of the path"
    )


def select_labels(values: pl.DataFrame) -> LabelSelection:
    """Select classes and columns among the labels of `values` (asset_sha256, task, value, answers)."""
    classes: dict[str, int] = {}
    columns, left_out = [], {}
    for (task,), rows in values.group_by("task", maintain_order=True):
        name = str(task)
        several_share = rows.filter(pl.col("answers") > 1).height / rows.height
        if several_share > MAX_SEVERAL_SHARE:
            left_out[name] = f"{several_share:.0%} of its pictures have several values"
        elif is_class(rows["value"], MAX_CLASSES if name == FOLDER else None):
            classes[name] = rows["value"].n_unique()
        else:
            columns.append(name)
    fewest = sorted(classes, key=lambda task: (classes[task], task))
    columns += fewest[MAX_CLASS_LABELS:]
    return LabelSelection(
        tuple(sorted(fewest[:MAX_CLASS_LABELS])), tuple(sorted(columns)), left_out
    )


def is_class(values: pl.Series, max_values: int | None = None) -> bool:
    """Say whether the values of a label (text, one value a picture) are classes; at most `max_values` if given.

    >>> is_class(pl.Series(["cat", "dog"] * 20)), is_class(pl.Series([f"photo {n}" for n in range(40)]))
    (True, False)
    """
    counts = values.drop_nulls().value_counts(name="n")["n"]
    n, n_values = int(counts.sum()), len(counts)
    if n_values < 2 or (max_values is not None and n_values > max_values):
        return False
    if (numbers := numbers_of(values)) is not None:
        present = numbers.drop_nulls()
        is_whole = bool((present == present.round()).all())
        spread = float(present.max()) - float(present.min())  # type: ignore[arg-type]  # there are numbers
        # Whole numbers without a repeat and almost without gaps are a running number.
        return not (is_whole and n_values == n and spread < 2 * n and n > 10 * FEW_NUMBERS)
    return n_values <= n / 2 and int(counts.filter(counts >= MIN_PICTURES_PER_VALUE).sum()) > n / 2


_NOT_PLAIN = re.compile(r"[^a-z0-9_]+")


def column_names(tasks: tuple[str, ...]) -> dict[str, str]:
    """Give each label the name of its column: lower-case letters, digits and _, not the name of another column.

    >>> column_names(("Dog breed", "width", "breed"))
    {'Dog breed': 'dog_breed', 'width': 'label_width', 'breed': 'breed'}
    """
    names: dict[str, str] = {}
    for task in tasks:
        name = _NOT_PLAIN.sub("_", task.lower()).strip("_") or "label"
        if name in reserved_columns() or not name[0].isalpha():
            name = f"label_{name}"
        plain, n = name, 1
        while name in names.values():
            n += 1
            name = f"{plain}_{n}"
        names[task] = name
    return names
