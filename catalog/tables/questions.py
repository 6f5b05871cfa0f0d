"""The questions that analysts ask first, as SQL that runs on any workspace.

A question without parameters given answers for the newest thing there is: crawl, run, release or model.
Parameters are DuckDB's named ones (`$name`); null means "the newest" or "all".
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Parameter:
    """A named parameter of a question; `default` is null when it means the newest, or all."""

    name: str
    about: str
    default: str | int | None = None


@dataclass(frozen=True)
class Question:
    """A saved query: what it asks, the SQL, and in one line how its rows answer."""

    name: str
    title: str
    sql: str
    answer: str
    parameters: tuple[Parameter, ...] = ()


_ROWS = Parameter("rows", "how many rows to show", 50)
_DATASET = Parameter("dataset", "name of the dataset; empty for the newest")
_VERSION = Parameter("version", "version of the dataset; empty for the newest")

_RELEASE = (
    "release AS (SELECT dataset, version FROM datasets "
    "WHERE ($dataset IS NULL OR dataset = $dataset) AND ($version IS NULL OR version = $version) "
    "ORDER BY created_at DESC, version DESC LIMIT 1)"
)
_LATEST_RUN = "run AS (SELECT run_id FROM v_runs WHERE is_current)"

_LISTED = (
    Question(
        "last_crawl",
        "What did the last crawl bring, and why did the rest fail?",
        """WITH crawl AS (
  SELECT crawl_id, started_at, finished_at FROM crawls ORDER BY finished_at DESC LIMIT 1
), ended AS (
  SELECT f.* FROM fetches f JOIN crawl c ON f.crawl_id = c.crawl_id AND f.fetched_at >= c.started_at
  QUALIFY row_number() OVER (PARTITION BY f.photo_id ORDER BY f.attempt DESC, f.fetched_at DESC) = 1
)
SELECT outcome, error_class, error, count(*) AS photos, count(*) / sum(count(*)) OVER () AS share,
       sum(bytes) AS bytes, any_value(url) AS example
FROM ended GROUP BY outcome, error_class, error ORDER BY photos DESC, outcome, error""",
        "Each photo of the last session counts once, by how its last attempt ended.",
    ),
    Question(
        "yield_by_source",
        "How much does each source yield?",
        """WITH listed AS (
  SELECT source, count(DISTINCT photo_id) AS photos, count(DISTINCT asset_sha256) AS files,
         count(*) FILTER (training_allowed) AS may_train FROM v_all_photos GROUP BY source
), kept AS (
  SELECT source, count(*) AS kept FROM curated_items
  WHERE run_id = (SELECT run_id FROM v_runs WHERE is_current)
  GROUP BY source
)
SELECT source, photos, files, coalesce(kept, 0) AS kept, coalesce(kept, 0) / nullif(files, 0) AS kept_share,
       may_train
FROM listed LEFT JOIN kept USING (source) ORDER BY photos DESC, source""",
        "`kept_share` is the share of a source's files that the newest curation run kept.",
    ),
    Question(
        "missing_exif",
        "Which settings are missing, by source and camera?",
        """SELECT p.source, coalesce(e.camera, 'unknown') AS camera, count(*) AS photos,
       avg((e.f_number IS NULL)::INT) AS f_number_missing_share, avg((e.iso IS NULL)::INT) AS iso_missing_share,
       avg((e.exposure_time IS NULL)::INT) AS exposure_time_missing_share
