"""Names that other rooms import from `curation`: the one list, which type checkers and `__init__.py` read."""

from .decoding.limits import DecodeError as DecodeError
from .decoding.sounds import (
    read_sound as read_sound,
    sound_picture as sound_picture,
)
from .reading import find_run as find_run
from .report.picture_searcher import PictureSearcher as PictureSearcher
from .report.report import write_report as write_report
from .report.similar import similar as similar
from .review.implausible import record_residuals as record_residuals
from .rules.bin_edges import (
    BIN_NAMES as BIN_NAMES,
    BINS as BINS,
    SETTINGS as SETTINGS,
)
from .rules.bins import stops_of as stops_of
from .run.plan import CurationPlan as CurationPlan
from .run.run import curate as curate
from .run.summary import (
    CurationSummary as CurationSummary,
    summarize as summarize,
)
from .settings import CurateSettings as CurateSettings
from .similarity.pdq import pdq_similarity as pdq_similarity
from .stages.embedder_card import (
    EMBEDDER_METADATA_KEY as EMBEDDER_METADATA_KEY,
    EmbedderCard as EmbedderCard,
)
from .stages.embeddings import EfficientNetLite0 as EfficientNetLite0
from .stages.faces import FaceDetector as FaceDetector
from .stages.lite0 import (
    Lite0Trunk as Lite0Trunk,
    packaged_trunk as packaged_trunk,
)
from .stages.lite0_on_cpu import (
    LITE0_STRIDE as LITE0_STRIDE,
    with_quick_trunks as with_quick_trunks,
)
from .stages.lite0_weights import LITE0_DIM as LITE0_DIM
from .stages.onnx_embedder import OnnxEmbedder as OnnxEmbedder
from .stages.stage import (
    THUMBNAIL_SIDE_PX as THUMBNAIL_SIDE_PX,
    Stage as Stage,
)
