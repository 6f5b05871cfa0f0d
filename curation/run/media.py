"""Choose what a run curates: the pictures of a catalog, or its sounds."""

import dataclasses

from catalog import Catalog, command_name, counted
from curation.run.plan import MIME_OF, PICTURES, SOUNDS, CurationPlan

_COUNT = """
    SELECT count(*) AS n FROM assets a WHERE a.mime LIKE ?
    AND a.sha256 IN (SELECT asset_sha256 FROM v_all_photos WHERE asset_sha256 IS NOT NULL)
"""


def with_selected_media(plan: CurationPlan, catalog: Catalog) -> tuple[CurationPlan, list[str]]:
    """Give the plan with `media` decided, and a note about what is left out."""
    media = plan.media
    if media == SOUNDS:
        return plan, []
    n_sounds = _count(catalog, SOUNDS)
    if media == "auto":
        media = SOUNDS if n_sounds and not _count(catalog, PICTURES) else PICTURES
    note = (
        f"{counted(n_sounds, 'sound')} left out, because a run takes pictures or sounds; "
        f"curate the sounds with: {command_name()} curate run --media sounds"
    )
    notes = [note] if n_sounds and media == PICTURES else []
    return dataclasses.replace(plan, media=media), notes


def _count(catalog: Catalog, media: str) -> int:
    (row,) = catalog.records(_COUNT, [MIME_OF[media]])
    return int(str(row["n"]))
