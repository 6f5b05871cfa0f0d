from datetime import datetime, timedelta

import polars as pl

from curation.rules.sessions import with_sessions

NOON = datetime(2024, 5, 1, 12)  # noqa: DTZ001 - a camera's clock has no zone


def sessions(*shots: dict[str, object], minutes: float = 10) -> list[str | None]:
    names = ("source", "folder", "photographer", "camera", "serial_sha256")
    schema = dict.fromkeys(("asset_sha256", *names), pl.String)
    times = {"taken_at": pl.Datetime("us"), "collected_at": pl.Datetime("us")}
    rows = [
        {"asset_sha256": str(place), "source": "folder", "camera": "acme 1"} | shot
        for place, shot in enumerate(shots)
    ]
    return with_sessions(pl.DataFrame(rows, schema={**schema, **times}), minutes)[
        "session"
    ].to_list()


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def test_pictures_of_one_body_without_a_long_pause_are_one_session() -> None:
    shots = [{"serial_sha256": "s", "taken_at": at(minute)} for minute in (9, 0, 18, 40, 50)]
    one, two, three, four, five = sessions(*shots)
    assert one == two == three != four
    assert four == five, "ten minutes are no long pause"
    assert len(set(sessions(*shots, minutes=30))) == 1


def test_two_bodies_never_share_a_session() -> None:
    first, second = sessions(
        {"serial_sha256": "s", "taken_at": NOON}, {"serial_sha256": "t", "taken_at": NOON}
    )
    assert first != second


def test_without_a_serial_number_the_photographer_or_folder_stands_for_the_body() -> None:
    result = sessions(
        {"photographer": "ann", "taken_at": NOON},
        {"photographer": "ann", "taken_at": at(3)},
        {"photographer": "bo", "taken_at": NOON},
        {"folder": "trip", "taken_at": NOON},
        {"folder": "trip", "taken_at": at(1)},
        {"taken_at": NOON},
    )
    assert result[0] == result[1]
    assert result[3] == result[4]
    assert len({result[0], result[2], result[3]}) == 3
    assert result[5] is None, "a model alone is no body"


def test_what_a_source_gathered_without_a_pause_is_a_session() -> None:
    faces = [{"source": "utkface", "camera": None, "collected_at": at(m)} for m in (0, 1, 30)]
    first, second, third = sessions(*faces)
    assert first == second != third
