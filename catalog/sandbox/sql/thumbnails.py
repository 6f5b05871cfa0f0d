"""Small pictures of large ones, and plots of sounds. Decoders are fed by strangers, so they run in the sandbox."""

import os
from io import BytesIO

from catalog.errors import QueryError, UnreadableSoundError
from catalog.sandbox.results.formats import Sink
from catalog.sandbox.sql.jobs import SoundPlotJob
from catalog.sounds.sound_plot import draw_sound, load_what_drawing_needs

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


def write_sound_plot(descriptor: int, job: SoundPlotJob, sink: Sink) -> None:
    """Read a WAV file and write its waveform and spectrogram as WebP; raises `QueryError`."""
    body = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    try:
        picture = draw_sound(body, job.width, job.height, has_axes=job.has_axes)
    except UnreadableSoundError as error:
        raise QueryError(f"the sound cannot be drawn: {error}") from error
    made = BytesIO()
    picture.save(made, "WEBP", quality=QUALITY)
    sink.write(made.getvalue())
    sink.flush()


def load_decoders() -> None:
    """Import what decoding needs while files can still be opened; without Pillow there are no thumbnails."""
    try:
        from PIL import Image, ImageOps, WebPImagePlugin  # noqa: F401 - imported for later
    except ModuleNotFoundError:
        return
    Image.init()
    load_what_drawing_needs()
