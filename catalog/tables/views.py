"""Views over the fact tables: the current state, and the questions analysts ask first.

Name -> (what one row is, SQL). They are stored in the lake, so every client sees them.
"""

_LATEST_RUN = "(SELECT run_id FROM v_runs WHERE is_current)"

# The last word counts: an undo can be undone.
_LAST_WORDS = (
    "(SELECT undoes, arg_max(decision, decided_at) AS word, max(decided_at) AS said_at "
    "FROM decisions WHERE undoes IS NOT NULL GROUP BY undoes)"
)


def _first(column: str) -> str:
    """Take the file's value where it has one, else the API's."""
    return f"first({column} ORDER BY exif_source <> 'file') FILTER (WHERE {column} IS NOT NULL) AS {column}"


_LAST_ACTIONS = (
    "(SELECT undoes, arg_max(action, recorded_at) AS action FROM rights "
    "WHERE undoes IS NOT NULL GROUP BY undoes)"
)


def _newest(value: str, known: str = "") -> str:
    """Take the value of the newest statement that gives one."""
    return f"arg_max({value}, recorded_at) FILTER ({known or value} IS NOT NULL) AS {value}"


_EXIF_COLUMNS = (
    "camera make model lens software f_number iso exposure_time focal_mm orientation taken_at "
    "exif_width exif_height"
)

_TRUST = (
    "list_position(['person', 'exif', 'api', 'dataset', 'votes', 'folder_name', 'filename', 'estimated'], "
    "label_source), confidence DESC NULLS LAST, value"
)

# An error of a value counts in units of the mean error of its model and head, so that heads of different units add up.
_ERRORS = (
    "SELECT e.*, abs(e.value - e.target_value) / nullif(m.mean_abs, 0) AS error FROM predictions e LEFT JOIN "
    "(SELECT model_id, task, avg(abs(value - target_value)) AS mean_abs FROM predictions "
    "WHERE probabilities IS NULL GROUP BY model_id, task) m "
    "ON m.model_id = e.model_id AND m.task = e.task AND e.probabilities IS NULL"
)

# What most people say about a picture; without a majority nothing.
_OF_PEOPLE = (
    "SELECT 'asset' AS subject_kind, asset_sha256 AS subject_id, task, value, 'person' AS label_source, "
    "n / sum(n) OVER (PARTITION BY asset_sha256, task) AS confidence FROM "
    "(SELECT asset_sha256, task, value, count(*) AS n FROM v_judgements GROUP BY ALL) "
    "QUALIFY rank() OVER (PARTITION BY asset_sha256, task ORDER BY n DESC) = 1 "
    "AND count(*) OVER (PARTITION BY asset_sha256, task, n) = 1"
)
_STATEMENTS = (
    "(SELECT subject_kind, subject_id, task, value, label_source, confidence FROM labels "
    f"UNION ALL {_OF_PEOPLE})"
)

