"""Column contracts of the catalog tables: names, types, meanings, units and keys live here and nowhere else.

Types are those that DuckLake, polars and Iceberg readers share: no unsigned and no 8- or 16-bit integers.
Times are UTC without a zone. Every fact table is append-only; `key` says which columns make a row
unique, and the committing process drops rows whose key is already there.
"""

from dataclasses import dataclass

import pyarrow as pa

TEXT, FLAG, COUNT, BIG, REAL = pa.string(), pa.bool_(), pa.int32(), pa.int64(), pa.float64()
MOMENT = pa.timestamp("us")
TEXTS, REALS, VECTOR = pa.list_(pa.string()), pa.list_(pa.float64()), pa.list_(pa.float32())


def column(name: str, kind: pa.DataType, meaning: str, unit: str = "") -> pa.Field:
    """Describe one column; `meaning` and `unit` travel with the Parquet file."""
    return pa.field(name, kind, metadata={"meaning": meaning, "unit": unit})


@dataclass(frozen=True)
class Table:
    """A catalog table: its name, what one row is, the columns that make a row unique, its columns."""

    name: str
    meaning: str
    key: tuple[str, ...]
    schema: pa.Schema

    @property
    def asset_columns(self) -> tuple[str, ...]:
        """Columns that name a file by the SHA-256 of its bytes: its rows go when the file goes."""
        own = ("sha256",) if self.name == "assets" else ()
        return (*own, *(name for name in self.schema.names if name in _ASSET_COLUMNS))

    @property
    def photo_columns(self) -> tuple[str, ...]:
        """Columns that name a photo by its `photo_id`: its rows go when the photo goes."""
        return tuple(name for name in self.schema.names if name == "photo_id")


_ASSET_COLUMNS = ("asset_sha256", "asset_a", "asset_b")

SHA = column("asset_sha256", TEXT, "SHA-256 of the original bytes, hex; names the bytes everywhere")
RUN = column("run_id", TEXT, "curation run that wrote the row")


def _table(name: str, meaning: str, key: str, *columns: pa.Field) -> Table:
    return Table(name, meaning, tuple(key.split()), pa.schema(columns))


