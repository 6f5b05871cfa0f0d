"""What waits in the spool: fetched, done in the frontier, but not in the catalog before the next commit."""

from collections import Counter
from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet as pq

from catalog import SafelightError, Workspace, count_waiting, waiting_segments

_JOB = "crawl:"
COMMIT = "safelight catalog commit"


def segments_by_crawl(workspace: Workspace) -> Counter[str]:
    """Count the waiting segments of each crawl by its id; those of other work have the empty id."""
    try:
        segments = waiting_segments(workspace)
    except SafelightError:  # one is damaged: the commit says which
        return Counter({"": count_waiting(workspace)})
    jobs = (segment.job for segment in segments)
    return Counter(job.removeprefix(_JOB) if job.startswith(_JOB) else "" for job in jobs)


def photos_in_spool(workspace: Workspace) -> set[str]:
    """Give the ids of the photos whose rows wait; what is in a damaged segment is left out."""
    photos: set[str] = set()
    for path in workspace.spool.glob("[!.]*/photos.parquet"):
        with suppress(OSError, pa.ArrowException):  # committed just now, or damaged
            photos |= set(pq.read_table(path, columns=["photo_id"]).column(0).to_pylist())
    return photos
