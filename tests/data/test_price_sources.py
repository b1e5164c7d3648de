"""Prices from the sample, from Parquet and from CSV."""

from __future__ import annotations

import pandas as pd
import pytest

import wf_dagster
from tests.data.prices import walk, write
from wf_dagster.data import CsvPrices, ParquetPrices, SamplePrices, price_source
from wf_dagster.errors import DataError

KINDS = {".parquet": ParquetPrices, ".csv": CsvPrices}


@pytest.fixture(params=list(KINDS))
def suffix(request) -> str:
    return request.param


def test_the_sample_is_real_and_complete():
    source = SamplePrices()
    frame = source.load()
    assert frame.index.names == ["datetime", "instrument"]
    assert frame.index.is_monotonic_increasing
    assert frame.index.is_unique
    assert frame.index.unique("instrument").size == 20
    assert str(source.sessions()[0].date()) == "1990-01-02"
    assert str(source.last_session().date()) == "2022-12-28"
    pd.testing.assert_frame_equal(SamplePrices().load(), frame)  # now from its copy


def test_a_file_gives_back_what_was_written(tmp_path, suffix):
    frame = walk()
    source = price_source(write(tmp_path / f"prices{suffix}", frame))
    assert isinstance(source, KINDS[suffix])
    expected = frame.set_index(["datetime", "instrument"]).sort_index()
    pd.testing.assert_frame_equal(source.load(), expected, check_freq=False)
    assert list(source.sessions()) == list(frame["datetime"].unique())


def test_a_folder_is_one_source(tmp_path, suffix):
    frame = walk()
    for name, part in frame.groupby("instrument"):
        write(tmp_path / f"{name}{suffix}", part)
    expected = frame.set_index(["datetime", "instrument"]).sort_index()
    pd.testing.assert_frame_equal(price_source(tmp_path).load(), expected, check_freq=False)


def test_instruments_that_look_like_numbers_stay_texts(tmp_path, suffix):
    frame = walk(instruments=1).assign(instrument="0700")
    source = price_source(write(tmp_path / f"p{suffix}", frame))
    assert source.load().index.unique("instrument").tolist() == ["0700"]


def test_a_choice_of_fields_instruments_and_dates(tmp_path):
    source = price_source(write(tmp_path / "p.parquet", walk()))
    days = source.sessions()
    frame = source.load(["volume"], ["S1", "S3"], start=days[5], end=days[7])
    assert list(frame.columns) == ["volume"]
    assert len(frame) == 6
    assert frame.index.unique("datetime").tolist() == list(days[5:8])


def test_a_replay_date_hides_later_rows_everywhere(tmp_path):
    path = write(tmp_path / "p.parquet", walk())
    whole = price_source(path)
    day = whole.sessions()[100]
    source = price_source(path, as_of=day)
    assert source.last_session() == source.sessions()[-1] == day
    assert source.load().index.get_level_values("datetime").max() == day
    assert source.version() != whole.version()
    again = price_source(source.spec())
    assert again.last_session() == day
    assert again.version() == source.version()


def test_a_replay_date_on_a_holiday_shows_the_session_before():
    assert str(SamplePrices(as_of="2020-07-04").last_session().date()) == "2020-07-02"


def test_the_settings_choose_the_source(tmp_path):
    path = write(tmp_path / "p.csv", walk())
    wf_dagster.init(prices=path, as_of="2020-03-02")
    assert isinstance(price_source(), CsvPrices)
    assert str(price_source().last_session().date()) == "2020-03-02"


def test_the_version_follows_the_content_not_the_name(tmp_path, suffix):
    frame = walk()
    path = tmp_path / f"p{suffix}"
    before = price_source(write(path, frame)).version()
    assert price_source(write(path, frame)).version() == before
    frame.loc[3, "close"] *= 1.01
    assert price_source(write(path, frame)).version() != before


def _twice(frame):
    return pd.concat([frame, frame.iloc[[7]]])


def _unsorted(frame):
    return frame.iloc[::-1]


BAD = {
    "duplicate rows": (_twice, "1 duplicate rows, the first for S1 on 2020-01-02"),
    "unsorted rows": (_unsorted, "is not sorted.*sort it by datetime and instrument"),
    "time zone": (
        lambda f: f.assign(datetime=f["datetime"].dt.tz_localize("UTC")),
        "time zone UTC",
    ),
    "time of day": (lambda f: f.assign(datetime=f["datetime"] + pd.Timedelta("9h")), "time of day"),
    "no instrument column": (lambda f: f.drop(columns="instrument"), "no column 'instrument'"),
    "no close column": (lambda f: f.drop(columns="close"), r"no column 'close' \(found: "),
    "a text among closes": (
        lambda f: f.assign(close=f["close"].astype(str).where(f.index != 4, "n/a!")),
        "row 5: close is 'n/a!', not a number",
    ),
    "a close of zero": (
        lambda f: f.assign(close=f["close"].where(f.index != 4, 0.0)),
        "row 5: close is not positive",
    ),
    "a missing instrument": (
        lambda f: f.assign(instrument=f["instrument"].where(f.index != 2, None)),
        "row 3 has no instrument",
    ),
    "a text for a date": (
        lambda f: f.assign(datetime=f["datetime"].astype(str).where(f.index != 1, "soon")),
        "row 2: datetime is 'soon', not an ISO date",
    ),
    "no rows": (lambda f: f.iloc[:0], "holds no rows"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_one_message_that_names_the_place(tmp_path, suffix, what):
    damage, message = BAD[what]
    path = write(tmp_path / f"bad{suffix}", damage(walk(30)))
    with pytest.raises(DataError, match=rf"bad\{suffix}.*{message}"):
        price_source(path).load()


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"none\.parquet does not exist.*WF_PRICES"):
        price_source(tmp_path / "none.parquet").load()


def test_a_file_that_is_something_else(tmp_path):
    path = tmp_path / "p.parquet"
    path.write_text("no parquet at all")
    with pytest.raises(DataError, match=r"p\.parquet cannot be read as parquet"):
        price_source(path).load()


def test_a_kind_of_file_that_is_unknown(tmp_path):
    with pytest.raises(DataError, match=r"prices='.*\.xls' is no price source.*\.csv"):
        price_source(tmp_path / "p.xls")


def test_the_same_row_in_two_files_of_a_folder(tmp_path, suffix):
    write(tmp_path / f"a{suffix}", walk(10))
    write(tmp_path / f"b{suffix}", walk(10))
    with pytest.raises(DataError, match="hold S0 on 2020-01-01 more than once"):
        price_source(tmp_path).load()


def test_a_replay_date_before_the_first_price(tmp_path):
    path = write(tmp_path / "p.parquet", walk(10))
    with pytest.raises(DataError, match="no prices at or before as_of=2019-12-31"):
        price_source(path, as_of="2019-12-31").load()


def test_instruments_that_select_nothing_and_fields_that_are_unknown(tmp_path):
    source = price_source(write(tmp_path / "p.parquet", walk(10)))
    with pytest.raises(DataError, match=r"\['ZZZ'\] select nothing .* holds S0, S1"):
        source.load(instruments=["ZZZ"])
    with pytest.raises(DataError, match="no field 'open': it has close, volume"):
        source.load(fields=["open"])