VIEWS: dict[str, tuple[str, str]] = {
    "v_exif": (
        "one file's EXIF: each value from the file, else from the source's API",
        f"SELECT asset_sha256, {', '.join(_first(name) for name in _EXIF_COLUMNS.split())} "
        "FROM exif WHERE asset_sha256 IS NOT NULL GROUP BY asset_sha256",
    ),
    "v_rights": (
        "one photo of which people recorded rights: each value as said last and not taken back",
        f"SELECT photo_id, asset_sha256, {_newest('licence')}, {_newest('attribution')}, "
        f"{_newest('training_allowed')}, {_newest('training_basis', 'training_allowed')}, "
        "max(recorded_at) AS rights_at, arg_max(recorded_by, recorded_at) AS rights_by "
        f"FROM rights r LEFT JOIN {_LAST_ACTIONS} s ON s.undoes = r.statement_id "
        "WHERE r.action = 'record' AND s.action IS DISTINCT FROM 'undo' GROUP BY photo_id, asset_sha256",
    ),
    "v_all_photos": (
        "one row of photos, superseded ones too, with licence, attribution and training permission as they hold now",
        "SELECT p.* REPLACE (coalesce(r.licence, p.licence) AS licence, "
        "coalesce(r.attribution, p.attribution) AS attribution, "
        "coalesce(r.training_allowed, p.training_allowed) AS training_allowed, "
        "CASE WHEN r.training_allowed IS NULL THEN p.training_basis ELSE r.training_basis END AS training_basis), "
        "r.rights_at, r.rights_by FROM photos p LEFT JOIN v_rights r "
        "ON r.photo_id = p.photo_id AND r.asset_sha256 IS NOT DISTINCT FROM p.asset_sha256",
    ),
    "v_photos": (
        "one photo as it is now, with its file and its EXIF",
        "SELECT p.*, a.format, a.width, a.height, a.bytes, a.header_status, a.jpeg_quality, "
        "e.* EXCLUDE (asset_sha256) FROM (SELECT * FROM v_all_photos QUALIFY row_number() OVER "
        # Two folders may hold files of one name: there the crawl tells them apart.
        "(PARTITION BY photo_id, CASE source WHEN 'folder' THEN crawl_id END "
        "ORDER BY fetched_at DESC, asset_sha256) = 1) p "
        "JOIN assets a ON a.sha256 = p.asset_sha256 "
        "LEFT JOIN v_exif e ON e.asset_sha256 = p.asset_sha256",
    ),
    "v_listed": (
        "one photo that is known by its listing only, with the EXIF that its source states",
        "SELECT p.* EXCLUDE (asset_sha256), e.* EXCLUDE (asset_sha256, photo_id) FROM v_all_photos p "
        "LEFT JOIN exif e ON e.photo_id = p.photo_id AND e.asset_sha256 IS NULL "
        "WHERE p.asset_sha256 IS NULL "
        "AND NOT EXISTS (FROM photos q WHERE q.photo_id = p.photo_id AND q.asset_sha256 IS NOT NULL)",
    ),
    "v_bursts": (
        "one photo with its trip (pauses under 1 h) and burst (pauses up to 3 s) by folder, camera and time taken",
        "SELECT photo_id, asset_sha256, folder, camera, taken_at, "
        "dense_rank() OVER (ORDER BY folder, camera, trip) AS trip_id, "
        "dense_rank() OVER (ORDER BY folder, camera, burst) AS burst_id FROM ("
        "SELECT *, count(*) FILTER (pause IS NULL OR pause > INTERVAL 1 HOUR) OVER w AS trip, "
        "count(*) FILTER (pause IS NULL OR pause > INTERVAL 3 SECOND) OVER w AS burst FROM ("
        "SELECT photo_id, asset_sha256, folder, camera, taken_at, taken_at - lag(taken_at) OVER "
        "(PARTITION BY folder, camera ORDER BY taken_at, photo_id) AS pause "
        "FROM v_photos WHERE taken_at IS NOT NULL) "
        "WINDOW w AS (PARTITION BY folder, camera ORDER BY taken_at, photo_id))",
    ),
    "v_runs": (
        "one curation run that nobody has taken back; the newest, or the last that was chosen again, is current",
        "SELECT r.*, greatest(r.finished_at, s.said_at) AS current_since, "
        "row_number() OVER (ORDER BY greatest(r.finished_at, s.said_at) DESC, r.run_id) = 1 AS is_current "
        f"FROM curation_runs r LEFT JOIN {_LAST_WORDS} s ON s.undoes = r.run_id "
        "WHERE s.word IS DISTINCT FROM 'undo'",
    ),
    "v_manual_decisions": (
        "one picture in one decision of a person that nobody has taken back",
        "SELECT d.run_id AS decision_id, d.decision, d.asset_sha256, d.rule, d.reason, d.evidence, d.decided_by, "
        "d.decided_at, d.group_id, d.about_run "
        f"FROM decisions d LEFT JOIN {_LAST_WORDS} s ON s.undoes = d.run_id "
        "WHERE d.decided_at IS NOT NULL AND d.undoes IS NULL AND s.word IS DISTINCT FROM 'undo'",
    ),
    "v_open_issues": (
        "one issue that waits for a person: no decision in force names its picture, its run was not taken back",
        "SELECT i.* FROM issues i "
        "WHERE i.asset_sha256 NOT IN (SELECT asset_sha256 FROM v_manual_decisions WHERE asset_sha256 IS NOT NULL) "
        "AND (i.run_id IS NULL OR i.run_id IN (SELECT run_id FROM v_runs))",
    ),
    "v_funnel": (
        "one step of the way from an address to a released picture, in order, with its count",
        "SELECT 1 AS step, 'photos fetched' AS name, count(asset_sha256) AS n FROM photos UNION ALL "
        "SELECT 2, 'distinct files', count(*) FROM assets UNION ALL "
        f"SELECT 3, 'decoded', count(DISTINCT asset_sha256) FROM health WHERE decode_status = 'ok' UNION ALL "
        f"SELECT 4, 'kept by curation', count(*) FROM curated_items WHERE run_id = {_LATEST_RUN} UNION ALL "
        "SELECT 5, 'in the newest release', coalesce((SELECT n_items FROM datasets "
        "ORDER BY created_at DESC LIMIT 1), 0) "
        "ORDER BY step",
    ),
    "v_exif_bins": (
        "one class of one setting in one split of the newest curation run",
        " UNION ALL ".join(
            f"SELECT '{name}' AS setting, CASE {name}_bin WHEN 0 THEN 'low' WHEN 1 THEN 'medium' WHEN 2 THEN 'high' "
            f"ELSE 'missing' END AS class, split, count(*) AS n, sum(weight) AS weight "
            f"FROM curated_items WHERE run_id = {_LATEST_RUN} GROUP BY ALL"
            for name in ("f_number", "iso", "exposure_time")
        ),
    ),
    "v_class_balance": (
        "one class of one setting of one release, as counted and as weighted",
        "SELECT dataset, version, task AS setting, class, split, n, "
        "n / sum(n) OVER (PARTITION BY dataset, version, task, split) AS share, weight_share "
        "FROM dataset_stats",
    ),
    "v_duplicates": (
        "one member of one duplicate group of the newest curation run, with its keeper",
        "SELECT d.group_id, d.asset_sha256, d.is_keeper, d.method, d.similarity, "
        "first_value(d.asset_sha256) OVER "
        "(PARTITION BY d.group_id ORDER BY NOT d.is_keeper, d.asset_sha256) AS keeper, "
        f"count(*) OVER (PARTITION BY d.group_id) AS members FROM duplicate_groups d WHERE d.run_id = {_LATEST_RUN}",
    ),
    "v_decisions": (
        "one reason of the newest curation run and how many pictures it touched",
        "SELECT decision, reason, count(*) AS n FROM decisions "
        f"WHERE run_id = {_LATEST_RUN} GROUP BY ALL",
    ),
    "v_judgements": (
        "one picture, task and person: the label that the person gave last and did not take back",
        "SELECT * EXCLUDE (undoes) FROM judgements WHERE undoes IS NULL AND judgement_id NOT IN "
        "(SELECT undoes FROM judgements WHERE undoes IS NOT NULL) QUALIFY row_number() OVER "
        "(PARTITION BY task, asset_sha256, judged_by ORDER BY judged_at DESC, judgement_id) = 1",
    ),
    "v_labels": (
        "one subject and task: the answer of the most trusted source, and whether the others agree",
        "SELECT subject_kind, subject_id, task, "
        f"first(value ORDER BY {_TRUST}) AS value, first(label_source ORDER BY {_TRUST}) AS label_source, "
        f"first(confidence ORDER BY {_TRUST}) AS confidence, count(*) AS statements, "
        "CASE WHEN bool_or(label_source = 'person') THEN 1 ELSE count(DISTINCT value) END AS answers "
        f"FROM {_STATEMENTS} GROUP BY subject_kind, subject_id, task",
    ),
    "v_uses": (
        "one picture in one release, with each model that was trained on that release",
        "SELECT i.asset_sha256, i.dataset, i.version, i.split, i.group_id, r.reason AS revoked, m.model_id, m.recipe "
        "FROM dataset_items i LEFT JOIN models m ON m.dataset = i.dataset AND m.version = i.version "
        "LEFT JOIN revocations r ON r.dataset = i.dataset AND r.version = i.version",
    ),
    "v_licences": (
        "one licence of one source and how many photos carry it",
        "SELECT source, licence, training_allowed, training_basis, count(*) AS n FROM v_all_photos GROUP BY ALL",
    ),
    "v_errors_by_host": (
        "one kind of failure at one host",
        "SELECT host, error_class, error, count(*) AS n, max(fetched_at) AS last_seen "
        "FROM fetches WHERE outcome = 'failed' GROUP BY ALL",
    ),
    "v_leaderboard": (
        "one predictor's main figure on one head, all slices together, best first",
        "SELECT task, split, predictor, metric, value, low, high, n, n_groups, model_id, dataset, version FROM metrics "
        "WHERE metric IN ('balanced_accuracy', 'mae', 'recall_at_precision_0.9') AND slice = 'all' "
        "ORDER BY task, split, metric, CASE metric WHEN 'mae' THEN value ELSE -value END",
    ),
    "v_worst_predictions": (
        "one picture and how badly one model reads it, worst first",
        "SELECT q.model_id, q.asset_sha256, avg(q.nll) AS mean_nll, count(coalesce(q.nll, q.error)) AS heads, "
        "any_value(p.page_url) AS page_url, avg(q.error) AS mean_error "
        f"FROM ({_ERRORS}) q LEFT JOIN photos p USING (asset_sha256) "
        "GROUP BY q.model_id, q.asset_sha256 HAVING count(coalesce(q.nll, q.error)) > 0 "
        "ORDER BY avg(coalesce(q.nll, q.error)) DESC",
    ),
}

