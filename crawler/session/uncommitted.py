"""The segments in the spool: fetched and done in the frontier, but in the catalog only after the next commit."""

from collections import Counter
from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet as pq

from catalog import SafelightError, Workspace, command_name, count_waiting, waiting_segments

_JOB = "crawl:"
COMMIT = f"{command_name()} catalog commit"


def segments_by_crawl(workspace: Workspace) -> Counter[str]:
    """Count the segments in the spool by crawl id; those of other jobs have the empty id."""
    try:
        segments = waiting_segments(workspace)
    except SafelightError:  # one is damaged: the commit names it
        return Counter({"": count_waiting(workspace)})
    jobs = (segment.job for segment in segments)
    return Counter(job.removeprefix(_JOB) if job.startswith(_JOB) else "" for job in jobs)


def photos_in_spool(workspace: Workspace) -> set[str]:
    """Return the ids of the photos in the spool, without those of damaged segments."""
    photos: set[str] = set()
    for path in workspace.spool.glob("[!.]*/photos.parquet"):
        with suppress(OSError, pa.ArrowException):  # committed just now, or damaged
            photos |= set(pq.read_table(path, columns=["photo_id"]).column(0).to_pylist())
    return photos
