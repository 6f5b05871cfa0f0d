"""Small pictures of large ones. Decoders are large programs fed by strangers, so they run in the sandbox."""

import os
from io import BytesIO

from catalog.errors import QueryError
from catalog.sandbox.results.formats import Sink

MAX_PIXELS = 100_000_000
QUALITY = 80


def write_thumbnail(descriptor: int, side: int, sink: Sink) -> None:
    """Read a picture and write it as WebP that fits into `side` x `side` px; raises `QueryError`."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    body = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    try:
        with Image.open(BytesIO(body)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise QueryError(f"the picture has more than {MAX_PIXELS} pixels")
            picture.draft("RGB", (side * 2, side * 2))  # JPEG: decode at n/8 of the size
            small = ImageOps.exif_transpose(picture)
            small.thumbnail((side, side))
            made = BytesIO()
            mode = "RGBA" if "A" in small.getbands() or "transparency" in small.info else "RGB"
            small.convert(mode).save(made, "WEBP", quality=QUALITY)
    except UnidentifiedImageError as error:
        raise QueryError("the bytes are no picture of a known format") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise QueryError(f"the picture cannot be decoded: {error}") from error
    sink.write(made.getvalue())
    sink.flush()


def load_decoders() -> None:
    """Import what decoding needs while files can still be opened; without Pillow there are no thumbnails."""
    try:
        from PIL import Image, ImageOps, WebPImagePlugin  # noqa: F401 - imported for later
    except ModuleNotFoundError:
        return
    Image.init()
