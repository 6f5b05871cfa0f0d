"""Names that other rooms import from `catalog`: the one list, which type checkers and `__init__.py` read."""

from .commands.json_output import (
    emit_json as emit_json,
    json_format_option as json_format_option,
    json_lines_option as json_lines_option,
    json_option as json_option,
    writes_json as writes_json,
)
from .commands.text_table import (
    aligned as aligned,
    shortened as shortened,
    terminal_width as terminal_width,
)
from .errors import (
    AssetNotFoundError as AssetNotFoundError,
    BusyError as BusyError,
    CatalogError as CatalogError,
    ClusterError as ClusterError,
    CommitError as CommitError,
    DecisionError as DecisionError,
    LayoutError as LayoutError,
    MissingPartError as MissingPartError,
    ModelsNotComparableError as ModelsNotComparableError,
    NetworkDiskError as NetworkDiskError,
    NoSuchModelError as NoSuchModelError,
    NoVectorError as NoVectorError,
    PictureRefusedError as PictureRefusedError,
    QueryError as QueryError,
    QuestionNotFoundError as QuestionNotFoundError,
    ReleaseError as ReleaseError,
    ReleaseNotFoundError as ReleaseNotFoundError,
    RightsError as RightsError,
    SafelightError as SafelightError,
    SegmentError as SegmentError,
    SnapshotNotFoundError as SnapshotNotFoundError,
    StorageError as StorageError,
    TableNotFoundError as TableNotFoundError,
    UnreadableSoundError as UnreadableSoundError,
    UsageError as UsageError,
)
from .evidence import (
    FEW_GROUPS as FEW_GROUPS,
    KNOWN_SHARE as KNOWN_SHARE,
    TOO_FEW as TOO_FEW,
    known_text as known_text,
)
from .lake.describe import (
    Column as Column,
    Described as Described,
    describe as describe,
)
from .lake.frames import sql as sql
from .lake.lake import (
    Catalog as Catalog,
    Snapshot as Snapshot,
    open_catalog as open_catalog,
)
from .lake.manual import (
    ManualDecision as ManualDecision,
    choose_run as choose_run,
    decide as decide,
    decisions_in_force as decisions_in_force,
    resolve_sha256 as resolve_sha256,
    undo as undo,
    undone_by as undone_by,
)
from .lake.permission import (
    Permission as Permission,
    basis_command as basis_command,
    crawled as crawled,
    curated as curated,
    of_crawl as of_crawl,
    of_index as of_index,
    of_run as of_run,
    released as released,
)
from .lake.rights import (
    Rights as Rights,
    Statement as Statement,
    record_rights as record_rights,
    rights_history as rights_history,
    undo_rights as undo_rights,
    write_rights as write_rights,
)
from .lake.tombstones import (
    read_blocked as read_blocked,
    tombstone as tombstone,
)
from .maintenance.maintain import orphan_packs as orphan_packs
from .maintenance.verify import repeated_keys as repeated_keys
from .number_formats import (
    TEMPLATE_FILTERS as TEMPLATE_FILTERS,
    format_bytes as format_bytes,
    format_count as format_count,
    format_duration as format_duration,
    format_exposure as format_exposure,
    format_share as format_share,
    format_time as format_time,
)
from .packs.assets import (
    AssetReader as AssetReader,
    list_packs as list_packs,
)
from .packs.spool import (
    Segment as Segment,
    count_waiting as count_waiting,
    waiting_segments as waiting_segments,
    write_segment as write_segment,
)
from .plurals import counted as counted
from .program_name import command_name as command_name
from .pull.backoff import retry_after as retry_after
from .pull.cache import CACHE_BYTES as CACHE_BYTES
from .pull.public_addresses import (
    Network as Network,
    PrivateAddressError as PrivateAddressError,
    guarded_sockets as guarded_sockets,
    is_allowed_address as is_allowed_address,
    parse_ip_literal as parse_ip_literal,
    parse_networks as parse_networks,
    require_allowed_address as require_allowed_address,
)
from .pull.remote import open_remote as open_remote
from .releases.loading import (
    Pictures as Pictures,
    load as load,
    open_release as open_release,
)
from .releases.manifest import (
    GROUP_KEYS as GROUP_KEYS,
    given_up as given_up,
)
from .releases.publish import (
    label_columns as label_columns,
    publish as publish,
)
from .releases.release import (
    Release as Release,
    find_release as find_release,
    list_releases as list_releases,
)
from .releases.rendering.renditions import rendition_names as rendition_names
from .releases.selection import select_rows as select_rows
from .reports.charts import (
    CHART_INK as CHART_INK,
    CHART_SOFT as CHART_SOFT,
    add_legend as add_legend,
    figure_uri as figure_uri,
    make_axes as make_axes,
    make_stacked_axes as make_stacked_axes,
)
from .reports.console_links import ConsoleLinks as ConsoleLinks
from .reports.page import (
    data_uri as data_uri,
    render_report as render_report,
)
from .sandbox import (
    Decoded as Decoded,
    DecoderError as DecoderError,
    DecoderLimits as DecoderLimits,
    DecoderPool as DecoderPool,
)
from .sounds.mel import mel_filters as mel_filters
from .sounds.wave_samples import (
    Samples as Samples,
    is_wave as is_wave,
    read_samples as read_samples,
)
from .stores.commit_errors import is_transient as is_transient
from .tables.number_arrays import from_numpy as from_numpy, to_numpy as to_numpy
from .tables.questions import (
    QUESTIONS as QUESTIONS,
    Parameter as Parameter,
    Question as Question,
)
from .tables.rows import rows as rows
from .tables.table_type import Table as Table
from .tables.tables_by_name import TABLES as TABLES
from .takedown.crawl_queue import queue_opener as queue_opener
from .takedown.purge import purge as purge
from .version import __version__ as __version__
from .web.models.model_library import (
    Board as Board,
    BoardEntry as BoardEntry,
    Calibration as Calibration,
    ConfidenceBin as ConfidenceBin,
    Confusion as Confusion,
    Curves as Curves,
    DifferingPicture as DifferingPicture,
    DifferingSetting as DifferingSetting,
    ErrorPicture as ErrorPicture,
    HeadDifference as HeadDifference,
    HeadDisagreement as HeadDisagreement,
    HeadErrors as HeadErrors,
    HeadFigure as HeadFigure,
    MetricRow as MetricRow,
    ModelComparison as ModelComparison,
    ModelFigure as ModelFigure,
    ModelList as ModelList,
    ModelPage as ModelPage,
    ModelSummary as ModelSummary,
    ModelVerdict as ModelVerdict,
    PictureFilter as PictureFilter,
    ReportPage as ReportPage,
    Setting as Setting,
    WeightsSource as WeightsSource,
)
from .web.predictions.predictor import (
    ClassProbability as ClassProbability,
    FaceBox as FaceBox,
    HeadPrediction as HeadPrediction,
    HeatMap as HeatMap,
    PicturePrediction as PicturePrediction,
    PredictedSubject as PredictedSubject,
    PredictionModel as PredictionModel,
    Refusal as Refusal,
    Scale as Scale,
    VoteShare as VoteShare,
)
from .web.review.backlog import (
    count_review_items as count_review_items,
    list_review_items as list_review_items,
)
from .web.similarity.searcher import (
    MOST_POINTS as MOST_POINTS,
    EmbeddingMap as EmbeddingMap,
    EmbeddingMethod as EmbeddingMethod,
    NearestPictures as NearestPictures,
    Neighbour as Neighbour,
)
from .workspace.caches import (
    map_folder as map_folder,
    removal_mark as removal_mark,
)
from .workspace.error_lines import (
    first_line as first_line,
    last_line as last_line,
)
from .workspace.logs import (
    logs_json as logs_json,
    redacted as redacted,
    start_logging as start_logging,
)
from .workspace.options import (
    examples as examples,
    existing_workspace_option as existing_workspace_option,
    home_words as home_words,
    workspace_option as workspace_option,
)
from .workspace.progress import (
    ProgressTask as ProgressTask,
    progress_task as progress_task,
    show_progress as show_progress,
    track as track,
)
from .workspace.ray_cluster import join_ray as join_ray
from .workspace.settings import load_settings as load_settings
from .workspace.workspace import (
    Workspace as Workspace,
    find_workspace as find_workspace,
)
