"""Print the most frequent cameras and the most frequent decisions of curation."""

import os
import sys

from catalog import SafelightError, Workspace, open_catalog

HOME = os.environ.get("SAFELIGHT_HOME", "workspace")
CAMERAS = "SELECT camera, count(*) AS n, median(iso) AS iso FROM v_photos GROUP BY camera ORDER BY n DESC LIMIT 5"
REASONS = "SELECT decision, reason, n FROM v_decisions ORDER BY n DESC LIMIT 5"

try:
    workspace = Workspace.existing(HOME)
except SafelightError as error:
    sys.exit(f"{error}; run first: python3 dev.py demo")
with open_catalog(workspace) as catalog:
    for row in catalog.records(CAMERAS):
        print(f"{row['camera'] or 'unknown'}: {row['n']} photographs, median ISO {row['iso']}")
    for row in catalog.records(REASONS):
        print(f"{row['decision']} {row['reason']}: {row['n']}")