FROM photos p LEFT JOIN v_exif e USING (asset_sha256) WHERE p.asset_sha256 IS NOT NULL
GROUP BY p.source, coalesce(e.camera, 'unknown') ORDER BY photos DESC, source, camera LIMIT $rows""",
        "A share of 1 means that no file of that camera states the setting.",
        (_ROWS,),
    ),
    Question(
        "class_balance",
        "How many pictures are in each bin, before and after rebalancing?",
        f"""WITH {_LATEST_RUN}, bins AS (
  SELECT 'f_number' AS setting, f_number_bin AS bin, split, weight FROM curated_items SEMI JOIN run USING (run_id)
  UNION ALL
  SELECT 'iso', iso_bin, split, weight FROM curated_items SEMI JOIN run USING (run_id)
  UNION ALL
  SELECT 'exposure_time', exposure_time_bin, split, weight FROM curated_items SEMI JOIN run USING (run_id)
)
SELECT setting, CASE bin WHEN 0 THEN 'low' WHEN 1 THEN 'medium' ELSE 'high' END AS class,
       count(*) AS pictures, count(*) FILTER (split = 'train') AS in_training,
       count(*) FILTER (split = 'train') / sum(count(*) FILTER (split = 'train')) OVER (PARTITION BY setting)
         AS share_before,
       sum(weight) FILTER (split = 'train') / sum(sum(weight) FILTER (split = 'train')) OVER (PARTITION BY setting)
         AS share_after
FROM bins WHERE bin IS NOT NULL GROUP BY setting, bin ORDER BY setting, bin""",
        "`share_after` weighs the training pictures with their sampling weight; even classes have 1/3 each.",
    ),
    Question(
        "largest_groups",
        "Which duplicate groups are the largest?",
        f"""WITH {_LATEST_RUN}
SELECT g.group_id, count(*) AS members, min(g.similarity) AS least_similar,
       any_value(g.asset_sha256) FILTER (g.is_keeper) AS asset_sha256,
       list(DISTINCT g.method ORDER BY g.method) AS methods
FROM duplicate_groups g SEMI JOIN run USING (run_id)
GROUP BY g.group_id HAVING count(*) > 1 ORDER BY members DESC, group_id LIMIT $rows""",
        "`asset_sha256` is the picture that the newest run keeps of each group.",
        (_ROWS,),
    ),
    Question(
        "dropped_by_rule",
        "Which pictures were dropped, and by which rule?",
        f"""WITH {_LATEST_RUN}
SELECT decision, rule, reason, setting, count(*) AS decisions, count(DISTINCT asset_sha256) AS pictures,
       min(asset_sha256) AS asset_sha256
FROM decisions SEMI JOIN run USING (run_id)
GROUP BY decision, rule, reason, setting ORDER BY pictures DESC, rule, reason""",
        "One line a rule and reason of the newest run; `asset_sha256` shows one example.",
    ),
    Question(
        "changes",
        "What changed between two versions of a dataset?",
        """WITH named AS (
  SELECT dataset, version, row_number() OVER (ORDER BY created_at DESC, version DESC) AS age FROM datasets
  WHERE dataset = coalesce($dataset, (SELECT dataset FROM datasets ORDER BY created_at DESC LIMIT 1))
), new AS (
  SELECT i.* FROM dataset_items i JOIN named n USING (dataset, version)
  WHERE CASE WHEN $new IS NULL THEN n.age = 1 ELSE n.version = $new END
), old AS (
  SELECT i.* FROM dataset_items i JOIN named n USING (dataset, version)
  WHERE CASE WHEN $old IS NULL THEN n.age = 2 ELSE n.version = $old END
)
SELECT CASE WHEN o.asset_sha256 IS NULL THEN 'added' WHEN n.asset_sha256 IS NULL THEN 'removed' ELSE 'moved' END
         AS change,
       o.split AS old_split, n.split AS new_split, count(*) AS pictures,
       min(coalesce(n.asset_sha256, o.asset_sha256)) AS asset_sha256
