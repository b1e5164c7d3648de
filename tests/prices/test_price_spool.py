"""The copy of prices that runs read from a host's repository: parts, marks, and one file."""

from __future__ import annotations

import datetime as dt
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from filelock import FileLock

import wf_dagster
from wf_dagster.errors import DataError
from wf_dagster.market import Market
from wf_dagster.prices.price_spool import Mark, PriceSpool, SpoolOwner, Unknown
from wf_dagster.prices.spooled import SpooledPrices

OWNER = SpoolOwner("asset fund/prices")


def _day(day: str, *closes: float, names: str = "AB", **fields: object) -> pd.DataFrame:
    columns = {"datetime": pd.Timestamp(day), "instrument": list(names[: len(closes)])}
    return pd.DataFrame({**columns, "close": closes, **fields})


class Parts:
    """The parts of made prices, and which of them were read."""

    def __init__(self) -> None:
        self.frames = {"mon": _day("2024-01-01", 1.0, 2.0), "tue": _day("2024-01-02", 3.0, 4.0)}
        self.marks: dict[str, Mark] = {"mon": "1", "tue": "1"}
        self.read: list[str] = []

    def __call__(self, part: str) -> object:
        self.read.append(part)
        return self.frames[part]

    def update(self, owner: SpoolOwner = OWNER):
        self.read.clear()
        return PriceSpool("prices").update(owner, self.marks, self)


@pytest.fixture
def parts() -> Parts:
    return Parts()


def _closes() -> dict[tuple[str, str], float]:
    close = SpooledPrices("prices").load()["close"]
    return {(f"{day:%m-%d}", name): value for (day, name), value in close.items()}


def test_only_what_changed_is_read_again(parts):
    assert parts.update().rows == 4
    assert parts.read == ["mon", "tue"]
    before = SpooledPrices("prices").version()
    assert parts.update().read == []
    parts.frames["tue"], parts.marks["tue"] = _day("2024-01-02", 30.0, 40.0), "2"
    assert parts.update().read == ["tue"]
    assert _closes() == {
        ("01-01", "A"): 1.0,
        ("01-01", "B"): 2.0,
        ("01-02", "A"): 30.0,
        ("01-02", "B"): 40.0,
    }
    assert SpooledPrices("prices").version() != before


def test_a_part_that_is_gone_takes_its_rows_along(parts):
    parts.update()
    del parts.marks["mon"]
    assert parts.update().gone == ["mon"]
    assert set(_closes()) == {("01-02", "A"), ("01-02", "B")}


def test_the_same_prices_again_are_no_other_version(parts):
    parts.update()
    before = SpooledPrices("prices").version()
    parts.marks = {"mon": "2", "tue": None}
    assert parts.update().read == ["mon", "tue"]
    assert parts.update().read == ["tue"]  # what has no mark is always read
    assert SpooledPrices("prices").version() == before


def test_parts_may_lie_across_one_another_and_some_have_no_rows(parts):
    """By exchange: each part has all days; the order of rows is that of days all the same."""
    parts.frames = {
        "XNYS": pd.concat([_day("2024-01-01", 1.0, sector="oil"), _day("2024-01-02", 2.0)]),
        "XLON": pd.concat([_day("2024-01-01", 3.0, names="Z"), _day("2024-01-02", 4.0, names="Z")]),
        "XTKS": _day("2024-01-01"),
        "XSHG": None,
    }
    parts.marks = dict.fromkeys(parts.frames, "1")
    parts.update()
    assert _closes() == {
        ("01-01", "A"): 1.0,
        ("01-01", "Z"): 3.0,
        ("01-02", "A"): 2.0,
        ("01-02", "Z"): 4.0,
    }
    parts.marks["XLON"], parts.frames["XLON"] = "2", _day("2024-01-02", 5.0, names="Z")
    parts.update()
    assert _closes() == {("01-01", "A"): 1.0, ("01-02", "A"): 2.0, ("01-02", "Z"): 5.0}
    sectors = SpooledPrices("prices").load()["sector"]
    assert sectors.dropna().astype(str).tolist() == ["oil"]


@pytest.mark.parametrize("kind", ["polars", "lazy", "arrow", "dates"])
def test_frames_of_other_libraries_are_prices_too(parts, kind):
    frame = _day("2024-01-01", 1.0, 2.0)
    dates = pl.DataFrame(
        {"datetime": [dt.date(2024, 1, 1)] * 2, "instrument": ["A", "B"], "close": [1.0, 2.0]}
    )
    parts.frames = {
        "": {
            "polars": pl.from_pandas(frame),
            "lazy": pl.from_pandas(frame).lazy(),
            "arrow": pa.Table.from_pandas(frame),
            "dates": dates,
        }[kind]
    }
    parts.marks = {"": "1"}
    parts.update()
    assert _closes() == {("01-01", "A"): 1.0, ("01-01", "B"): 2.0}


def test_there_is_one_file_however_often_it_was_written(parts):
    for number in range(5):
        parts.marks["tue"], parts.frames["tue"] = str(number), _day("2024-01-02", number + 1.0)
        parts.update()
    names = sorted(path.name for path in PriceSpool("prices").folder.iterdir())
    assert names == ["lock", "parts.npy", "prices.parquet", "spool.json"]


