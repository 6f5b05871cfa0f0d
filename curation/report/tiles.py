"""The pictures of the report: a small picture with caption and link, or what is wrong with the file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import polars as pl

from catalog import AssetReader, Catalog, ConsoleLinks, SafelightError, data_uri, is_wave
from curation.decoding.decoding import decode_small, sound_waveform
from curation.decoding.limits import DecodeError
from curation.decoding.sounds import draw_outline
from curation.reading import frame

THUMBNAIL_HEIGHT_PX: Final = 110
_PROBLEM_CHARS: Final = 140
_LOCATIONS: Final = """
    SELECT sha256, pack, pack_offset, pack_length FROM assets WHERE sha256 IN (SELECT unnest(?))
"""


@dataclass(frozen=True)
class Tile:
    """One picture: a small JPEG as `uri`, or what is wrong as `problem`; `link` is its page in the console."""

    sha256: str
    caption: str
    link: str
    uri: str = ""
    problem: str = ""
    is_marked: bool = False


@dataclass(frozen=True)
class TileGroup:
    """Tiles under a title, out of `n` pictures; `rest` is the address of all of them in the console."""

    title: str
    n: int
    tiles: Sequence[Tile]
    rest: str = ""
    about: str = ""

    @property
    def n_more(self) -> int:
        """Count the pictures that are not shown."""
        return max(self.n - len(self.tiles), 0)


class Tiles:
    """Makes tiles; `shas` are all pictures that may be requested. Each file is decoded once."""

    def __init__(
        self, catalog: Catalog, reader: AssetReader, shas: Sequence[str], links: ConsoleLinks
    ) -> None:
        locations = frame(catalog, _LOCATIONS, (sorted(set(shas)),))
        self._reader = reader
        self._links = links
        self._pictures: dict[str, tuple[str, str]] = {}
        self._locations = {sha: tuple(place) for sha, *place in locations.iter_rows()}

    def tile(
        self, sha256: str, caption: str, *, problem: str = "", is_marked: bool = False
    ) -> Tile:
        """Make a tile; with a `problem` the file is not decoded, and the tile shows the problem."""
        uri, problem = ("", problem) if problem else self._picture(sha256)
        link = self._links.picture(sha256)
        return Tile(sha256, caption, link, uri, problem[:_PROBLEM_CHARS], is_marked)

    def _picture(self, sha: str) -> tuple[str, str]:
        if sha not in self._pictures:
            try:
                self._pictures[sha] = self._thumbnail(sha), ""
            except DecodeError as error:
                self._pictures[sha] = "", describe_problem(error.status, error.detail)
            except (SafelightError, OSError) as error:  # the pack is gone or cannot be read
                self._pictures[sha] = "", str(error)
        return self._pictures[sha]

    def _thumbnail(self, sha: str) -> str:
        """Give a JPEG data URI about 110 px high; raises `DecodeError` when the file gives no picture."""
        if sha not in self._locations:
            raise DecodeError("deleted", "the catalog has no bytes of this picture")
        body = self._reader.read(*self._locations[sha])
        if is_wave(body):
            small = draw_outline(sound_waveform(body), THUMBNAIL_HEIGHT_PX)
        else:
            small = decode_small(body, height_px=THUMBNAIL_HEIGHT_PX)
        quality = [cv2.IMWRITE_JPEG_QUALITY, 70]
        _, encoded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), quality)
        return data_uri(encoded.tobytes(), "image/jpeg")


def describe_problem(status: str, detail: object) -> str:
    """Say what is wrong with a file, from its `decode_status` and the detail.

    >>> describe_problem("not_an_image", "starts with '<html>'"), describe_problem("truncated", None)
    ("not an image: starts with '<html>'", 'truncated')
    """
    words = status.replace("_", " ")
    return f"{words}: {detail}" if detail else words


def asset_names(table: pl.DataFrame) -> list[str]:
    """List the pictures of a table with the column asset_sha256."""
    return table["asset_sha256"].to_list()
