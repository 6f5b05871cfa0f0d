"""What waits for a person: issues that nobody has decided about yet, the worst first."""

import json
from dataclasses import dataclass
from datetime import datetime

from catalog import Catalog

_OPEN = "SELECT * FROM v_open_issues ORDER BY severity DESC, kind, created_at, issue_id"
_SHOWN = 80  # characters of a detail


@dataclass(frozen=True)
class OpenItem:
    """One issue of one picture; `severity` from 0 (look when there is time) to 1 (surely wrong)."""

    issue_id: str
    kind: str
    severity: float
    asset_sha256: str
    detail: dict[str, object]
    created_at: datetime

    def said(self) -> str:
        """Put the detail into a few words."""
        parts = (f"{name} {_short(value)}" for name, value in self.detail.items())
        return ", ".join(parts)[:_SHOWN]


def open_items(catalog: Catalog, kind: str = "") -> list[OpenItem]:
    """List the open issues of the catalog (of one kind if named), the most severe first."""
    return [
        OpenItem(
            str(row["issue_id"]),
            str(row["kind"]),
            float(str(row["severity"] or 0)),
            str(row["asset_sha256"]),
            _object(row["detail"]),
            row["created_at"],  # type: ignore[arg-type]  # the contract says timestamp
        )
        for row in catalog.records(_OPEN)
        if kind in ("", row["kind"])
    ]


def _object(text: object) -> dict[str, object]:
    found = json.loads(str(text)) if text else {}
    return found if isinstance(found, dict) else {"detail": found}


def _short(value: object) -> str:
    if isinstance(value, list):
        return " ".join(_short(each) for each in value)
    if isinstance(value, float):
        return f"{value:.3g}"
    text = str(value)
    return text[:8] if len(text) == 64 else text
