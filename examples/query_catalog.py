"""Print the most frequent cameras and the most frequent decisions of curation."""

import os

from catalog import Workspace, open_catalog

HOME = os.environ.get("SAFELIGHT_HOME", "workspace")
CAMERAS = "SELECT camera, count(*) AS n, median(iso) AS iso FROM v_photos GROUP BY camera ORDER BY n DESC LIMIT 5"
REASONS = "SELECT decision, reason, n FROM v_decisions ORDER BY n DESC LIMIT 5"

with open_catalog(Workspace.at(HOME)) as catalog:
    for row in catalog.records(CAMERAS):
        print(f"{row['camera'] or 'unknown'}: {row['n']} photographs, median ISO {row['iso']}")
    for row in catalog.records(REASONS):
        print(f"{row['decision']} {row['reason']}: {row['n']}")
