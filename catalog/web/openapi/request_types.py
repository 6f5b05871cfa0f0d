r"""Bodies and query strings that the API accepts: the types and limits of the requests and of `openapi.json`.

Patterns are read by Python (`re.search`) and by clients in the dialect of JavaScript. In Python `$` also matches before
a final line break, so patterns end with `(?!\n)$`.
"""

from functools import cache
from typing import Annotated, cast

from msgspec import UNSET, Meta, Struct, UnsetType, defstruct

from catalog.lake.manual import KINDS
from catalog.web.review.queues import QUEUES

MAX_SQL = 64_000
"""Characters of a statement."""
_MAX_INT64 = 2**63 - 1
_SHA256 = r"^[0-9a-f]{64}(?!\n)$"
# \x1c-\x1f and \x85 are white space in Python and not in JSON Schema.
_NOT_BLANK = r"[^\s\x1c-\x1f\x85]"

Sql = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_SQL,
        pattern=_NOT_BLANK,
        description="one SELECT, WITH, FROM, VALUES, PIVOT, DESCRIBE, SUMMARIZE, SHOW or EXPLAIN statement",
        examples=["SELECT count(*) FROM photos"],
    ),
]
_ParameterName = Annotated[str, Meta(pattern=r"^[A-Za-z_]\w{0,63}(?!\n)$")]
# In JSON Schema an integer is a number too, so the bounds of integers are repeated for numbers there.
_Scalar = (
    Annotated[int, Meta(ge=-_MAX_INT64, le=_MAX_INT64)]
    | Annotated[float, Meta(extra_json_schema={"minimum": -_MAX_INT64, "maximum": _MAX_INT64})]
    | str
    | bool
    | None
)
_Parameters = Annotated[
    dict[_ParameterName, _Scalar | list[_Scalar]] | None,
    Meta(
        description="values of $name in the statement",
        # Other dialects know other letters as \w than Python does, so the description promises ASCII names only.
        extra_json_schema={"propertyNames": {"pattern": r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"}},
        extra={
            "expects": "an object of names (letters, digits and _) and values (a text, number up to 64 bits, flag, "
            "null or a list of those)"
        },
    ),
]


class NewStatement(Struct, forbid_unknown_fields=True):
    """Body of `POST /api/queries`; `statement_type` adds the limits of the server."""

    sql: Sql
    parameters: _Parameters = None
    as_of: (
        Annotated[int, Meta(ge=0, le=_MAX_INT64, description="id of the snapshot to read")] | None
    ) = None
    timeout_s: float | None = None
    max_rows: int | None = None


@cache
def statement_type(max_timeout_s: float, max_rows: int) -> type[NewStatement]:
    """Return `NewStatement` with the limits of this server; its schema is `Statement`."""
    timeout = Meta(gt=0, le=max_timeout_s, description="deadline; bounded by /api/limits")
    rows = Meta(ge=1, le=max_rows, description="bounded by /api/limits")
    limited = defstruct(
        "Statement",
        [
            ("timeout_s", Annotated[float, timeout] | None, None),
            ("max_rows", Annotated[int, rows] | None, None),
        ],
        bases=(NewStatement,),
        forbid_unknown_fields=True,
    )
    return cast("type[NewStatement]", limited)


class WaitQuery(Struct):
    """Query string of `GET /api/queries/{query_id}`."""

    wait_s: Annotated[
        float, Meta(ge=0, le=60, description="wait for the end, at most so many seconds")
    ] = 0


class RowsQuery(Struct):
    """Query string of `GET /api/queries/{query_id}/rows`."""

    offset: Annotated[int, Meta(ge=0, le=10**9, description="first row")] = 0
    limit: Annotated[int, Meta(ge=1, le=1_000, description="rows of the page")] = 200
    order_by: Annotated[str, Meta(description="column to sort by")] | UnsetType = UNSET
    descending: Annotated[bool, Meta(description="largest first")] = False


class DownloadQuery(Struct):
    """Query string of a download as CSV."""

    exact: Annotated[
        bool, Meta(description="csv: leave texts that a spreadsheet takes for formulas as they are")
    ] = False


class ThumbnailQuery(Struct):
    """Query string of `GET /api/assets/{sha256}/thumbnail`."""

    side: Annotated[int, Meta(ge=16, le=1_024, description="longest side, px")] = 160


class NewQuestion(Struct, forbid_unknown_fields=True):
    """Body of `PUT /api/questions/{name}`."""

    title: Annotated[str, Meta(min_length=1, max_length=200, pattern=_NOT_BLANK)]
    sql: Sql


_Reason = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9_]{0,100}(?!\n)$",
        description="items with this reason",
        extra={"expects": "a reason of the queue: a snake_case word"},
    ),
]
_Seed = Annotated[int, Meta(ge=0, le=2**31 - 1, description="of the sample")]
_Size = Annotated[int, Meta(ge=1, le=1_000, description="of the sample")]


class QueueQuery(Struct):
    """Query string that selects items of a queue."""

    only: _Reason = ""
    seed: _Seed = 0
    size: _Size = 100


