"""Curation: from crawled pictures to labelled, split and weighted items, each decision with its reason."""

from typing import TYPE_CHECKING

from catalog import lazy_attributes

if TYPE_CHECKING:
    from curation.decoding.limits import DecodeError
    from curation.decoding.sounds import read_sound, sound_picture
    from curation.exif.bin_edges import BIN_NAMES, BINS, SETTINGS
    from curation.exif.bins import stops_of
    from curation.reading import find_run
    from curation.report.report import write_report
    from curation.review.implausible import record_residuals
    from curation.run.plan import CurationPlan
    from curation.run.run import curate
    from curation.run.summary import CurationSummary, summarize
    from curation.settings import CurateSettings
    from curation.similarity.pdq import pdq_similarity
    from curation.stages.embedder_card import EMBEDDER_METADATA_KEY, EmbedderCard
    from curation.stages.embeddings import EfficientNetLite0
    from curation.stages.faces import FaceDetector
    from curation.stages.lite0 import LITE0_DIM, Lite0Trunk, packaged_trunk
    from curation.stages.onnx_embedder import OnnxEmbedder
    from curation.stages.stage import THUMBNAIL_SIDE_PX, Stage

__all__ = [
    "BINS",
    "BIN_NAMES",
    "EMBEDDER_METADATA_KEY",
    "LITE0_DIM",
    "SETTINGS",
    "THUMBNAIL_SIDE_PX",
    "CurateSettings",
    "CurationPlan",
    "CurationSummary",
    "DecodeError",
    "EfficientNetLite0",
    "EmbedderCard",
    "FaceDetector",
    "Lite0Trunk",
    "OnnxEmbedder",
    "Stage",
    "curate",
    "find_run",
    "packaged_trunk",
    "pdq_similarity",
    "read_sound",
    "record_residuals",
    "sound_picture",
    "stops_of",
    "summarize",
    "write_report",
]

if not TYPE_CHECKING:  # mypy would take every name for one that `__getattr__` knows
    __getattr__, __dir__ = lazy_attributes(
        __name__,
        {
            "curation.decoding.limits": ("DecodeError",),
            "curation.decoding.sounds": ("read_sound", "sound_picture"),
            "curation.exif.bin_edges": ("BINS", "BIN_NAMES", "SETTINGS"),
            "curation.exif.bins": ("stops_of",),
            "curation.reading": ("find_run",),
            "curation.report.report": ("write_report",),
            "curation.review.implausible": ("record_residuals",),
            "curation.run.plan": ("CurationPlan",),
            "curation.run.run": ("curate",),
            "curation.run.summary": ("CurationSummary", "summarize"),
            "curation.settings": ("CurateSettings",),
            "curation.similarity.pdq": ("pdq_similarity",),
            "curation.stages.embedder_card": ("EMBEDDER_METADATA_KEY", "EmbedderCard"),
            "curation.stages.embeddings": ("EfficientNetLite0",),
            "curation.stages.faces": ("FaceDetector",),
            "curation.stages.lite0": ("LITE0_DIM", "Lite0Trunk", "packaged_trunk"),
            "curation.stages.onnx_embedder": ("OnnxEmbedder",),
            "curation.stages.stage": ("THUMBNAIL_SIDE_PX", "Stage"),
        },
    )
