"""Kinds of damage of EXIF that bench_exif_plants.py plants into real photographs, each with its right reasons.

A kind changes an `ExifBlock` in place and says whether that was possible. `reasons` are the void reasons and flags of
which one must be given; for a kind that touches a camera setting, the void of that setting.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.exif_block import (
    ASCII,
    EXIF_POINTER,
    GPS_POINTER,
    LONG,
    RATIONAL,
    SHORT,
    SRATIONAL,
    SSHORT,
    UNDEFINED,
    ExifBlock,
)

FNUMBER, TIME, ISO, AV, TV, BV = 0x829D, 0x829A, 0x8827, 0x9202, 0x9201, 0x9203
BIAS, MAX_AV, FOCAL, FOCAL_35, LENS_SPEC = 0x9204, 0x9205, 0x920A, 0xA405, 0xA432
TAKEN, MAKER_NOTE, MAKE, MODEL, ORIENTATION, SOFTWARE, CHANGED = (
    0x9003,
    0x927C,
    0x010F,
    0x0110,
    0x0112,
    0x0131,
    0x0132,
)
PRECISE_ISO = (0x8831, 0x8832, 0x8833)
Plant = Callable[[ExifBlock, random.Random], bool]


@dataclass(frozen=True)
class Kind:
    """What is planted, and the reasons of which one is right; `is_stored`: it touches a value of the catalog."""

    plant: Plant
    reasons: frozenset[str]
    is_stored: bool = True


def kind(plant: Plant, *reasons: str, is_stored: bool = True) -> Kind:
    return Kind(plant, frozenset(reasons), is_stored)


def rational(tag: int, top: int, bottom: int) -> Plant:
    """Write a rational; a negative number is written as its unsigned bits."""
    return lambda block, _: block.write(tag, RATIONAL, (top % 2**32, bottom))


def text(tag: int, value: bytes, *, exif: bool = True) -> Plant:
    return lambda block, _: block.write(tag, ASCII, value + b"\0", exif=exif)


def without_apex(plant: Plant, *tags: int) -> Plant:
    """Remove what would contradict first."""

    def change(block: ExifBlock, rng: random.Random) -> bool:
        for tag in tags:
            block.remove(tag)
        return plant(block, rng)

    return change


def f_number_with_av(factor: float, shift_ev: float = 0.0) -> Plant:
    """Multiply the f-number; ApertureValue is that of the true one."""

    def change(block: ExifBlock, _: random.Random) -> bool:
        true = block.first(FNUMBER)
        if not true or not 1 <= true <= 32:
            return False
        av = 2 * math.log2(true)
        written = true * factor * 2 ** (shift_ev / 2)
        return block.write(AV, RATIONAL, (round(av * 1000), 1000)) and block.write(
            FNUMBER, RATIONAL, (round(written * 1000), 1000)
        )

    return change


def f_number_is_av(block: ExifBlock, _: random.Random) -> bool:
    true = block.first(FNUMBER)
    if not true or not 3 <= true <= 32 or abs(true - 2 * math.log2(true)) < 0.3:
        return False  # 3.6 in place of 3.5 does no harm
    av = round(2000 * math.log2(true))
    return block.write(AV, RATIONAL, (av, 1000)) and block.write(FNUMBER, RATIONAL, (av, 1000))


def f_number_below_lens(block: ExifBlock, _: random.Random) -> bool:
    block.remove(AV)
    lens = (24, 1, 70, 1, 40, 10, 40, 10)
    return block.write(LENS_SPEC, RATIONAL, lens) and block.write(FNUMBER, RATIONAL, (18, 10))


def f_number_below_maximum(block: ExifBlock, _: random.Random) -> bool:
    block.remove(AV)
    block.remove(LENS_SPEC)
    return block.write(MAX_AV, RATIONAL, (4, 1)) and block.write(FNUMBER, RATIONAL, (18, 10))


def time_with_tv(change: Callable[[float], float]) -> Plant:
    """Change the exposure time; ShutterSpeedValue is that of the true one."""

    def plant(block: ExifBlock, _: random.Random) -> bool:
        true = block.first(TIME)
        if not true or not 1 / 8000 <= true <= 1 / 8:
            return False
        tv = -math.log2(true)
        written = change(true)
        top, bottom = (
            (round(written * 1000), 1000) if written >= 1 else (1000, round(1000 / written))
        )
        return block.write(TV, SRATIONAL, (round(tv * 1000), 1000)) and block.write(
            TIME, RATIONAL, (top, bottom)
        )

    return plant


def iso(kind_: int, *values: int) -> Plant:
    """Write the ISO; the precise tags of Exif 2.3 are removed."""

    def plant(block: ExifBlock, _: random.Random) -> bool:
        for tag in PRECISE_ISO:
            block.remove(tag)
        return block.write(ISO, kind_, values if kind_ != ASCII else bytes(values))

    return plant


def beyond_block(tag: int) -> Plant:
    """Point the value of a tag behind the end of the block."""

    def plant(block: ExifBlock, _: random.Random) -> bool:
        at = block.entry(tag)
        if not at:
            return False
        block.put(at + 2, "HII", RATIONAL, 1, 0x7FFF_0000)
        return True

    return plant


def pointer(to: Callable[[ExifBlock, random.Random], int]) -> Plant:
    """Move the pointer to the Exif directory."""

    def plant(block: ExifBlock, rng: random.Random) -> bool:
        at = block.entry(EXIF_POINTER, exif=False)
        if not at or not block.entry(FNUMBER):
            return False
        block.put(at + 8, "I", to(block, rng))
        return True

    return plant


def count_of_exif(count: int) -> Plant:
    def plant(block: ExifBlock, _: random.Random) -> bool:
        place = block.directory(EXIF_POINTER)
        if not place:
            return False
        block.put(place, "H", count)
        return True

    return plant


def types_of_exif(block: ExifBlock, rng: random.Random) -> bool:
    """Write impossible types into all entries of the Exif directory."""
    places = block.entries(block.directory(EXIF_POINTER))
    for at in places:
        block.put(at + 2, "H", rng.randint(40, 9000))
    return len(places) > 3


def loop(block: ExifBlock, _: random.Random) -> bool:
    """Let the first directory be followed by itself."""
    start = block.directory()
    end = start + 2 + 12 * block.number(start, "H")
    if end + 4 > len(block.block):
        return False
    block.put(end, "I", start)
    return True


def long_loop(block: ExifBlock, _: random.Random) -> bool:
    """Let the directory of the thumbnail be followed by the first one."""
    start = block.directory()
    following = block.number(start + 2 + 12 * block.number(start, "H"))
    end = (
        following + 2 + 12 * block.number(following, "H")
        if 8 <= following < len(block.block) - 2
        else 0
    )
    if not end or end + 4 > len(block.block):
        return False
    block.put(end, "I", start)
    return True


def cut_block(block: ExifBlock, _: random.Random) -> bool:
    """End the block in the middle of the Exif directory."""
    places = block.entries(block.directory(EXIF_POINTER))
    if len(places) < 6 or places.start < block.directory():
        return False
    del block.block[places[len(places) // 2] + 3 :]
    return True


def noise_block(block: ExifBlock, rng: random.Random) -> bool:
    """Replace everything behind the header by noise."""
    block.block[8:] = rng.randbytes(len(block.block) - 8)
    return True


def other_byte_order(block: ExifBlock, _: random.Random) -> bool:
    block.block[:4] = b"MM\0*" if block.block[:2] == b"II" else b"II*\0"
    return True


def latitude(degrees: int, minutes: int) -> Plant:
    def plant(block: ExifBlock, _: random.Random) -> bool:
        places = block.entries(block.directory(GPS_POINTER))
        at = next((place for place in places if block.number(place, "H") == 2), 0)
        if not at:
            return False
        block.put(at + 2, "HII", RATIONAL, 3, len(block.block))
        size = len(block.block)
        block.block += bytes(24)
        block.put(size, "6I", degrees, 1, minutes, 1, 0, 1)
        return True

    return plant


def noise_text(tag: int, *, exif: bool) -> Plant:
    return lambda block, rng: block.write(
        tag, ASCII, rng.randbytes(20).replace(b"\0", b"\x81") + b"\0", exif=exif
    )


def no_camera(block: ExifBlock, _: random.Random) -> bool:
    """Leave the name of a program only."""
    done = block.write(SOFTWARE, ASCII, b"Some Editor 2\0", exif=False)
    for tag in (MAKE, MODEL, EXIF_POINTER):
        block.remove(tag, exif=False)
    return done


def taken(value: bytes) -> Plant:
    return lambda block, _: block.write(TAKEN, ASCII, value + b"\0")


def taken_after_change(block: ExifBlock, _: random.Random) -> bool:
    return block.write(TAKEN, ASCII, b"2019:05:05 10:00:00\0") and block.write(
        CHANGED, ASCII, b"2011:01:01 10:00:00\0", exif=False
    )


def brightness(value: int) -> Plant:
    def plant(block: ExifBlock, _: random.Random) -> bool:
        n, t, speed = (block.first(tag) for tag in (FNUMBER, TIME, ISO))
        if not n or not t or not speed:
            return False
        true = 2 * math.log2(n) - math.log2(t) - math.log2(speed / 3.125)
        wrong = true + value if -11 < true + value < 15 else true - value
        return block.write(BV, SRATIONAL, (round(wrong * 100), 100)) and block.write(
            BIAS, SRATIONAL, (0, 1)
        )

    return plant


def lost_f_number(block: ExifBlock, _: random.Random) -> bool:
    """Remove FNumber; ApertureValue has it."""
    true = block.first(FNUMBER)
    if not true or not 1.2 <= true <= 32:
        return False
    done = block.write(AV, RATIONAL, (round(2000 * math.log2(true)), 1000))
    block.remove(FNUMBER)
    return done


def focal(mm: int, equivalent: int) -> Plant:
    return lambda block, _: (
        block.write(FOCAL, RATIONAL, (mm, 1)) and block.write(FOCAL_35, SHORT, (equivalent,))
    )


def focal_outside_lens(block: ExifBlock, _: random.Random) -> bool:
    lens = (24, 1, 70, 1, 0, 0, 0, 0)
    return block.write(LENS_SPEC, RATIONAL, lens) and block.write(FOCAL, RATIONAL, (200, 1))


STRUCTURE = ("exif_structure_damaged", "exif_unreadable", "exif_pointer_broken")
LOST = ("exif_pointer_broken", "exif_unreadable")
TIME_APEX, F_APEX = "exposure_time_contradicts_apex", "f_number_contradicts_apex"

KINDS: dict[str, Kind] = {
    "FNumber 0/1": kind(rational(FNUMBER, 0, 1), "f_number_not_positive"),
    "FNumber 0/0": kind(rational(FNUMBER, 0, 0), "f_number_not_finite"),
    "FNumber 28/0": kind(rational(FNUMBER, 28, 0), "f_number_not_finite"),
    "FNumber -28/10": kind(rational(FNUMBER, -28, 10), "f_number_not_positive"),
    "FNumber 900": kind(without_apex(rational(FNUMBER, 900, 1), AV), "f_number_out_of_range"),
    "FNumber 0.3": kind(without_apex(rational(FNUMBER, 3, 10), AV), "f_number_out_of_range"),
    "FNumber 2^32-1": kind(
        without_apex(rational(FNUMBER, 2**31 - 1, 1), AV), "f_number_out_of_range"
    ),
    "FNumber as text 'unknown'": kind(text(FNUMBER, b"unknown"), "f_number_not_a_number"),
    "FNumber as noise": kind(text(FNUMBER, b"\x8f\x93qz\x81"), "f_number_not_a_number"),
    "FNumber behind the block": kind(beyond_block(FNUMBER), "exif_structure_damaged"),
    "FNumber ten times": kind(f_number_with_av(10), F_APEX, "f_number_out_of_range"),
    "FNumber 2 stops more": kind(f_number_with_av(1, 2), F_APEX),
    "FNumber is ApertureValue": kind(f_number_is_av, F_APEX),
    "FNumber below the lens": kind(f_number_below_lens, "f_number_below_lens_minimum"),
    "FNumber below MaxApertureValue": kind(f_number_below_maximum, "f_number_below_lens_minimum"),
    "FNumber lost, ApertureValue left": kind(lost_f_number, "f_number_from_apex"),
    "ISO 0": kind(iso(SHORT, 0), "iso_not_positive"),
    "ISO 1": kind(iso(SHORT, 1), "iso_out_of_range"),
    "ISO 65535": kind(iso(SHORT, 65535), "iso_saturated"),
    "ISO 9 million": kind(iso(LONG, 9_000_000), "iso_out_of_range"),
    "ISO -100": kind(iso(SSHORT, -100), "iso_not_positive"),
    "ISO 5": kind(iso(SHORT, 5), "iso_unusual"),
    "ISO as text 'auto'": kind(iso(ASCII, *b"auto\0"), "iso_not_a_number"),
    "ISO behind the block": kind(beyond_block(ISO), "exif_structure_damaged"),
    "ExposureTime 0/125": kind(rational(TIME, 0, 125), "exposure_time_not_positive"),
    "ExposureTime 0/0": kind(rational(TIME, 0, 0), "exposure_time_not_finite"),
    "ExposureTime 1/0": kind(rational(TIME, 1, 0), "exposure_time_not_finite"),
    "ExposureTime -1/125": kind(rational(TIME, -1, 125), "exposure_time_not_positive"),
    "ExposureTime of a day": kind(
        without_apex(rational(TIME, 86_400, 1), TV), "exposure_time_out_of_range"
    ),
    "ExposureTime 1/10^7": kind(
        without_apex(rational(TIME, 1, 10**7), TV), "exposure_time_out_of_range"
    ),
    "ExposureTime as text 'bulb'": kind(text(TIME, b"bulb"), "exposure_time_not_a_number"),
    "ExposureTime behind the block": kind(beyond_block(TIME), "exif_structure_damaged"),
    "ExposureTime inverted": kind(time_with_tv(lambda t: 1 / t), TIME_APEX),
    "ExposureTime in milliseconds": kind(
        time_with_tv(lambda t: 1000 * t), TIME_APEX, "exposure_time_out_of_range"
    ),
    "ExposureTime is ShutterSpeedValue": kind(time_with_tv(lambda t: -math.log2(t)), TIME_APEX),
    "ExposureTime 3 stops more": kind(time_with_tv(lambda t: 8 * t), TIME_APEX),
    "Exif pointer behind the block": kind(pointer(lambda b, _: len(b.block) + 999), *LOST),
    "Exif pointer 0": kind(pointer(lambda *_: 0), *LOST),
    "Exif pointer 2^32-1": kind(pointer(lambda *_: 2**32 - 1), *LOST),
    "Exif pointer to the first directory": kind(pointer(lambda b, _: b.directory()), *LOST),
    "Exif pointer 2 bytes off": kind(pointer(lambda b, _: b.directory(EXIF_POINTER) + 2), *LOST),
    "Exif pointer to the last bytes": kind(pointer(lambda b, _: len(b.block) - 5), *LOST),
    "Exif directory of 65,535 entries": kind(count_of_exif(65_535), *STRUCTURE),
    "Exif directory of 0 entries": kind(count_of_exif(0), *LOST),
    "Exif directory of impossible types": kind(types_of_exif, *LOST),
    "first directory follows itself": kind(loop, "exif_structure_damaged", is_stored=False),
    "thumbnail directory leads back": kind(long_loop, "exif_structure_damaged", is_stored=False),
    "block cut": kind(cut_block, *STRUCTURE),
    "block of noise": kind(noise_block, *STRUCTURE),
    "other byte order": kind(other_byte_order, *STRUCTURE),
    "no camera, a program": kind(no_camera, "exif_software_only"),
    "latitude 200 degrees": kind(latitude(200, 0), "gps_implausible", is_stored=False),
    "latitude 45 degrees 99 minutes": kind(latitude(45, 99), "gps_implausible", is_stored=False),
    "Make of noise": kind(noise_text(MAKE, exif=False), "camera_name_garbled"),
    "Model of noise": kind(noise_text(MODEL, exif=False), "camera_name_garbled"),
    "Make of 300 letters": kind(text(MAKE, b"Canon" * 60, exif=False), "camera_name_garbled"),
    "bias overflow": kind(rational(BIAS, 2**32 - 7, 10), "exposure_bias_implausible"),
    "bias 100 EV": kind(
        lambda b, _: b.write(BIAS, SRATIONAL, (100, 1)), "exposure_bias_implausible"
    ),
    "bias 1/0": kind(lambda b, _: b.write(BIAS, SRATIONAL, (1, 0)), "exposure_bias_implausible"),
    "brightness 10 EV off": kind(brightness(10), "brightness_contradicts"),
    "orientation 9": kind(
        lambda b, _: b.write(ORIENTATION, SHORT, (9,), exif=False), "orientation_invalid"
    ),
    "focal length 4 mm like 3000": kind(focal(4, 3000), "focal_length_implausible"),
    "focal length 200 mm like 28": kind(focal(200, 28), "focal_length_implausible"),
    "focal length outside the lens": kind(focal_outside_lens, "focal_length_outside_lens"),
    "date 0000": kind(taken(b"0000:00:00 00:00:00"), "date_implausible"),
    "date of month 13": kind(taken(b"2015:13:05 10:00:00"), "date_implausible"),
    "date of 1960": kind(taken(b"1960:01:05 10:00:00"), "date_implausible"),
    "date of 2090": kind(taken(b"2090:01:05 10:00:00"), "date_implausible"),
    "date of noise": kind(taken(b"\x81\x92qq\x05zz"), "date_implausible"),
    "date of an unset clock": kind(taken(b"1980:01:01 00:00:12"), "clock_unset"),
    "taken after the last change": kind(taken_after_change, "date_implausible"),
    "MakerNote of noise": kind(
        lambda b, rng: (
            bool(b.entry(MAKER_NOTE)) and b.write(MAKER_NOTE, UNDEFINED, rng.randbytes(900))
        ),
        "maker_note_garbled",
        is_stored=False,
    ),
}
