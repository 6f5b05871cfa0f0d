"""The card of an ONNX embedder: the input of its network, and the limits on its cosines.

The card of `model.onnx` is `model.json` beside it, or the same JSON in the file's own metadata under `safelight`:

    {"format": "safelight-embedder/1", "name": "copy_detection", "input_px": 160,
     "mean": [127, 127, 127], "std": [128, 128, 128], "candidate_cosine": 0.5, "scene_cosine": 0.5}

`mean` and `std` are those of red, green and blue in grey levels, 0 to 255. The two cosines are the limit of
this network for candidates of copies, and its limit for two shots of one scene. The defaults are the limits of the
default network, which seldom suit another one. `about` may contain anything.
"""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from curation.duplicates.limits import CandidateLimits, VerificationLimits
from curation.errors import BadEmbedderError

FORMAT = "safelight-embedder/1"
EMBEDDER_METADATA_KEY = "safelight"
LARGEST_PX = 1024

Colours = tuple[float, float, float]


@dataclass(frozen=True)
class EmbedderCard:
    """Name and input of a network, and its two limits on the scale of its own cosines."""

    name: str
    input_px: int
    mean: Colours = (127.0, 127.0, 127.0)
    std: Colours = (128.0, 128.0, 128.0)
    candidate_cosine: float = CandidateLimits().cosine
    scene_cosine: float = VerificationLimits().scene_cosine

    def to_json(self, about: Mapping[str, object] | None = None) -> str:
        """Write the card as JSON; equal cards give equal text."""
        content = {"format": FORMAT, **dataclasses.asdict(self)}
        return json.dumps(content | ({"about": about} if about else {}), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, origin: str) -> Self:
        """Read a card; `origin` names its place in errors. Raises `BadEmbedderError`."""
        try:
            card = json.loads(text)
        except ValueError as error:
            raise BadEmbedderError(origin, f"the card is not JSON: {error}") from error
        if not isinstance(card, dict) or card.get("format") != FORMAT:
            raise BadEmbedderError(origin, f'the card must be an object with "format": "{FORMAT}"')
        fields = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(card) - fields - {"format", "about"}):
            raise BadEmbedderError(
                origin,
                f"the card has an unknown entry {unknown[0]!r}; known: {', '.join(sorted(fields))}",
            )
        values = {name: card[name] for name in fields & set(card)}
        return cls(**_checked(values, origin))

    @property
    def input_text(self) -> str:
        """Write the entries that change the vectors of a file, as a part of their name."""
        return json.dumps([self.input_px, self.mean, self.std])


def card_beside(path: Path) -> EmbedderCard | None:
    """Read `model.json` beside `model.onnx`; None without one. Raises `BadEmbedderError`."""
    beside = path.with_suffix(".json")
    return (
        EmbedderCard.from_json(beside.read_text("utf-8"), str(beside)) if beside.is_file() else None
    )


def _checked(values: dict[str, Any], origin: str) -> dict[str, Any]:
    name, side = values.get("name"), values.get("input_px")
    if not isinstance(name, str) or not name or "@" in name:
        raise BadEmbedderError(origin, '"name" must be a text without @')
    if type(side) is not int or not 32 <= side <= LARGEST_PX:
        raise BadEmbedderError(origin, f'"input_px" must be a whole number from 32 to {LARGEST_PX}')
    for key in ("mean", "std"):
        if key in values:
            values[key] = _colours(values[key], key, origin)
    for key in ("candidate_cosine", "scene_cosine"):
        if key in values and not (_is_number(values[key]) and -1 < values[key] <= 1):
            raise BadEmbedderError(origin, f'"{key}" must be a cosine above -1, at most 1')
    return values


def _colours(value: object, key: str, origin: str) -> Colours:
    is_list = isinstance(value, Sequence) and len(value) == 3 and all(map(_is_number, value))
    if not is_list or (key == "std" and min(value) <= 0):  # type: ignore[call-overload] # three numbers
        raise BadEmbedderError(origin, f'"{key}" must be three numbers in grey levels, std above 0')
    red, green, blue = map(float, value)  # type: ignore[call-overload] # three numbers
    return red, green, blue


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