FROM old o FULL JOIN new n USING (asset_sha256)
WHERE o.asset_sha256 IS NULL OR n.asset_sha256 IS NULL OR o.split <> n.split
GROUP BY ALL ORDER BY change, old_split, new_split""",
        "No row means that both versions hold the same pictures in the same splits.",
        (
            _DATASET,
            Parameter("old", "older version; empty for the last but one"),
            Parameter("new", "newer version; empty for the newest"),
        ),
    ),
    Question(
        "label_disagreement",
        "On which subjects do the sources of labels disagree?",
        """SELECT subject_kind, subject_id, task, count(DISTINCT value) AS answers,
       list(value || ' (' || label_source || ')' ORDER BY label_source, value) AS statements,
       any_value(CASE subject_kind WHEN 'asset' THEN subject_id END) AS asset_sha256
FROM labels GROUP BY subject_kind, subject_id, task HAVING count(DISTINCT value) > 1
ORDER BY answers DESC, task, subject_id LIMIT $rows""",
        "Each line is one subject about which at least two different answers stand in the catalog.",
        (_ROWS,),
    ),
    Question(
        "worst_errors",
        "Where is a model most wrong?",
        """WITH model AS (
  SELECT model_id FROM models WHERE $model IS NULL OR model_id = $model ORDER BY trained_at DESC LIMIT 1
)
SELECT p.asset_sha256, p.task, p.split, p.target,
       list_position(p.probabilities, list_max(p.probabilities)) - 1 AS answer,
       list_max(p.probabilities) AS confidence, p.nll, p.model_id,
       coalesce(json_keys(p.answer, '$.probabilities'), ['low', 'medium', 'high'])[p.target + 1] AS true_class,
       p.answer ->> '$.class' AS predicted_class,
       CASE WHEN p.probabilities IS NULL THEN p.target_value END AS true_value,
       CASE WHEN p.probabilities IS NULL THEN p.value END AS predicted_value,
       abs(predicted_value - true_value) AS error
FROM predictions p SEMI JOIN model USING (model_id)
WHERE p.target IS NOT NULL OR p.target_value IS NOT NULL
ORDER BY coalesce(p.nll, error / avg(error) OVER (PARTITION BY p.task)) DESC, p.asset_sha256, p.task LIMIT $rows""",
        "`nll` is the negative logarithm of the probability of the true class; `error` is in the unit of the value.",
        (Parameter("model", "model_id; empty for the newest"), _ROWS),
    ),
    Question(
        "photographer_uses",
        "Where is the work of one photographer used?",
        """WITH work AS (
  SELECT DISTINCT photographer, asset_sha256 FROM photos
  WHERE asset_sha256 IS NOT NULL AND photographer = coalesce($photographer,
    (SELECT photographer FROM photos WHERE photographer IS NOT NULL GROUP BY photographer
     ORDER BY count(*) DESC, photographer LIMIT 1))
)
SELECT w.photographer, w.asset_sha256, i.dataset, i.version, i.split, m.model_id
FROM work w LEFT JOIN dataset_items i USING (asset_sha256)
LEFT JOIN models m ON m.dataset = i.dataset AND m.version = i.version
ORDER BY w.asset_sha256, i.dataset, i.version, m.model_id""",
        "Lines without a dataset are pictures that no release holds; models are those trained on the release.",
        (Parameter("photographer", "name as the source gives it; empty for the most frequent"),),
    ),
    Question(
        "licence_mix",
        "Under which licences are the pictures of a release?",
        f"""WITH {_RELEASE}, items AS (
  SELECT asset_sha256 FROM dataset_items SEMI JOIN release USING (dataset, version)
), carried AS (
  SELECT DISTINCT asset_sha256, source, licence, training_allowed FROM v_all_photos SEMI JOIN items USING (asset_sha256)
)
SELECT source, coalesce(licence, 'not stated') AS licence, training_allowed, count(*) AS pictures,
       count(*) / sum(count(*)) OVER () AS share
FROM carried GROUP BY ALL ORDER BY pictures DESC, source, licence""",
        "A picture that two sources list under two licences counts once for each.",
        (_DATASET, _VERSION),
    ),
)

QUESTIONS = {question.name: question for question in _LISTED}
"""Name -> question, in the order in which people ask."""
