"""The statements behind the report's links: everything of which the report shows a few examples."""

from typing import Final

DECISIONS: Final = (
    "SELECT asset_sha256, rule, reason, setting, evidence FROM decisions\n"
    "WHERE run_id = $1 AND decision = $2 AND reason = $3 ORDER BY asset_sha256"
)
ISSUES: Final = (
    "SELECT asset_sha256, severity, detail FROM issues\n"
    "WHERE run_id = $1 AND kind = $2 ORDER BY severity DESC, asset_sha256"
)
IMPLAUSIBLE: Final = (
    "SELECT asset_sha256, severity, detail FROM issues JOIN curated_items c USING (asset_sha256)\n"
    "WHERE c.run_id = $1 AND kind = 'implausible_settings'\n"
    "QUALIFY row_number() OVER (PARTITION BY asset_sha256, detail ORDER BY created_at) = 1\n"
    "ORDER BY severity DESC, asset_sha256"
)
GROUP: Final = (
    "SELECT asset_sha256, is_keeper, method, similarity FROM duplicate_groups\n"
    "WHERE run_id = $1 AND group_id = $2 ORDER BY is_keeper DESC, similarity, asset_sha256"
)
GROUPS: Final = (
    "SELECT group_id, asset_sha256, is_keeper, method, similarity,\n"
    "  count(*) OVER (PARTITION BY group_id) AS members FROM duplicate_groups\n"
    "WHERE run_id = $1 ORDER BY min(similarity) OVER (PARTITION BY group_id) NULLS LAST, group_id, is_keeper DESC"
)