_TABLES = (
    _table(
        "crawls",
        "one session of a crawl: a run, a resume or a retry, written when it ends",
        "crawl_id started_at",
        column(
            "crawl_id", TEXT, "hash of the source and its settings: the same order has the same id"
        ),
        column("source", TEXT, "source that was crawled: unsplash, folder ..."),
        column("config_json", TEXT, "settings of the source as JSON, without secrets"),
        column("code_version", TEXT, "version of safelight that ran"),
        column("started_at", MOMENT, "start of the session, UTC"),
        column("finished_at", MOMENT, "end of the session, UTC"),
        column("status", TEXT, "finished, stopped (asked to) or failed (see the log)"),
        column("n_listed", BIG, "photos that discovery listed in this session, old and new"),
        column("n_done", BIG, "pictures brought in by this session"),
        column("n_failed", BIG, "pictures that ended as an error row in this session"),
        column("robots_policy", TEXT, "what was done about robots.txt: obeyed or not_applicable"),
    ),
    _table(
        "fetches",
        "one ended attempt to bring in the bytes of one photo, good or bad",
        "fetch_id",
        column("fetch_id", TEXT, "hash of crawl, photo and attempt"),
        column("crawl_id", TEXT, "crawl that fetched"),
        column("photo_id", TEXT, "photo whose bytes were wanted"),
        column(
            "url", TEXT, "address asked for, without secrets; a path below the folder for folders"
        ),
        column("host", TEXT, "host part of the address; empty for folders"),
        column("attempt", COUNT, "1 for the first try"),
        column("http_status", COUNT, "status of the last answer; null without one"),
        column(
            "outcome",
            TEXT,
            "done, failed, unchanged (the server said 304) or repeat (bytes that the source gave before)",
        ),
        column(
            "error_class", TEXT, "transient (may work later), final or suspicious; null when done"
        ),
        column("error", TEXT, "error as a snake_case word: timeout, not_an_image, http_404 ..."),
        column("error_detail", TEXT, "what the error said"),
        column("fetched_at", MOMENT, "end of the attempt, UTC"),
        column("duration_ms", REAL, "time from the request to the last byte", "ms"),
        column("bytes", BIG, "size of the body", "byte"),
        column("content_type", TEXT, "Content-Type as the server claims it"),
        column("etag", TEXT, "ETag of the answer"),
        column("modified", TEXT, "Last-Modified of the answer"),
        SHA,
    ),
    _table(
        "segments",
        "the ledger of committed segments: makes a replayed commit a no-op",
        "segment_id",
        column("segment_id", TEXT, "content hash of the segment"),
        column("job", TEXT, "job that wrote it: crawl:ID, curate:ID, train:ID"),
        column("rows", BIG, "rows it held over all tables"),
        column("committed_at", MOMENT, "when it was committed, UTC"),
    ),
    _table(
        "assets",
        "one row per distinct file: the bytes, where they lie and what their header says",
        "sha256",
        column("sha256", TEXT, "SHA-256 of the original bytes, hex"),
        column("bytes", BIG, "size", "byte"),
        column("mime", TEXT, "media type found in the bytes, not claimed by the server"),
        column("format", TEXT, "JPEG, PNG, WEBP, TIFF ..."),
        column("width", COUNT, "stored width before orientation; null if unreadable", "px"),
        column("height", COUNT, "stored height before orientation; null if unreadable", "px"),
        column("header_status", TEXT, "ok, truncated (no end mark) or unreadable"),
        column("header_detail", TEXT, "what the reader said when the header is not ok"),
        column(
            "jpeg_quality",
            COUNT,
            "quality estimated from the quantisation tables; null if not JPEG",
        ),
        column("duration_s", REAL, "length of a sound; null for pictures", "s"),
        column("sample_rate", COUNT, "samples a second of a sound; null for pictures", "Hz"),
        column("channels", COUNT, "channels of a sound; null for pictures"),
        column("first_seen", MOMENT, "when the bytes first came in, UTC"),
        column("pack", TEXT, "file below packs/ that holds the bytes"),
        column("pack_offset", BIG, "first byte of the picture inside the pack", "byte"),
        column("pack_length", BIG, "length inside the pack (equal to bytes)", "byte"),
    ),
    _table(
        "photos",
        "one picture as its source lists it; a changed picture gets a new row, "
        "one known by its listing only has no asset_sha256",
        "photo_id asset_sha256",
        column("photo_id", TEXT, "hash of source and source_photo_id"),
        column("source", TEXT, "unsplash, folder ..."),
        column(
            "source_photo_id", TEXT, "the photo's name at its source; for folders the path below it"
        ),
        SHA,
        column("crawl_id", TEXT, "crawl that brought it in"),
        column("page_url", TEXT, "page of the photo for people"),
        column("image_url", TEXT, "address of the bytes, without secrets"),
        column("photographer", TEXT, "the author's name or handle as the source gives it"),
        column("photographer_url", TEXT, "the author's page"),
        column("licence", TEXT, "licence as the source states it"),
        column("attribution", TEXT, "line that must stand beside the picture"),
        column("title", TEXT, "title or description"),
        column("tags", TEXTS, "tags given by the source"),
        column("folder", TEXT, "folder part of the path (folders only): the label or trip"),
        column("posted_at", MOMENT, "when the source published it, UTC"),
        column("updated_at", MOMENT, "when the source last changed it, UTC"),
        column("fetched_at", MOMENT, "when the bytes came in, UTC"),
        column("listed_width", COUNT, "width of the original as the source lists it", "px"),
        column("listed_height", COUNT, "height of the original as the source lists it", "px"),
        column("training_allowed", FLAG, "whether a model may be trained on it"),
        column("training_basis", TEXT, "the reason for training_allowed"),
        column(
            "redistribution_allowed",
            FLAG,
            "whether the bytes may be passed on; null if the source does not say",
        ),
        column("synthetic", FLAG, "whether a program made it; null if unknown"),
        column("generator", TEXT, "program that made it; null if it is a photograph or unknown"),
        column("source_exif_json", TEXT, "EXIF as the source reports it, JSON; null without"),
    ),
    _table(
        "exif",
        "typed EXIF of one file (exif_source = file), or what its source says about the photo (api, dataset)",
        "asset_sha256 exif_source photo_id",
        SHA,
        column("exif_source", TEXT, "file, api or dataset"),
        column("photo_id", TEXT, "photo that a dataset's row is about; null for file and api"),
        column("reader", TEXT, "program and version that read it"),
        column("status", TEXT, "ok, none (no EXIF), partial (some tags unreadable) or unreadable"),
        column("error", TEXT, "what the readers said when the status is not ok"),
        column("make", TEXT, "camera maker"),
        column("model", TEXT, "camera model"),
        column("camera", TEXT, "maker and model, cleaned, lower case: the camera group"),
        column("lens", TEXT, "lens model"),
        column(
            "serial_sha256",
            TEXT,
            "SHA-256 of the body serial number: groups without naming an owner",
        ),
        column("software", TEXT, "program that last wrote the file"),
        column("f_number", REAL, "aperture as N in f/N"),
        column("iso", REAL, "ISO sensitivity"),
        column("exposure_time", REAL, "shutter time", "s"),
        column("f_number_raw", TEXT, "FNumber as written in the file, such as 28/10"),
        column("iso_raw", TEXT, "ISO as written in the file"),
        column("exposure_time_raw", TEXT, "ExposureTime as written in the file, such as 1/250"),
        column("focal_mm", REAL, "focal length", "mm"),
        column("focal_35mm", REAL, "focal length in 35-mm terms", "mm"),
        column("flash", COUNT, "Flash bit field"),
        column("orientation", COUNT, "Orientation 1-8"),
        column("taken_at", MOMENT, "DateTimeOriginal, camera's local clock"),
        column("taken_at_raw", TEXT, "DateTimeOriginal as written"),
        column("modified_at_raw", TEXT, "DateTime as written"),
        column("aperture_value", REAL, "ApertureValue", "EV"),
        column("shutter_speed_value", REAL, "ShutterSpeedValue", "EV"),
        column("brightness_value", REAL, "BrightnessValue", "EV"),
        column("max_aperture_value", REAL, "MaxApertureValue", "EV"),
        column("exposure_bias", REAL, "ExposureBiasValue", "EV"),
        column("lens_min_f_number", REAL, "smallest N of LensSpecification"),
        column("exif_width", COUNT, "PixelXDimension", "px"),
        column("exif_height", COUNT, "PixelYDimension", "px"),
        column(
            "thumbnail_offset",
            BIG,
            "first byte of the JPEG thumbnail inside the file; null without",
            "byte",
        ),
        column("thumbnail_length", BIG, "length of the thumbnail; null without", "byte"),
        column("gps_present", FLAG, "whether GPS tags exist (their values are never kept)"),
        column("readers_disagree", TEXTS, "settings on which exifread and Pillow differ"),
        column("raw_json", TEXT, "raw tags as JSON, without GPS, maker notes, names and serials"),
    ),
    _table(
        "labels",
        "one statement about a photo, a file or a face, with who said it",
        "label_id",
        column("label_id", TEXT, "hash of subject, task, value and source"),
        column("subject_kind", TEXT, "photo, asset or face"),
        column("subject_id", TEXT, "photo_id, asset_sha256 or face_id"),
        column("task", TEXT, "what is labelled: folder, age ..."),
        column("value", TEXT, "the label"),
        column(
            "label_source",
            TEXT,
            "exif, api, dataset, folder_name, filename, votes or estimated (a program said so)",
        ),
        column("confidence", REAL, "0 to 1; null if unknown"),
        column("created_at", MOMENT, "UTC"),
    ),
    _table(
        "tombstones",
        "one thing that must not come in again, or that its source has deleted",
        "tombstone_id",
        column(
            "tombstone_id", TEXT, "hash of kind, value, blocks and, when somebody asked, the time"
        ),
        column("kind", TEXT, "photo, sha256, photographer or url_prefix"),
        column("value", TEXT, "photo_id, hash, name or beginning of an address"),
        column("reason", TEXT, "why: deleted_at_source, or what was said when it was asked for"),
        column(
            "blocks",
            FLAG,
            "whether crawls must leave it out; false when the source deleted it, or when somebody lifts a block: "
            "the latest row about one thing holds",
        ),
        column("crawl_id", TEXT, "crawl that noticed; null when somebody asked for it"),
        column("created_at", MOMENT, "UTC"),
    ),
    _table(
        "rights",
        "what a person recorded about the rights of one photo after it came in; undo and redo name a statement",
        "statement_id photo_id asset_sha256",
        column("statement_id", TEXT, "name of the statement: rights:..."),
        column("action", TEXT, "record, undo (takes a statement back) or redo (brings it back)"),
        column("photo_id", TEXT, "photo that it is about; null for undo and redo"),
        SHA,
        column(
            "training_allowed", FLAG, "whether a model may be trained on it; null: nothing was said"
        ),
        column("training_basis", TEXT, "the reason for training_allowed, as the person wrote it"),
        column("licence", TEXT, "licence; null: nothing was said"),
        column("attribution", TEXT, "line that must stand beside it; null: nothing was said"),
        column("predicate", TEXT, "SQL predicate that chose the photos; null for undo and redo"),
        column("recorded_by", TEXT, "who said so: a name, or local"),
        column("recorded_at", MOMENT, "when, UTC"),
        column("undoes", TEXT, "statement that an undo takes back and a redo brings back"),
    ),
    _table(
        "prices",
        "one day of one series of prices",
        "series day",
        column("series", TEXT, "symbol, or the name of its file"),
        column("day", MOMENT, "trading day, midnight"),
        column("open", REAL, "first price", "currency unit"),
        column("high", REAL, "highest price", "currency unit"),
        column("low", REAL, "lowest price", "currency unit"),
        column("close", REAL, "last price", "currency unit"),
        column("adjusted_close", REAL, "last price, corrected for splits and dividends"),
        column("volume", REAL, "pieces traded"),
        column("crawl_id", TEXT, "import that brought it in"),
    ),
    _table(
        "health",
        "what decoding found in one file, by stage version",
        "asset_sha256 stage",
        SHA,
        column("stage", TEXT, "stage and version, such as decode@1"),
        column(
            "decode_status",
            TEXT,
            "ok, damaged, truncated, undecodable, not_an_image, unsupported, too_small, too_narrow, too_large, bomb, "
            "too_slow, too_much_memory or crashed",
        ),
        column("detail", TEXT, "what the decoder said"),
        column("pixel_sha256", TEXT, "SHA-256 of the decoded, oriented RGB pixels"),
        column("width", COUNT, "width after orientation", "px"),
        column("height", COUNT, "height after orientation", "px"),
        column("luma_mean", REAL, "mean luma, 0 to 1"),
        column("luma_std", REAL, "standard deviation of luma, 0 to 1"),
        column("sharpness", REAL, "variance of the Laplacian of luma at 512 px"),
        column("detail_energy", REAL, "share of energy above half of the Nyquist frequency"),
        column(
            "thumbnail_correlation",
            REAL,
            "grey correlation of the thumbnail in the EXIF and the picture, -1 to 1; null if not compared",
        ),
        column("exif_blocks", COUNT, "EXIF segments of a JPEG; more than 1 is odd"),
    ),
    _table(
        "quality",
        "how one file looks, by stage version: scores from 0 (no sign of it) to 1; nothing is dropped for them",
        "asset_sha256 stage",
        SHA,
        column("stage", TEXT, "stage and version, such as quality@1"),
        column("dark", REAL, "how far the 99th percentile of luma stays below white"),
        column("bright", REAL, "how far the 5th percentile of luma is above black"),
        column(
            "blur", REAL, "blur effect of Crete et al. 2007: what is lost when it is blurred again"
        ),
        column("low_information", REAL, "1 less the entropy of luma over 8 bits"),
        column("odd_aspect", REAL, "1 less the short side over the long side"),
        column("border", REAL, "share of the area in plain bars or a frame at the edges"),
        column(
            "watermark_like",
            REAL,
            "how much of a line of thin pale strokes like lettering there is",
        ),
        column("grayscale", REAL, "1 less the mean chroma over 20 levels"),
    ),
    _table(
        "phashes",
        "one perceptual hash of one file",
        "asset_sha256 algorithm",
        SHA,
        column("algorithm", TEXT, "algorithm and version, such as pdq@1"),
        column("value", TEXT, "256 bits, hex"),
        column("quality", COUNT, "0-100; below 50 the picture is too plain to be matched by hash"),
    ),
    _table(
        "embeddings",
        "one feature vector of one file; rows of one model_id may be compared",
        "asset_sha256 model_id",
        SHA,
        column("model_id", TEXT, "network and weights hash"),
        column("dim", COUNT, "length of the vector"),
        column("vector", VECTOR, "L2-normalised features"),
    ),
    _table(
        "faces",
        "one face that a detector found in one file; coordinates are of the oriented picture",
        "face_id",
        column("face_id", TEXT, "hash of file, detector and box"),
        SHA,
        column("detector", TEXT, "detector and version, such as yunet@2023mar"),
        column("x", REAL, "left edge of the box", "px"),
        column("y", REAL, "upper edge of the box", "px"),
        column("width", REAL, "width of the box", "px"),
        column("height", REAL, "height of the box", "px"),
        column("score", REAL, "how sure the detector is, 0 to 1"),
        column(
            "landmarks",
            REALS,
            "x and y of right eye, left eye, nose tip, right and left corner of the mouth",
            "px",
        ),
    ),
    _table(
        "face_scans",
        "one file that one face detector has looked at, with or without faces",
        "asset_sha256 detector",
        SHA,
        column("detector", TEXT, "detector and version, such as faces@1"),
        column("n_faces", COUNT, "faces found"),
    ),
    _table(
        "issues",
        "one thing that somebody or something finds wrong with one file, for people to review",
        "issue_id",
        column("issue_id", TEXT, "hash of file, kind and detector"),
        SHA,
        column("kind", TEXT, "what is wrong: label_conflict, watermark, implausible_settings ..."),
        column("severity", REAL, "0 (look when there is time) to 1 (surely wrong)"),
        column("detail", TEXT, "evidence as JSON"),
        column("detector", TEXT, "rule, stage or model and its version; or the person"),
        RUN,
        column("created_at", MOMENT, "UTC"),
    ),
    _table(
        "curation_runs",
        "one run of the curation plan over one snapshot",
        "run_id",
        RUN,
        column("plan_json", TEXT, "steps, thresholds, bins and seed as JSON"),
        column("code_version", TEXT, "version of safelight that ran"),
        column("input_snapshot", BIG, "catalog snapshot that was read"),
        column("input_sha256", TEXT, "hash of the assets that went in"),
        column("started_at", MOMENT, "UTC"),
        column("finished_at", MOMENT, "UTC"),
        column("n_input", BIG, "pictures that went in"),
        column("n_kept", BIG, "pictures that came out"),
    ),
    _table(
        "decisions",
        "one reason why a picture was dropped or one of its settings voided or flagged, or what a person decided",
        "run_id asset_sha256 rule",
        column(
            "run_id", TEXT, "curation run that wrote the row; manual:... names a person's decision"
        ),
        SHA,
        column(
            "decision",
            TEXT,
            "of a run: drop (picture), void (one setting unusable) or flag (kept, noted); of a person: keep, drop, "
            "keeper, split, merge, right, wrong, undo or redo (see catalog/lake/manual.py)",
        ),
        column(
            "rule",
            TEXT,
            "rule that decided: decode, near_duplicate, f_number_out_of_range ...; of a person: manual, or on which "
            "side of a split the picture is: apart or rest",
        ),
        column("reason", TEXT, "drop reason, snake_case; of a person: what was given as reason"),
        column("setting", TEXT, "f_number, iso or exposure_time when one setting is meant"),
        column(
            "evidence",
            TEXT,
            "what decided: values as JSON (EXIF rules), the decoder's words, the kept picture",
        ),
        column("decided_by", TEXT, "who decided: a name, or local; null for runs"),
        column("decided_at", MOMENT, "when a person decided, UTC; null for runs"),
        column("group_id", TEXT, "group that a person looked at; null when it was none"),
        column("about_run", TEXT, "curation run whose outcome a person looked at; null if unknown"),
        column("undoes", TEXT, "run or decision that an undo takes back and a redo brings back"),
    ),
    _table(
        "duplicate_edges",
        "one compared pair of pictures with its evidence",
        "run_id asset_a asset_b",
        RUN,
        column("asset_a", TEXT, "smaller SHA-256 of the pair"),
        column("asset_b", TEXT, "larger SHA-256 of the pair"),
        column("found_by", TEXT, "bytes, pixels, pdq or embedding"),
        column("pdq_distance", COUNT, "bits that differ, best of 8 orientations", "bit"),
        column("cosine", REAL, "cosine of the embeddings, shortened to 256 numbers, -1 to 1"),
        column("inliers", COUNT, "SIFT matches that agree on one geometry"),
        column("ncc", REAL, "correlation of the aligned pixels, -1 to 1"),
        column("verdict", TEXT, "duplicate, same_scene or different"),
        column("edge_class", TEXT, "identical (pixels), copy or same_scene; null if different"),
        column("detail_ncc", REAL, "correlation of the fine structure, -1 to 1"),
        column(
            "drift_px", REAL, "how far parts lie apart when one lies on the other, at 320 px", "px"
        ),
        column("overlap", REAL, "share of both pictures that the other covers, 0 to 1"),
        column("framed", TEXT, "which of the two has a frame: a, b, ab or empty"),
        column(
            "compared_by", TEXT, "version and limits of the comparison: rows with one are reused"
        ),
    ),
    _table(
        "duplicate_groups",
        "one member of one group of duplicates",
        "run_id asset_sha256",
        RUN,
        column("group_id", TEXT, "smallest SHA-256 of the group"),
        SHA,
        column("is_keeper", FLAG, "whether the group is represented by this member"),
        column("method", TEXT, "strongest evidence that ties it to the group"),
        column("similarity", REAL, "correlation or cosine of the edge that ties it, 0 to 1"),
    ),
    _table(
        "curated_items",
        "one kept picture, ready to publish: labels, groups, splits, weights",
        "run_id asset_sha256",
        RUN,
        SHA,
        column("photo_id", TEXT, "photo the labels and the licence come from"),
        column("source", TEXT, "source of that photo"),
        column("source_photo_id", TEXT, "the photo's name at its source"),
        column("group_id", TEXT, "group that no split may cut: photographer, camera, duplicates"),
        column("split", TEXT, "train, validation or test; groups stay whole"),
        column("random_split", TEXT, "the naive split, for comparison only; groups are cut"),
        column("camera", TEXT, "camera group; null if unknown"),
        column("photographer", TEXT, "photographer; null if unknown"),
        column("f_number", REAL, "aperture as N in f/N; null if missing or voided"),
        column("iso", REAL, "ISO sensitivity; null if missing or voided"),
        column("exposure_time", REAL, "shutter time; null if missing or voided", "s"),
        column("f_number_stops", REAL, "2 log2 N", "stop"),
        column("iso_stops", REAL, "log2(ISO/100)", "stop"),
        column("exposure_time_stops", REAL, "log2(t / 1 s)", "stop"),
        column("f_number_bin", COUNT, "0 low, 1 medium, 2 high; null if missing"),
        column("iso_bin", COUNT, "0 low, 1 medium, 2 high; null if missing"),
        column("exposure_time_bin", COUNT, "0 short, 1 medium, 2 long; null if missing"),
        column("weight", REAL, "sampling weight from rebalancing, mean 1 over train"),
        column(
            "in_balanced_slice",
            FLAG,
            "whether it is in the part of its validation or test split where classes are even; false in train",
        ),
        column(
            "native_resolution", FLAG, "stored size equals the size EXIF recorded; null if unknown"
        ),
        column("width", COUNT, "width after orientation", "px"),
        column("height", COUNT, "height after orientation", "px"),
        column("jpeg_quality", COUNT, "estimated JPEG quality"),
        column("software", TEXT, "program that last wrote the file"),
        column("licence", TEXT, "licence as the source states it"),
        column("attribution", TEXT, "line that must stand beside the picture"),
        column("page_url", TEXT, "page of the photo"),
        column("training_allowed", FLAG, "whether a model may be trained on it"),
        column("training_basis", TEXT, "the reason for training_allowed"),
    ),
    _table(
        "curated_labels",
        "one thing that is known of one kept picture beside its settings: a label, a key of its group, its time",
        "run_id asset_sha256 task",
        RUN,
        SHA,
        column("task", TEXT, "age, gender ... as the plan names them; session, person or time"),
        column("value", TEXT, "the label, the name of the session or person, the time"),
        column(
            "role",
            TEXT,
            "label (a column of the release), group (no split cuts it) or time (of taking or collecting)",
        ),
    ),
    _table(
        "split_leaks",
        "one figure about what the train side of one split of one run tells about its test side",
        "run_id policy check task",
        RUN,
        column("policy", TEXT, "split or random_split"),
        column(
            "check",
            TEXT,
            "max_cosine, p99_cosine (of test pictures to their closest in train), timestamp_knn or camera_majority",
        ),
        column("task", TEXT, "setting or label that is guessed; empty for cosines"),
        column("value", REAL, "the cosine, or the share of test pictures guessed right"),
        column("majority", REAL, "share guessed right by always saying train's commonest class"),
        column("low", REAL, "lower end of the 95 % group-bootstrap interval of value - majority"),
        column("high", REAL, "upper end of that interval"),
        column("n", BIG, "test pictures it rests on"),
        column("n_groups", BIG, "their groups"),
        column("detail", TEXT, "the closest pairs as JSON; why guessing works, in words"),
    ),
    _table(
        "datasets",
        "one published release",
        "dataset version",
        column("dataset", TEXT, "name of the dataset"),
        column("version", TEXT, "semantic version"),
        column("digest", TEXT, "SHA-256 over the release's content: same content, same digest"),
        column("created_at", MOMENT, "UTC"),
        column("run_id", TEXT, "curation run it was published from"),
        column("snapshot_id", BIG, "catalog snapshot it was published from"),
        column("plan_json", TEXT, "query, plan and seed as JSON"),
        column("n_items", BIG, "pictures"),
        column("bytes", BIG, "size of the shards", "byte"),
    ),
    _table(
        "dataset_items",
        "one picture of one release",
        "dataset version asset_sha256",
        column("dataset", TEXT, "name of the dataset"),
        column("version", TEXT, "semantic version"),
        SHA,
        column("split", TEXT, "train, validation or test"),
        column("group_id", TEXT, "group that no split cuts"),
        column("shard", TEXT, "shard below the release folder"),
        column("shard_offset", BIG, "first byte of the picture inside the shard", "byte"),
        column("shard_length", BIG, "length of the picture inside the shard", "byte"),
    ),
    _table(
        "dataset_stats",
        "how many pictures of one release are in one class of one setting",
        "dataset version split task class",
        column("dataset", TEXT, "name of the dataset"),
        column("version", TEXT, "semantic version"),
        column("split", TEXT, "train, validation or test"),
        column("task", TEXT, "f_number, iso or exposure_time, or a label that the plan names"),
        column("class", TEXT, "low, medium, high, a label, or missing"),
        column("n", BIG, "pictures"),
        column("weight_share", REAL, "share of the sampling weight within split and task, 0 to 1"),
    ),
    _table(
        "revocations",
        "one release that must not be used any more",
        "dataset version",
        column("dataset", TEXT, "name of the dataset"),
        column("version", TEXT, "semantic version"),
        column("digest", TEXT, "digest of the revoked release"),
        column("reason", TEXT, "why it was revoked"),
        column("successor", TEXT, "version to use in its place; null without"),
        column("revoked_at", MOMENT, "UTC"),
    ),
    _table(
        "queries",
        "one statement that somebody sent to the query service: the audit trail",
        "query_id",
        column("query_id", TEXT, "identifier of the query"),
        column("asked_at", MOMENT, "when it came in, UTC"),
        column("asked_by", TEXT, "name of the token, or local"),
        column("client", TEXT, "address of the client"),
        column("sql", TEXT, "the statement as sent"),
        column("parameters_json", TEXT, "values of its parameters as JSON; null without"),
        column("as_of", BIG, "snapshot that was asked for; null for the newest"),
        column("snapshot_id", BIG, "snapshot that was read"),
        column("outcome", TEXT, "done, failed, cancelled, timed_out or refused"),
        column("error", TEXT, "what was wrong; null when done"),
        column("n_rows", BIG, "rows of the result that were kept"),
        column("truncated", FLAG, "whether the result was cut at a limit"),
        column("duration_ms", REAL, "time from start to end", "ms"),
    ),
    _table(
        "models",
        "one trained model",
        "model_id",
        column("model_id", TEXT, "hash of recipe, dataset digest, split policy and settings"),
        column("recipe", TEXT, "recipe that trained it"),
        column("dataset", TEXT, "dataset it was trained on"),
        column("version", TEXT, "version of the dataset"),
        column("dataset_digest", TEXT, "digest of the release"),
        column("split_policy", TEXT, "split (groups whole) or random_split"),
        column("weights_sha256", TEXT, "SHA-256 of the weights file"),
        column("config_json", TEXT, "settings of the recipe as JSON"),
        column("code_version", TEXT, "version of safelight that trained"),
        column("trained_at", MOMENT, "UTC"),
        column("parameters", BIG, "trainable parameters"),
        column("examples_seen", BIG, "pictures shown during training, with repeats"),
    ),
    _table(
        "metrics",
        "one figure about one model or baseline on one slice, with its interval",
        "model_id dataset version split predictor task slice metric",
        column("model_id", TEXT, "model that was evaluated"),
        column("dataset", TEXT, "dataset of the evaluation"),
        column("version", TEXT, "its version"),
        column("split", TEXT, "split:test or random_split:test ..."),
        column(
            "predictor",
            TEXT,
            "model or a baseline: majority, prior, metadata, tiny_features, pdq ...",
        ),
        column("task", TEXT, "f_number, iso or exposure_time; copies for an embedder"),
        column("slice", TEXT, "all, or a slice such as camera=nikon d90"),
        column("metric", TEXT, "balanced_accuracy, accuracy, macro_f1, nll, ece ..."),
        column("value", REAL, "the figure"),
        column("low", REAL, "lower end of the 95 % group-bootstrap interval"),
        column("high", REAL, "upper end of the 95 % group-bootstrap interval"),
        column("n", BIG, "pictures it rests on"),
        column("n_groups", BIG, "groups it rests on"),
    ),
    _table(
        "predictions",
        "what one model says about one head of one picture",
        "model_id asset_sha256 task",
        column("model_id", TEXT, "model that predicts"),
        SHA,
        column("task", TEXT, "f_number, iso or exposure_time"),
        column("split", TEXT, "split the picture was in"),
        column("probabilities", REALS, "probability of low, medium and high; sums to 1"),
        column("predicted", COUNT, "most probable class"),
        column("target", COUNT, "true class; null if unknown"),
        column("nll", REAL, "negative log-likelihood of the true class", "nat"),
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in _TABLES}
"""Every catalog table by name."""

RETIRED: frozenset[tuple[str, str]] = frozenset({("exif", "thumbnail_correlation")})
"""Columns that older code wrote and this code does not; other unknown columns mean that the workspace is newer."""
