"""Read one picture of a release by its byte range, and count the classes of its training split."""

import hashlib
import os
import sys

from catalog import SafelightError, Workspace, find_release

HOME = os.environ.get("SAFELIGHT_HOME", "workspace")
NAME = "demo"

try:
    release = find_release(Workspace.existing(HOME), NAME)
except SafelightError as error:
    sys.exit(f"{error}; run first: python3 dev.py demo")
row = release.index().slice(0, 1).to_pylist()[0]
with release.shard(row["shard"]).open("rb") as shard:
    shard.seek(row["offset"])
    picture = shard.read(row["length"])
assert hashlib.sha256(picture).hexdigest() == row["sha256"]
print(
    f"{release.name}@{release.version}: {row['sha256'][:12]} is {len(picture)} bytes, f/{row['f_number']}"
)
for setting, splits in release.manifest["class_counts"].items():
    print(setting, splits["train"])
