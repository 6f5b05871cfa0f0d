"""A place for statements and pictures of strangers: processes that hold what they work on and nothing else.

Statements, from outside in: `pool.py` (the server's side), `jobs.py` (what it hands to a child), `template.py` (a
process with everything loaded, which forks), `child.py` (what a fork does), `statements.py`. Bytes of pictures:
`decoders.py` (the side of a crawl or a curation run), `child_handle.py`, `decoder_start.py`, `decoder_child.py`.
What all of them give up: `privileges.py`, `landlock.py`, `system_calls.py`.
"""

from typing import TYPE_CHECKING

from catalog.sandbox.walls.limits import MB, DecoderLimits, Limits

if TYPE_CHECKING:
    from catalog.sandbox.decoding.child_handle import Decoded, DecoderError
    from catalog.sandbox.decoding.decoders import DecoderPool
    from catalog.sandbox.sql.jobs import (
        ExportJob,
        FacetJob,
        Job,
        PageJob,
        QueryJob,
        SoundPlotJob,
        SummaryJob,
        ThumbnailJob,
    )
    from catalog.sandbox.sql.pool import QueryPool, StatementOutcome
    from catalog.sandbox.sql.turns import Ticket

__all__ = [
    "MB",
    "Decoded",
    "DecoderError",
    "DecoderLimits",
    "DecoderPool",
    "ExportJob",
    "FacetJob",
    "Job",
    "Limits",
    "PageJob",
    "QueryJob",
    "QueryPool",
    "SoundPlotJob",
    "StatementOutcome",
    "SummaryJob",
    "ThumbnailJob",
    "Ticket",
]

_LATER = {
    "Decoded": "decoding.child_handle",
    "DecoderError": "decoding.child_handle",
    "DecoderPool": "decoding.decoders",
    **dict.fromkeys(
        [
            *("ExportJob", "FacetJob", "Job", "PageJob", "QueryJob", "SoundPlotJob"),
            *("SummaryJob", "ThumbnailJob"),
        ],
        "sql.jobs",
    ),
    "StatementOutcome": "sql.pool",
    "QueryPool": "sql.pool",
    "Ticket": "sql.turns",
}


def __getattr__(name: str) -> object:
    """Import what a caller names: who decodes pictures needs no DuckDB."""
    if name not in _LATER:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(f"catalog.sandbox.{_LATER[name]}"), name)
