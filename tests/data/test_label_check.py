"""Labels that were known too late are found by the dates of the prices, not by counting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.data.made_prices import made_prices
from wf_dagster.data import PanelDataset
from wf_dagster.data.label_check import window_starts
from wf_dagster.errors import DataError
from wf_dagster.market import Market
from wf_dagster.tasks import TRUNC_DAYS
from wf_dagster.tasks.late_labels import LateLabels, refuse_late_labels, segments_before_test

FEATURES = {"func": "wf_dagster.data.features.price_features", "kwargs": {"windows": [2]}}
PRICES = made_prices(sessions=140, instruments=2)  # business days from 2020-01-01 on
DAYS = pd.DatetimeIndex(PRICES["datetime"].unique())
OPEN = 100  # place of the first test session


def ahead(sessions: int) -> dict[str, Any]:
    """A label that is known so many sessions later."""
    return {
        "func": "wf_dagster.data.labels.forward_return",
        "kwargs": {"horizon": sessions - 1, "lag": 1},
    }


def own(name: str) -> str:
    return f"tests.data.look_ahead_functions.{name}"


def find(
    folder: Path, label: Any, prices: pd.DataFrame = PRICES, **segments: Any
) -> LateLabels | None:
    path = folder / "prices.parquet"
    prices.to_parquet(path)
    return PanelDataset(segments, FEATURES, label, prices=str(path)).find_late_labels()


@pytest.mark.parametrize("reach", [2, 3, 6, 30])
@pytest.mark.parametrize("early", [0, 1, 5])
def test_labels_are_known_at_the_close_of_the_first_test_session(
    tmp_path: Path, reach: int, early: int
) -> None:
    last = DAYS[OPEN - reach - early]  # its label needs the close `reach` sessions later
    test = (DAYS[OPEN], DAYS[OPEN + 10])
    assert find(tmp_path, ahead(reach), train=(DAYS[20], last), test=test) is None


@pytest.mark.parametrize("reach", [2, 3, 6, 30])
@pytest.mark.parametrize("missing", [1, 2])
def test_the_first_label_that_is_late_is_named(tmp_path: Path, reach: int, missing: int) -> None:
    missing = min(missing, reach - 1)
    last = DAYS[OPEN - reach + missing]
    late = find(tmp_path, ahead(reach), train=(DAYS[20], last), test=(DAYS[OPEN], DAYS[OPEN + 10]))
    assert late is not None
    first = DAYS[OPEN - reach + 1]
    assert late.row == f"S000 on {first:%Y-%m-%d}"
    assert late.known_on == DAYS[OPEN + 1]
    assert late.test_open == DAYS[OPEN]
    assert (late.segment, late.late) == ("train", 2 * missing)  # of two instruments
    assert late.trunc_days == reach


def test_the_valid_segment_counts_as_well(tmp_path: Path) -> None:
    late = find(
        tmp_path,
        ahead(3),
        train=(DAYS[20], DAYS[60]),
        valid=(DAYS[61], DAYS[99]),
        test=(DAYS[OPEN], None),
    )
    assert late is not None
    assert (late.segment, late.late) == ("valid", 4)


def test_sessions_are_those_of_the_prices(tmp_path: Path) -> None:
    """Nobody trades for a week that is full of sessions elsewhere."""
    holiday = pd.bdate_range("2020-04-27", "2020-05-01")
    prices = PRICES[~PRICES["datetime"].isin(holiday)]
    # seven business days before the test start: enough for six sessions, were there no holiday
    segments = {"train": ("2020-01-29", "2020-04-23"), "test": ("2020-05-04", None)}
    assert find(tmp_path, ahead(6), **segments) is None
    late = find(tmp_path, ahead(6), prices, **segments)
    assert late is not None
    # six sessions after the 20th of April: 21, 22, 23, 24, then 4 and 5 May
    assert late.row == "S000 on 2020-04-20"
    assert late.known_on == pd.Timestamp("2020-05-05")
    assert late.late == 8  # those of the 20th to the 23rd
    assert late.trunc_days == 6  # from the 17th of April to the 4th of May


def test_a_label_of_ones_own_is_asked_itself(tmp_path: Path) -> None:
    label = own("to_month_end")
    test = ("2020-06-15", None)
    assert find(tmp_path, label, train=("2020-02-03", "2020-05-29"), test=test) is None
    late = find(tmp_path, label, train=("2020-02-03", "2020-06-03"), test=test)
    assert late is not None
    assert late.row == "S000 on 2020-06-01"
    assert late.known_on == pd.Timestamp("2020-07-01")
    assert late.late == 6  # three sessions of two instruments


def test_a_suspended_instrument_makes_its_label_late(tmp_path: Path) -> None:
    is_suspended = (
        (PRICES["instrument"] == "S001")
        & (PRICES["datetime"] >= DAYS[90])
        & (PRICES["datetime"] < DAYS[110])
    )
    segments = {"train": (DAYS[20], DAYS[98]), "test": (DAYS[OPEN], None)}
    label = own("own_next_close")
    assert find(tmp_path, label, **segments) is None
    late = find(tmp_path, label, PRICES[~is_suspended], **segments)
    assert late is not None
    assert late.row == f"S001 on {DAYS[89]:%Y-%m-%d}"
    assert (late.known_on, late.late) == (DAYS[110], 1)


def test_a_label_with_a_long_memory_is_not_late(tmp_path: Path) -> None:
    prices = made_prices(sessions=300, instruments=2)
    days = pd.DatetimeIndex(prices["datetime"].unique())
    segments = {"train": (days[20], days[199]), "test": (days[200], None)}
    assert find(tmp_path, own("surprise"), prices, **segments) is None
    late = find(tmp_path, own("scaled_label"), prices, **segments)
    assert late is not None
    assert late.row == f"S000 on {days[20]:%Y-%m-%d}"
    assert late.known_on == days[-1]
    assert late.late == late.checked == 2 * 180


LONG = made_prices(sessions=700, instruments=2)
LONG_DAYS = pd.DatetimeIndex(LONG["datetime"].unique())


@pytest.mark.parametrize("reach", [63, 64, 65, 66, 121, 300])
@pytest.mark.parametrize("cut", [0, 5])
@pytest.mark.parametrize("train_start", [10, 380])
def test_labels_that_reach_far_are_counted_at_once(
    tmp_path: Path, reach: int, cut: int, train_start: int
) -> None:
    """Of train, that ends ``cut`` sessions before the test segment, all labels count."""
    segments = {
        "train": (LONG_DAYS[train_start], LONG_DAYS[399 - cut]),
        "test": (LONG_DAYS[400], None),
    }
    late = find(tmp_path, ahead(reach), LONG, **segments)
    assert late is not None
    assert late.trunc_days == reach
    first = max(400 - reach + 1, train_start)  # it needs the session after the first test one
    assert late.row == f"S000 on {LONG_DAYS[first]:%Y-%m-%d}"
    assert late.known_on == LONG_DAYS[first + reach]
    assert late.late == 2 * (400 - cut - first)
    if train_start == 10:
        segments["train"] = (LONG_DAYS[10], LONG_DAYS[400 - reach])
        assert find(tmp_path, ahead(reach), LONG, **segments) is None


def test_windows_grow_until_they_hold_all_prices() -> None:
    assert list(window_starts(63)) == list(window_starts(64)) == [0]
    assert list(window_starts(65)) == [1, 0]
    assert list(window_starts(2000)) == [2000 - 64, 2000 - 256, 2000 - 1024, 0]


def test_a_label_whose_name_comes_from_the_prices_is_named(tmp_path: Path) -> None:
    segments = {"train": (LONG_DAYS[10], LONG_DAYS[100]), "test": (LONG_DAYS[200], None)}
    with pytest.raises(DataError) as refused:
        find(tmp_path, own("label_of_last_year"), LONG, **segments)
    assert str(refused.value) == (
        "the names of labels look ahead: computed from the prices up to "
        f"{LONG_DAYS[200]:%Y-%m-%d} alone there is 'label 2020' and there is no 'label 2022', "
        "with later prices it is the other way round. A name may not depend on prices"
    )


@pytest.mark.parametrize(
    "segments",
    [
        {"train": ("2020-02-03", "2020-05-19")},
        {"train": ("2020-02-03", None)},
        {"train": ("2020-02-03", "2020-07-13"), "test": ("2020-07-14", None)},  # the last session
        {"train": ("2020-02-03", "2020-07-14"), "test": ("2020-07-15", None)},  # prices end before
    ],
)
def test_where_nothing_came_later_nothing_is_late(tmp_path: Path, segments: Any) -> None:
    assert find(tmp_path, ahead(3), **segments) is None


def test_a_replay_date_hides_the_labels_that_it_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "prices.parquet"
    PRICES.to_parquet(path)
    segments = {"train": (DAYS[20], DAYS[OPEN - 1]), "test": (DAYS[OPEN], None)}
    found = []
    for place in (OPEN, OPEN, OPEN + 1, OPEN + 1, OPEN + 2):
        market = Market(str(path)).at(DAYS[place])
        late = PanelDataset(segments, FEATURES, ahead(3), market=market).find_late_labels()
        found.append(0 if late is None else late.late)
    # at its close nothing later is known; then one session's labels of two, then those of two
    assert found == [0, 0, 2, 2, 4]


def test_segments_before_the_test_segment() -> None:
    parts = segments_before_test(
        {"fit": ("2020-01-01", "2020-03-31"), "live": ("2020-04-01", None), "all": (None, None)}
    )
    assert parts is not None
    before, test_start = parts
    assert list(before) == ["fit"]
    assert test_start == pd.Timestamp("2020-04-01")


LATE = LateLabels(
    segment="train",
    row="S003 on 2020-01-23",
    known_on=pd.Timestamp("2020-02-11"),
    test_open=pd.Timestamp("2020-02-03"),
    late=40,
    checked=640,
    trunc_days=9,
)


def test_too_few_sessions_between_are_refused() -> None:
    with pytest.raises(DataError) as refused:
        refuse_late_labels({TRUNC_DAYS: 6}, LATE)
    assert str(refused.value) == (
        "the label of S003 on 2020-01-23, in the train segment, was known on 2020-02-11 only, "
        "after the first test session 2020-02-03 had closed (40 of the last 640 labels before it):"
        " with trunc_days=9 (now 6) the generator ends the segments before such labels"
    )


def test_where_nobody_wanted_them_out_they_are_named(caplog: pytest.LogCaptureFixture) -> None:
    refuse_late_labels({}, LATE)
    (record,) = caplog.records
    assert "S003 on 2020-01-23" in record.message
    assert "trunc_days=9" in record.message
