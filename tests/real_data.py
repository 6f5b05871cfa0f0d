"""Where real photographs lie when a developer has them; tests that need them skip without.

The folder is named by SAFELIGHT_TEST_DATA (default: `shared/data` beside the checkout). Nothing in
it may be copied into this repository.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from tarfile import open as open_tar

import pytest

_REPO = Path(__file__).resolve().parents[1]
REAL = Path(os.environ.get("SAFELIGHT_TEST_DATA", _REPO.parent / "shared" / "data"))


def needs(name: str) -> pytest.MarkDecorator:
    """Skip a test, with the reason, when `name` is missing below the real data.

    >>> needs("photos/truth.csv").name
    'skipif'
    """
    missing = not (REAL / name).exists()
    return pytest.mark.skipif(missing, reason=f"real data {name} not found below {REAL}")


def members(*archives: str, every: int = 1) -> Iterator[tuple[str, bytes]]:
    """Give (file name, bytes) of every n-th file of plain tar archives below the real data."""
    for archive in archives:
        with open_tar(REAL / archive) as tar:
            for entry in [entry for entry in tar if entry.isfile()][::every]:
                stream = tar.extractfile(entry)
                if stream is not None:
                    yield Path(entry.name).name, stream.read()
