import polars as pl

from curation.run.inherited_settings import inherit_settings

PICTURES = pl.DataFrame(
    {
        "asset_sha256": ["a", "b", "c", "d"],
        "f_number": [None, 2.8, 4.0, None],
        "iso": [None, 400.0, None, None],
        "exposure_time": [0.1, 0.01, None, None],
        "camera": [None, "acme one", "acme two", None],
        "taken_at": [None, None, None, None],
        "kept_too": [1, 2, 3, 4],
    },
    schema_overrides={"taken_at": pl.Datetime("us")},
)
GROUPS = pl.DataFrame(
    {
        "group_id": ["a", "a", "a"],
        "asset_sha256": ["a", "b", "c"],
        "is_keeper": [True, False, False],
    }
)


def test_a_keeper_takes_what_it_lacks_from_the_copy_that_knows_most() -> None:
    inherited = inherit_settings(PICTURES, GROUPS)
    keeper = inherited.pictures.row(0, named=True)
    assert (keeper["f_number"], keeper["iso"], keeper["exposure_time"]) == (2.8, 400.0, 0.1)
    assert keeper["camera"] == "acme one"
    assert inherited.filled == {"a": "f_number, iso"}
    assert inherited.pictures.columns == PICTURES.columns


def test_records_of_one_group_that_contradict_each_other_are_noted() -> None:
    assert inherit_settings(PICTURES, GROUPS).conflicts == {"a": "f_number, exposure_time"}


def test_pictures_outside_groups_stay_as_they_were() -> None:
    inherited = inherit_settings(PICTURES, GROUPS.clear())
    assert inherited.pictures.equals(PICTURES)
    assert inherited.filled == {}
    assert inherited.conflicts == {}
