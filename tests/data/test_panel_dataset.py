"""The dataset protocol that Qlib's models use."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from tests.data.prices import walk, write
from wf_dagster.data import PanelDataset
from wf_dagster.errors import DataError, TaskError

SEGMENTS = {"train": ("2020-03-02", "2020-09-30"), "test": ("2020-11-02", "2020-12-31")}
PROCESSORS = {
    "infer_processors": [{"class": "ZScoreNorm"}, "Fillna"],
    "learn_processors": [
        "DropnaLabel",
        {"class": "CSZScoreNorm", "kwargs": {"fields_group": "label"}},
    ],
}


@pytest.fixture
def prices(tmp_path) -> str:
    return write(tmp_path / "prices.parquet", walk())


@pytest.fixture
def dataset(prices) -> PanelDataset:
    features = "wf_dagster.data.features.reversal"
    return PanelDataset(SEGMENTS, features, prices=prices, **PROCESSORS)


def test_a_segment_has_its_sessions_both_ends_included(dataset):
    days = dataset.prepare("test").index.get_level_values("datetime")
    assert str(days.min().date()) == "2020-11-02"
    assert str(days.max().date()) == "2020-12-31"


def test_one_group_has_flat_columns_several_have_two_levels(dataset):
    assert list(dataset.prepare("test", "feature").columns) == [
        "reversal_1",
        "reversal_2",
        "reversal_3",
    ]
    assert list(dataset.prepare("test", "label").columns) == ["label"]
    assert dataset.prepare("test", ["feature", "label"]).columns.nlevels == 2
    assert dataset.prepare("test", "__all").columns.nlevels == 2
    assert dataset.prepare("test", ["label"]).columns.tolist() == [("label", "label")]


def test_a_list_of_segments_gives_a_list_of_frames(dataset):
    train, test = dataset.prepare(["train", "test"], "feature")
    pd.testing.assert_frame_equal(train, dataset.prepare("train", "feature"))
    pd.testing.assert_frame_equal(test, dataset.prepare("test", "feature"))


def test_a_slice_of_dates_is_a_segment(dataset):
    frame = dataset.prepare(slice("2020-11-02", "2020-11-03"))
    assert len(frame) == 12
    assert frame.equals(dataset.prepare("test").iloc[:12])


def test_a_far_end_stands_for_an_open_one(dataset):
    far = dataset.prepare(slice("2020-11-02", "9999-12-31"))
    assert far.equals(dataset.prepare(slice("2020-11-02", None)))


def test_raw_infer_and_learn_data(dataset):
    raw, infer, learn = (dataset.prepare("train", data_key=k) for k in ("raw", "infer", "learn"))
    np.testing.assert_allclose(infer["feature"].mean(), 0, atol=1e-9)
    assert abs(raw["feature"].to_numpy().std() - 1) > 0.5
    pd.testing.assert_frame_equal(raw["label"], infer["label"])
    by_day = learn["label"].groupby("datetime")
    np.testing.assert_allclose(by_day.mean(), 0, atol=1e-9)
    np.testing.assert_allclose(by_day.std(), 1)


def test_processing_one_segment_does_not_change_another(dataset):
    before = dataset.prepare("test", data_key="raw").copy()
    for key in ("learn", "infer"):
        dataset.prepare("train", data_key=key)
    pd.testing.assert_frame_equal(dataset.prepare("test", data_key="raw"), before)


def test_a_pickle_holds_the_fitted_processors_and_no_data(dataset):
    expected = dataset.prepare("test", "feature")
    content = pickle.dumps(dataset)
    assert len(content) < 5000
    again = pickle.loads(content)
    again.config(segments={**SEGMENTS, "train": ("2020-03-02", "2020-03-03")})
    pd.testing.assert_frame_equal(again.prepare("test", "feature"), expected)


def test_new_prices_are_read_when_asked_for(tmp_path, dataset):
    before = dataset.prepare("test", "feature", "raw")
    frame = walk()
    frame.loc[frame["datetime"] > "2020-12-01", "close"] *= 1.5
    write(tmp_path / "prices.parquet", frame)
    dataset.setup_data()
    after = dataset.prepare("test", "feature", "raw")
    assert after.loc[:"2020-12-01"].equals(before.loc[:"2020-12-01"])
    assert not after.equals(before)


def test_an_instrument_that_comes_late_and_one_that_leaves_have_rows_while_they_trade(tmp_path):
    frame = walk()
    late = (frame["instrument"] == "S0") & (frame["datetime"] < "2020-11-10")
    gone = (frame["instrument"] == "S1") & (frame["datetime"] > "2020-11-20")
    path = write(tmp_path / "p.parquet", frame[~late & ~gone])
    rows = PanelDataset(SEGMENTS, prices=path).prepare("test").index
    names = rows.get_level_values("instrument")
    days = rows.get_level_values("datetime")
    assert str(days[names == "S0"].min().date()) == "2020-11-10"
    assert str(days[names == "S1"].max().date()) == "2020-11-20"


def test_what_is_not_there_is_named(dataset):
    with pytest.raises(
        DataError, match="segment 'valid' is not there: the dataset has train, test"
    ):
        dataset.prepare("valid")
    with pytest.raises(DataError, match="data_key 'DK_I' is unknown: use one of raw, infer, learn"):
        dataset.prepare("test", data_key="DK_I")
    with pytest.raises(DataError, match="handler cannot be configured"):
        dataset.config(handler=1)


def test_a_segment_without_rows_says_what_there_is(prices):
    dataset = PanelDataset({**SEGMENTS, "test": ("2030-01-01", None)}, prices=prices)
    with pytest.raises(
        DataError, match=r"test \(2030-01-01 to open\) has no rows.*2020-01-01 to 20"
    ):
        dataset.prepare("test")


def test_features_that_are_all_empty_are_refused(prices):
    dataset = PanelDataset(SEGMENTS, "tests.data.prices.nothing", prices=prices)
    with pytest.raises(DataError, match="all features of the train segment are empty"):
        dataset.prepare("test")


def test_an_empty_universe_is_refused(prices):
    dataset = PanelDataset(SEGMENTS, prices=prices, instruments=["NONE"])
    with pytest.raises(DataError, match=r"\['NONE'\] select nothing"):
        dataset.prepare("test")


def test_a_processor_that_does_not_exist_is_named_with_its_place(prices):
    with pytest.raises(TaskError, match=r"dataset\.kwargs\.infer_processors\.1"):
        PanelDataset(SEGMENTS, prices=prices, infer_processors=["Fillna", {"class": "Nope"}])