_RIGHTS = {
    "rights_at": "when a person last recorded rights of it (table rights), UTC; null if nobody did",
    "rights_by": "who last recorded rights of it; null if nobody did",
}

COLUMNS: dict[str, dict[str, str]] = {
    **dict.fromkeys(("v_rights", "v_all_photos", "v_photos", "v_listed"), _RIGHTS),
    "v_bursts": {
        "trip_id": "number of the trip: photos of one folder and camera with pauses under 1 h",
        "burst_id": "number of the burst: photos of one folder and camera with pauses up to 3 s",
    },
    "v_runs": {
        "current_since": "when it was finished or chosen again, UTC",
        "is_current": "whether the other views show this run; true for one",
    },
    "v_manual_decisions": {"decision_id": "name of the decision: manual:..."},
    "v_funnel": {
        "step": "order of the step",
        "name": "what is counted",
        "n": "how many came this far",
    },
    "v_exif_bins": {
        "setting": "f_number, iso or exposure_time",
        "class": "low, medium, high or missing",
        "n": "pictures of the class in the split",
        "weight": "sum of their sampling weights",
    },
    "v_class_balance": {
        "setting": "f_number, iso or exposure_time",
        "share": "share of the split's pictures, 0 to 1",
    },
    "v_duplicates": {
        "keeper": "asset_sha256 of the member that curation keeps",
        "members": "pictures in the group",
    },
    "v_decisions": {"n": "pictures that the reason touched"},
    "v_labels": {
        "statements": "statements about the subject and task",
        "answers": "different values among them; 1 when all agree, or when people have decided",
    },
    "v_uses": {"revoked": "why the release was revoked; null when it was not"},
    "v_licences": {"n": "photos that carry it"},
    "v_errors_by_host": {
        "n": "failed attempts",
        "last_seen": "when it happened last, UTC",
    },
    "v_worst_predictions": {
        "mean_nll": "mean over the heads of classes of -log(probability of the truth)",
        "heads": "heads whose truth is known",
        "mean_error": "mean over the heads of values of the error; 1 is the mean error of the model",
    },
}
"""View -> column -> meaning, for columns that no table has under this name (see `describe.py`)."""