class QueuePageQuery(QueueQuery):
    """Query string of `GET /api/review/queues/{queue}`."""

    after: Annotated[str, Meta(description="the item that the page begins after")] = ""
    limit: Annotated[int, Meta(ge=1, le=50, description="items of the page")] = 6
    everything: Annotated[bool, Meta(description="items that are decided, too")] = False


class PredictQuery(Struct):
    """Query string of `POST /api/v1/predict`."""

    model: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=100,
            pattern=_NOT_BLANK,
            description="id of a finished model, or the unique beginning of one",
        ),
    ]


class ExplainQuery(PredictQuery):
    """Query string of `POST /api/v1/explain`."""

    task: Annotated[
        str, Meta(min_length=1, max_length=100, pattern=_NOT_BLANK, description="name of a head")
    ]
    face: Annotated[
        int, Meta(ge=0, le=99, description="number of a predicted face from the left, from 0")
    ] = 0


class SimilarQuery(Struct):
    """Query string of a search for similar pictures."""

    limit: Annotated[int, Meta(ge=1, le=200, description="pictures to return")] = 24


_Method = Annotated[
    str,
    Meta(
        pattern=r"^(pca|umap)(?!\n)$",
        description="method of projection",
        extra={"expects": "pca or umap"},
        extra_json_schema={"enum": ["pca", "umap"]},
    ),
]


class MapQuery(Struct):
    """Query string of the map of all pictures."""

    method: _Method = "pca"


class ColourQuery(MapQuery):
    """Query string of the colours of a map."""

    key: Annotated[str, Meta(max_length=64, description="of the map, as it was returned")] = ""
    column: Annotated[str, Meta(max_length=100, description="name of a column")] = "source"


class LabelQuery(Struct):
    """Query string of the labels of a person."""

    by: Annotated[
        str,
        Meta(
            max_length=40,
            description="who labels, on a server without tokens; else it is the name of the token",
        ),
    ] = ""


class NewLabel(Struct, forbid_unknown_fields=True):
    """Body of `POST /api/labels/{task}`."""

    picture: Annotated[str, Meta(pattern=_SHA256, extra={"expects": "a SHA-256: 64 hex digits"})]
    value: Annotated[str, Meta(min_length=1, max_length=60, pattern=_NOT_BLANK)]


class NewLabelRelease(Struct, forbid_unknown_fields=True):
    """Body of `POST /api/labels/{task}/releases`."""

    dataset: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}(?!\n)$",
            extra={"expects": "a name of letters, digits, - and _"},
        ),
    ]


_Pictures = Annotated[
    list[Annotated[str, Meta(pattern=_SHA256)]],
    Meta(
        min_length=1,
        max_length=10_000,
        extra={"expects": "a list of 1 to 10000 SHA-256s, each 64 hex digits"},
    ),
]


class NewSelectionDecision(Struct, forbid_unknown_fields=True):
    """Body of `POST /api/selection/decisions`."""

    pictures: _Pictures
    kind: Annotated[
        str,
        Meta(
            pattern=r"^(keep|drop)(?!\n)$",
            extra={"expects": "keep or drop"},
            extra_json_schema={"enum": ["keep", "drop"]},
        ),
    ]
    reason: Annotated[
        Annotated[str, Meta(max_length=500, pattern=rf"^(?!\n)$|{_NOT_BLANK}")] | None,
        Meta(extra={"expects": "a text of at most 500 characters that is not blank"}),
    ] = None


class NewSelectionLabel(Struct, forbid_unknown_fields=True):
    """Body of `POST /api/selection/labels`."""

    pictures: _Pictures
    task: Annotated[str, Meta(min_length=1, max_length=40, pattern=_NOT_BLANK)]
    value: Annotated[str, Meta(min_length=1, max_length=60, pattern=_NOT_BLANK)]


class NewDecision(Struct, forbid_unknown_fields=True):
    """Body of `POST /api/review/decisions`."""

    queue: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=100,
            pattern=_NOT_BLANK,
            extra_json_schema={"enum": list(QUEUES)},  # another name is 404, as in an address
        ),
    ]
    item: Annotated[str, Meta(min_length=1, max_length=100, pattern=_NOT_BLANK)]
    kind: Annotated[
        str,
        Meta(
            pattern=rf"^({'|'.join(KINDS)})(?!\n)$",
            extra={"expects": f"one of {', '.join(KINDS)}"},
            extra_json_schema={"enum": list(KINDS)},
        ),
    ]
    only: _Reason = ""
    pictures: Annotated[
        Annotated[list[Annotated[str, Meta(pattern=_SHA256)]], Meta(max_length=500)] | None,
        Meta(extra={"expects": "a list of at most 500 SHA-256s, each 64 hex digits"}),
    ] = None
    reason: Annotated[
        Annotated[str, Meta(max_length=500, pattern=rf"^(?!\n)$|{_NOT_BLANK}")] | None,
        Meta(extra={"expects": "a text of at most 500 characters that is not blank"}),
    ] = None
    seed: _Seed = 0
    size: _Size = 100
