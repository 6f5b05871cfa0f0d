"""Hash the pictures of `pdq_pictures.py` with the reference implementation; see README.md beside this file."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pdqhash

from tests.curation.similarity.pdq_pictures import Picture, pictures


def vectors(picture: Picture) -> dict[str, Any]:
    """Give the hash of a picture and those of its 8 orientations, as hex with the highest bit first."""
    bits, quality = pdqhash.compute(picture)
    turned, _ = pdqhash.compute_dihedral(picture)
    return {
        "sha256": hashlib.sha256(picture.tobytes()).hexdigest(),
        "hash": _hex(bits),
        "quality": quality,
        "orientations": [_hex(each) for each in turned],
    }


def _hex(bits: np.ndarray) -> str:
    return np.packbits(bits.astype(np.uint8)).tobytes().hex()


if __name__ == "__main__":
    found = {name: vectors(picture) for name, picture in pictures().items()}
    written = {"made_by": f"pdqhash {version('pdqhash')}", "vectors": found}
    path = Path(__file__).with_name("vectors.json")
    path.write_text(json.dumps(written, indent=1) + "\n", "utf-8")
