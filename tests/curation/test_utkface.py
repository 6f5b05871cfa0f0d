"""The line of the UTKFace chips: import, near copies, splits by group and session, and an audit that says what leaks."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from catalog import Workspace, open_catalog
from catalog.publishing import publish_run
from crawler.crawling import crawl
from crawler.sources.utkface import UtkFaceSource
from curation.label_audit import audit_labels
from curation.plan import CurationPlan
from curation.run import curate
from curation.settings import CurateSettings
from curation.summary import CurationSummary
from tests.curation.small_catalog import SmallEmbedder
from tests.real_data import members, needs

PLAN = CurationPlan(labels=("age", "gender", "ethnicity"))
COPIES = 12


def copy(body: bytes, quality: int) -> bytes:
    pixels = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    small = cv2.resize(pixels, (160, 160), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def bring(folder: Path, workspace: Workspace, every: int) -> dict[str, str]:
    """Import chips and a copy of some of them under a name a second later; say which copies which."""
    folder.mkdir()
    copies = {}
    for place, (name, body) in enumerate(members("faces/utkface.tar", every=every)):
        (folder / name).write_bytes(body)
        if place < COPIES:
            parts = name.removesuffix(".jpg").split("_")
            parts[3] = f"{int(parts[3][:14]) - 10**10:014d}000"  # the same hour of a month before
            copies["_".join(parts) + ".jpg"] = name
            (folder / f"{'_'.join(parts)}.jpg").write_bytes(copy(body, 60))
    return copies
