"""Types of `import safelight` for type checkers: a single module cannot say itself that it has them (PEP 561)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from catalog import (
    SafelightError as SafelightError,
    Workspace as Workspace,
    load as load,
    sql as sql,
)
from curation import similar as similar
from training.data.dataset import dataset as dataset
from training.data.loader import loader as loader

cli: click.Group

def main(arguments: Sequence[str] | None = None) -> None: ...
def predict(
    model_id: str,
    files: str | Path | Sequence[str | Path],
    workspace: Workspace | str | Path | None = None,
) -> list[dict[str, Any]]: ...
