"""Read the training pictures of a release: labels from its index, bytes from its shards."""

import hashlib
import os
import sys

import safelight

HOME = os.environ.get("SAFELIGHT_HOME", "workspace")
NAME = "demo"

try:
    training_pictures = safelight.load(NAME, split="train", workspace=HOME)
except safelight.SafelightError as error:
    sys.exit(f"{error}; run first: python3 dev.py demo")
with training_pictures as pictures:
    labelled = pictures.index.drop_nulls("iso")
    print(f"{len(pictures)} pictures, median ISO {labelled['iso'].median()}")
    for row, body in pictures:
        assert hashlib.sha256(body).hexdigest() == row["asset_sha256"]
    first = pictures.image(0)
    print(f"the first is {first.width} x {first.height} px, licence {pictures.index['licence'][0]}")
