"""Find the pictures that look most like a given one, from the vectors and hashes that curation stored.

The similarity index of the search for copies is used where it is present; else the vectors are read from the catalog.
The nearest by compact vectors are measured again by the whole ones.
"""

from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog import Catalog, Workspace, command_name, find_workspace, load_settings, open_catalog
from curation.decoding.decoding import examine
from curation.decoding.limits import THUMBNAIL_SIDE_PX
from curation.duplicates.index import IndexFolder
from curation.duplicates.limits import DuplicateLimits
from curation.errors import CurationError
from curation.reading import frame
from curation.run.stage_results import limits_for
from curation.settings import CurateSettings
from curation.similarity.neighbours import Compact, compact, nearest_vectors
from curation.similarity.read_vectors import VECTORS, read_compact
from curation.stages.embeddings import Embedder
from curation.stages.onnx_embedder import open_embedder
from curation.stages.pdq import PerceptualHash
from curation.stages.stage import stage_id

SPARE: Final = 4  # times as many are measured by whole vectors as are returned
LEAST_PREFIX: Final = 6
_ANY: Final = -(2**20)  # below any product
_EMBEDDED = "SELECT asset_sha256 FROM embeddings WHERE model_id = ?"
_BY_PREFIX = "SELECT sha256 FROM assets WHERE starts_with(sha256, ?) ORDER BY sha256 LIMIT 2"
_DETAILS = """
    SELECT a.sha256 AS asset_sha256, a.width, a.height,
           any_value(p.source ORDER BY p.photo_id) AS source,
           any_value(p.source_photo_id ORDER BY p.photo_id) AS source_photo_id
    FROM assets a LEFT JOIN photos p ON p.asset_sha256 = a.sha256
    WHERE a.sha256 IN (SELECT unnest(?::VARCHAR[])) GROUP BY ALL
"""


class NotEmbeddedError(CurationError):
    """The picture, or the whole catalog, has no vector."""


def similar(
    picture: str | Path, workspace: Workspace | str | Path | None = None, *, limit: int = 10
) -> pl.DataFrame:
    """Give the pictures that look most like `picture`, most similar first.

    `picture` is a SHA-256 (or the unique beginning of one, from 6 digits on) or the path of an image file, which need
    not be in the catalog. Columns: asset_sha256, cosine (of the embeddings, -1 to 1), width and height (px), source and
    source_photo_id of a photo with these bytes. The picture itself is left out; of pictures with equal pixels one is
    given. `workspace` is by default that of SAFELIGHT_HOME, else ./workspace. Raises `NotEmbeddedError` before the
    first `curate run`, and for a file that is not a picture.
    """
    found = find_workspace(workspace)
    settings = load_settings(CurateSettings, "curate", found)
    embedder = open_embedder(settings.embedder, found)
    with open_catalog(found) as catalog:
        own, vector = _query_vector(catalog, str(picture), embedder)
        names, vectors = stored_vectors(catalog, found, embedder)
        return _nearest(catalog, embedder.model_id, (own, vector), (names, vectors), limit)


def _query_vector(
    catalog: Catalog, picture: str, embedder: Embedder
) -> tuple[str, NDArray[np.float32]]:
    """Give the SHA-256 (empty for a file) and the vector of the picture that is asked about."""
    is_prefix = len(picture) >= LEAST_PREFIX and set(picture) <= set("0123456789abcdef")
    if not is_prefix or Path(picture).is_file():
        return "", _vector_of_file(Path(picture), embedder)
    matches = frame(catalog, _BY_PREFIX, (picture,))["sha256"].to_list()
    if len(matches) != 1:
        text = "several pictures have" if matches else "no picture of the catalog has"
        raise NotEmbeddedError(
            f"{text} a SHA-256 that begins with {picture}, and no file is called so"
        )
    rows = frame(catalog, VECTORS, (embedder.model_id, matches))
    if rows.is_empty():
        raise NotEmbeddedError(
            f"{matches[0]} has no vector: run `{command_name()} curate run` first"
        )
    return matches[0], np.asarray(rows["vector"][0], np.float32)


def _vector_of_file(path: Path, embedder: Embedder) -> NDArray[np.float32]:
    try:
        body = path.read_bytes()
    except OSError as error:
        raise NotEmbeddedError(f"{path} cannot be read: {error.strerror}") from error
    health = examine(body)
    if health.thumbnail is None:
        raise NotEmbeddedError(f"{path} is not a picture: {health.decode_status}, {health.detail}")
    shape = (1, THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX, 3)
    embedder.load()
    pixels = np.frombuffer(health.thumbnail, np.uint8).reshape(shape)
    return np.asarray(embedder.embed(pixels.copy())[0], np.float32)


def stored_vectors(
    catalog: Catalog, workspace: Workspace, embedder: Embedder
) -> tuple[list[str], Compact]:
    """Read the similarity index of the embedder; where there is none, all vectors of the catalog."""
    limits = limits_for(embedder, DuplicateLimits()).candidates
    key = limits.key(embedder.model_id, stage_id(PerceptualHash()))
    pictures = IndexFolder(workspace.home, key, limits).load().pictures
    if pictures.names:
        return list(pictures.names), pictures.vectors
    everyone = frame(catalog, _EMBEDDED, (embedder.model_id,))["asset_sha256"].to_list()
    return read_compact(catalog, embedder.model_id, everyone)


def _nearest(
    catalog: Catalog,
    model_id: str,
    query: tuple[str, NDArray[np.float32]],
    stored: tuple[list[str], Compact],
    limit: int,
) -> pl.DataFrame:
    (own, vector), (names, vectors) = query, stored
    if not names:
        raise NotEmbeddedError(
            f"no picture has a vector yet: run `{command_name()} curate run` first"
        )
    width = min(len(names), SPARE * limit + 1)
    near = nearest_vectors(compact(vector[None]), vectors, width, _ANY).ids[0]
    shas = [names[row] for row in near.tolist() if row >= 0 and names[row] != own]
    exact = frame(catalog, VECTORS, (model_id, shas))
    cosine = [float(np.dot(vector, np.asarray(each, np.float32))) for each in exact["vector"]]
    ranked = exact.select("asset_sha256", cosine=pl.Series(cosine, dtype=pl.Float64))
    details = frame(catalog, _DETAILS, (shas,))
    joined = ranked.join(details, on="asset_sha256")
    return joined.sort(["cosine", "asset_sha256"], descending=[True, False]).head(limit)
