"""What the server hands to a child: one job, with what the child needs for it, as JSON in an open file.

A child checks every field before it uses one: a job of another version of this code is an error, not a surprise.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from catalog.errors import SandboxError
from catalog.sandbox.walls.limits import Limits

Wall = Literal["user", "limits", "landlock", "duckdb", "statements"]


@dataclass(frozen=True)
class QueryJob:
    """Run a statement; the result is an Arrow file. `without` names walls that stay open (tests)."""

    sql: str
    parameters: Mapping[str, object] | None = None
    without: tuple[Wall, ...] = ()


@dataclass(frozen=True)
class PageJob:
    """Write some rows of a result as JSON, sorted by the column `order_by` if set."""

    offset: int
    limit: int
    order_by: str | None = None
    descending: bool = False


@dataclass(frozen=True)
class ExportJob:
    """Write a result as a file; `exact` leaves texts that a spreadsheet takes for formulas as they are."""

    format: Literal["json", "csv", "parquet"]
    exact: bool = False


@dataclass(frozen=True)
class SummaryJob:
    """Write the SUMMARIZE of a result as JSON."""


@dataclass(frozen=True)
class FacetJob:
    """Count the values of each column of a result that has few, at most `values` a column, as JSON."""

    values: int = 12


@dataclass(frozen=True)
class ThumbnailJob:
    """Write a picture as WebP of at most `side` x `side` px."""

    side: int


@dataclass(frozen=True)
class SoundPlotJob:
    """Write waveform and spectrogram of a WAV file as WebP of `width` x `height` px."""

    width: int
    height: int
    has_axes: bool = True


@dataclass(frozen=True)
class ProbeJob:
    """Try to read the file `outside` and to write into the folder `writable`; report which walls hold."""

    outside: str
    writable: str


Job = (
    QueryJob | PageJob | ExportJob | SummaryJob | FacetJob | ThumbnailJob | SoundPlotJob | ProbeJob
)
_KINDS: Mapping[str, type[Job]] = {
    "query": QueryJob,
    "rows": PageJob,
    "export": ExportJob,
    "summary": SummaryJob,
    "facets": FacetJob,
    "thumbnail": ThumbnailJob,
    "sound_plot": SoundPlotJob,
    "probe": ProbeJob,
}


@dataclass(frozen=True)
class ChildRequest:
    """A job with its limits, and for a statement the catalog: files and folders that the child reads.

    `attach_sql` attaches another snapshot than the one of the template. `network` says whether data lies behind one.
    """

    job: Job
    limits: Limits
    network: bool = False
    readable: tuple[str, ...] = ()
    data_paths: tuple[str, ...] = ()
    attach_sql: str | None = None

    def to_json(self) -> bytes:
        """Return the text that `from_json` reads."""
        [kind] = [name for name, each in _KINDS.items() if isinstance(self.job, each)]
        return json.dumps(asdict(self) | {"kind": kind}).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "ChildRequest":
        """Read and check a request; raises `SandboxError`."""
        values = json.loads(text)
        kind = values.pop("kind", None) if isinstance(values, dict) else None
        if not isinstance(kind, str) or kind not in _KINDS:
            raise SandboxError("the sandbox received a job of an unknown kind")
        job = _read(_KINDS[kind], values.get("job"))
        return _read(cls, values | {"job": job, "limits": _read(Limits, values.get("limits"))})


Record = TypeVar("Record")


def _read(kind: type[Record], values: object) -> Record:
    """Make a dataclass of JSON values; raises `SandboxError` for missing, unknown and wrongly typed fields."""
    if not isinstance(values, dict):
        raise SandboxError(f"the sandbox received no fields of {kind.__name__}")
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    hints = get_type_hints(kind)
    for name, value in given.items():
        if name not in hints or not _fits(value, hints[name]):
            raise SandboxError(
                f"the sandbox received a job whose {name!r} is not of {kind.__name__}"
            )
    try:
        return kind(**given)
    except TypeError as error:  # a field without a default is missing
        raise SandboxError(f"the sandbox received an incomplete job: {error}") from error


def _fits(value: object, hint: Any) -> bool:
    """Say whether a value is of a type, for the types of the fields above.

    >>> _fits(("landlock",), tuple[Wall, ...]), _fits(True, int), _fits(None, str | None)
    (True, False, True)
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, each) for each in args)
    if origin is Literal:
        return value in args
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(each, args[0]) for each in value)
    if origin is Mapping:
        return isinstance(value, dict)
    return type(value) is hint or (hint is float and type(value) is int)