def test_a_file_that_was_tampered_with_is_read_anew(parts):
    parts.update()
    PriceSpool("prices").file.write_bytes(b"")
    assert parts.update().read == ["mon", "tue"]
    assert len(_closes()) == 4


def test_the_source_is_the_same_wherever_its_home_is(parts, monkeypatch, tmp_path):
    parts.update()
    source = SpooledPrices("prices", as_of="2024-01-01")
    pickled = pickle.dumps(source)
    assert str(tmp_path).encode() not in pickled
    assert pickle.loads(pickled).load()["close"].tolist() == [1.0, 2.0]
    market = Market({"class": "wf_dagster.prices.SpooledPrices", "kwargs": {"name": "prices"}})
    assert market.prices.spec() == SpooledPrices("prices").spec()
    assert market.prices.last_session() == pd.Timestamp("2024-01-02")
    monkeypatch.setenv("WF_HOME", str(tmp_path / "other"))
    wf_dagster.init()
    with pytest.raises(DataError, match=r"the prices 'prices' were not read yet: a run of a"):
        pickle.loads(pickled).load()


# what is no price, or of somebody else


def test_the_same_row_in_two_parts_names_both(parts):
    parts.frames["tue"] = _day("2024-01-01", 3.0)
    with pytest.raises(DataError, match=r"A on 2024-01-01 is in more than one partition \(mon and"):
        parts.update()


def test_a_part_that_holds_no_prices_is_named(parts):
    parts.frames["tue"] = parts.frames["tue"].drop(columns="close")
    with pytest.raises(DataError, match=r"asset fund/prices, tue has no column 'close'"):
        parts.update()
    parts.frames["tue"] = [1, 2]
    with pytest.raises(DataError, match=r"asset fund/prices, tue gave a list, not a frame of"):
        parts.update()


def test_prices_without_any_row_are_refused(parts):
    parts.frames = {"mon": None, "tue": None}
    with pytest.raises(DataError, match=r"asset fund/prices holds no rows: materialize it"):
        parts.update()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (OWNER, SpoolOwner("resource warehouse")),
        (SpoolOwner("asset fund/prices", "east"), SpoolOwner("asset fund/prices", "west")),
    ],
)
def test_prices_of_somebody_else_are_not_replaced(parts, first, second):
    parts.update(first)
    with pytest.raises(DataError, match=rf"are those of {first}, and {second} would replace them"):
        parts.update(second)
    assert len(_closes()) == 4
    parts.update(SpoolOwner(first.source))  # a run whose code location is not known


# parts of which nothing is known, and runs at the same time


def test_a_part_of_which_nothing_is_known_keeps_its_rows_and_its_mark(parts):
    """A fresh Dagster instance knows one of 650 days, and later all that it knew before."""
    days = [f"{day:%Y-%m-%d}" for day in pd.bdate_range("2021-01-04", periods=650)]
    parts.frames = {day: _day(day, 1.0, 2.0) for day in days}
    parts.marks = dict.fromkeys(days, "1")
    assert parts.update().rows == 1300
    parts.frames[days[3]] = _day(days[3], 30.0, 40.0)
    parts.marks = {**dict.fromkeys(days, Unknown.MARK), days[3]: "7"}
    update = parts.update()
    assert (update.read, update.gone, update.unread) == ([days[3]], [], [])
    assert update.rows == 1300
    close = SpooledPrices("prices").load()["close"].unstack("instrument")
    assert close.index[close["A"] == 30.0].strftime("%Y-%m-%d").tolist() == [days[3]]
    parts.marks = {**dict.fromkeys(days, "1"), days[3]: "7"}
    assert parts.update().read == []


def test_a_part_of_which_nothing_was_ever_known_is_not_read(parts):
    parts.marks = {"mon": "1", "tue": Unknown.MARK}
    update = parts.update()
    assert (update.read, update.unread, update.rows) == (["mon"], ["tue"], 2)
    assert parts.update().unread == ["tue"]
    parts.marks["tue"] = "1"
    update = parts.update()
    assert (update.read, update.unread, update.rows) == (["tue"], [], 4)


def test_what_goes_on_is_reported(parts):
    days = [f"{day:%Y-%m-%d}" for day in pd.bdate_range("2021-01-04", periods=120)]
    parts.frames = {day: _day(day, 1.0) for day in days}
    messages: list[str] = []
    spool = PriceSpool("prices")
    spool.update(OWNER, dict.fromkeys(days, "1"), parts, messages.append)
    assert messages == [
        "reading 120 partitions of asset fund/prices",
        "100 of 120 partitions of asset fund/prices read",
    ]


def test_a_run_that_waits_for_another_one_says_so(parts):
    waiting = threading.Event()
    messages: list[str] = []

    def report(message: str) -> None:
        messages.append(message)
        waiting.set()

    spool = PriceSpool("prices")
    spool.folder.mkdir(parents=True)
    with ThreadPoolExecutor(1) as pool:
        with FileLock(spool.folder / "lock"):
            update = pool.submit(spool.update, OWNER, {"mon": "1"}, parts, report)
            assert waiting.wait(60)
        assert update.result(60).rows == 2
    assert messages == ["prices 'prices': another run reads them, and this one waits for it"]
