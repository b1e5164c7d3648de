from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.data.made_prices import made_prices, with_other_future
from wf_dagster.data import PanelDataset, feature_panel
from wf_dagster.data.processors import Processor
from wf_dagster.errors import CalendarError, DataError, TaskError
from wf_dagster.market import Market
from wf_dagster.prices import ParquetPrices
from wf_dagster.tracking import R

PRICES = made_prices(sessions=60, instruments=5)
DAYS = pd.DatetimeIndex(PRICES["datetime"].unique())
FEATURES = {"func": "wf_dagster.data.features.momentum", "kwargs": {"windows": [1, 3]}}
LABEL = {"func": "wf_dagster.data.labels.forward_return", "kwargs": {"horizon": 2}}
SEGMENTS = {
    "train": (DAYS[5], DAYS[30]),
    "valid": (str(DAYS[31].date()), str(DAYS[40].date())),
    "test": (DAYS[41], None),
}
COLUMNS = [("feature", "momentum_1"), ("feature", "momentum_3"), ("label", "label")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    PRICES.to_parquet(tmp_path / "prices.parquet")
    return tmp_path / "prices.parquet"


def dataset(path: Path, **given: Any) -> PanelDataset:
    return PanelDataset(
        **{
            "segments": SEGMENTS,
            "features": FEATURES,
            "label": LABEL,
            "prices": str(path),
            "infer_processors": ["ZScoreNorm"],
            "learn_processors": [
                {"class": "DropnaLabel"},
                {"class": "CSRankNorm", "kwargs": {"fields_group": "label"}},
            ],
            **given,
        }
    )


def raw(path: Path) -> pd.DataFrame:
    return feature_panel(Market(ParquetPrices(path)), FEATURES, LABEL).slice(None, None)


def days(frame: pd.DataFrame) -> tuple[pd.Timestamp, pd.Timestamp]:
    found = frame.index.get_level_values("datetime")
    return found.min(), found.max()


# ---- prepare


@pytest.mark.parametrize(
    ("segment", "ends"),
    [
        ("train", (DAYS[5], DAYS[30])),
        ("valid", (DAYS[31], DAYS[40])),
        ("test", (DAYS[41], DAYS[59])),
        (slice(DAYS[3], DAYS[7]), (DAYS[3], DAYS[7])),
        (slice("2020-01-04", None), (pd.Timestamp("2020-01-06"), DAYS[59])),
        (slice(None, None), (DAYS[0], DAYS[59])),
    ],
)
def test_a_segment_holds_its_sessions_both_ends_included(
    path: Path, segment: Any, ends: Any
) -> None:
    assert days(dataset(path).prepare(segment)) == ends


def test_a_list_of_segments_gives_a_list_of_frames(path: Path) -> None:
    made = dataset(path)
    train, test = made.prepare(["train", "test"], "feature", "learn")
    pd.testing.assert_frame_equal(train, made.prepare("train", "feature", "learn"))
    pd.testing.assert_frame_equal(test, made.prepare("test", "feature", "learn"))


@pytest.mark.parametrize("data_key", ["raw", "infer", "learn"])
def test_col_set_chooses_columns_and_their_levels(path: Path, data_key: str) -> None:
    made = dataset(path)
    whole = made.prepare("train", data_key=data_key)
    assert list(whole.columns) == COLUMNS
    assert (whole.dtypes == "float64").all()
    for wanted in ("feature", "label"):
        pd.testing.assert_frame_equal(made.prepare("train", wanted, data_key), whole[wanted])
    assert list(made.prepare("train", "feature").columns) == ["momentum_1", "momentum_3"]
    both = made.prepare("train", ["feature", "label"], data_key)
    pd.testing.assert_frame_equal(both, whole)
    assert list(made.prepare("train", ["label"], data_key).columns) == COLUMNS[2:]
    swapped = made.prepare("train", ["label", "feature"], data_key)
    assert list(swapped.columns) == [COLUMNS[2], *COLUMNS[:2]]


def test_data_keys_stand_for_the_steps_of_processing(path: Path) -> None:
    made, plain = dataset(path), raw(path)
    pd.testing.assert_frame_equal(made.prepare("test", data_key="raw"), plain.loc[DAYS[41] :])
    train = plain.loc[DAYS[5] : DAYS[30], "feature"]
    scaled = (plain["feature"] - train.mean()) / train.std(ddof=0)
    infer, learn = made.prepare("test"), made.prepare("test", data_key="learn")
    pd.testing.assert_frame_equal(infer["feature"], scaled.loc[DAYS[41] :])
    pd.testing.assert_frame_equal(infer["label"], plain.loc[DAYS[41] :, ["label"]]["label"])
    assert infer["label"].isna().any(axis=None)
    known = plain.loc[DAYS[41] :, "label"].dropna()
    ranks = (known.groupby("datetime").rank(pct=True) - 0.5) * 3.46
    pd.testing.assert_frame_equal(learn["label"], ranks)
    pd.testing.assert_frame_equal(learn["feature"], scaled.loc[known.index])


def test_a_universe_holds_only_its_instruments(path: Path) -> None:
    made = dataset(path, instruments=("S003", "S001"))
    assert made.prepare("test").index.unique("instrument").tolist() == ["S001", "S003"]


WRONG: dict[str, tuple[tuple[Any, ...], str]] = {
    "segment": (("tset",), "segment 'tset' is not there: the dataset has train, valid, test"),
    "no segment": ((None,), "segment None is not there"),
    "col_set": (("train", "features"), "col_set 'features' is unknown: use 'feature', 'label'"),
    "one col_set": (("train", ["feature", "x"]), "col_set 'x' is unknown"),
    "data_key": (("train", "feature", "train"), "data_key 'train' is unknown: use one of raw"),
    "no rows": (
        (slice("2031-01-01", None),),
        r"segment slice \(2031-01-01 to open\) has no rows: the prices run from 2020-01-01 to",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_request_is_one_clear_error(path: Path, case: str) -> None:
    given, message = WRONG[case]
    with pytest.raises(DataError, match=message):
        dataset(path).prepare(*given)


@pytest.mark.parametrize("segment", [("2020-01-01",), "2020-01-01", ("soon", None)])
def test_a_segment_that_is_no_pair_of_dates_is_an_error(path: Path, segment: Any) -> None:
    with pytest.raises(CalendarError, match=r"no segment: use a pair|is no date: use an ISO"):
        dataset(path, segments={"train": segment}).prepare("train")


@pytest.mark.parametrize("processors", [[], ["ZScoreNorm"]])
def test_features_that_are_all_empty_are_an_error(path: Path, processors: list[str]) -> None:
    windows = {**FEATURES, "kwargs": {"windows": [40]}}
    made = dataset(path, features=windows, infer_processors=processors)
    with pytest.raises(DataError, match="all features of the train segment are empty"):
        made.prepare("train")


def test_without_processors_to_fit_no_train_segment_is_needed(path: Path) -> None:
    only = {"test": SEGMENTS["test"]}
    made = dataset(path, segments=only, infer_processors=["Fillna"])
    assert len(made.prepare("test", data_key="learn"))
    with pytest.raises(DataError, match="segment 'train' is not there: the dataset has test"):
        dataset(path, segments=only).prepare("test")


# ---- processors are fitted on the train segment, and once


class Records(Processor):
    """Notes what it was fitted on, adds one, and changes what it is given in place."""

    def fit(self, frame: pd.DataFrame) -> None:
        self.fitted = [*getattr(self, "fitted", []), (days(frame), float(frame.iloc[0, 0]))]

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        frame += 1.0
        return frame


def test_each_processor_is_fitted_once_on_train_as_those_before_left_it(path: Path) -> None:
    steps = [Records(), Records(), Records()]
    made = dataset(path, infer_processors=steps[:2], learn_processors=steps[2:])
    made.prepare("test")
    made.prepare(["train", "valid"], data_key="learn")
    first = float(raw(path).loc[DAYS[5]].iloc[0, 0])
    ends = (DAYS[5], DAYS[30])
    assert [step.fitted for step in steps] == [
        [(ends, pytest.approx(first + add))] for add in (0.0, 1.0, 2.0)
    ]


def test_a_processor_that_changes_its_frame_changes_no_shared_data(path: Path) -> None:
    before = raw(path).copy()
    made = dataset(path, infer_processors=[Records()], learn_processors=[])
    pd.testing.assert_frame_equal(made.prepare("test"), before.loc[DAYS[41] :] + 1.0)
    pd.testing.assert_frame_equal(raw(path), before)


@pytest.mark.parametrize("name", ["ZScoreNorm", "RobustZScoreNorm"])
def test_what_comes_after_train_does_not_enter_the_fit(path: Path, name: str) -> None:
    first = dataset(path, infer_processors=[name]).prepare("train", "feature")
    with_other_future(PRICES, DAYS[30]).to_parquet(path)
    second = dataset(path, infer_processors=[name]).prepare("train", "feature")
    assert second.equals(first)
    PRICES.assign(close=PRICES.close * np.linspace(1, 3, len(PRICES)) ** 2).to_parquet(path)
    assert not dataset(path, infer_processors=[name]).prepare("train", "feature").equals(first)


def test_a_processor_for_learning_is_refused_for_inference(path: Path) -> None:
    with pytest.raises(TaskError, match=r"infer_processors\.1: DropnaLabel needs labels"):
        dataset(path, infer_processors=["Fillna", "DropnaLabel"])


BAD_PROCESSORS: dict[str, tuple[Any, str]] = {
    "name": (["ZScorNorm"], r"infer_processors\.0.*'ZScorNorm' does not say where it is"),
    "kwargs": ([{"class": "Fillna", "kwargs": {"value": 1}}], r"Fillna cannot be made"),
    "group": ([{"class": "Fillna", "kwargs": {"fields_group": "x"}}], "fields_group 'x' is unkn"),
    "no list": ({"class": "Fillna"}, "use a list of processors"),
    "no processor": (["collections.OrderedDict"], "not a processor: it needs __call__"),
}


@pytest.mark.parametrize("case", BAD_PROCESSORS)
def test_a_wrong_processor_is_one_clear_error(path: Path, case: str) -> None:
    configs, message = BAD_PROCESSORS[case]
    with pytest.raises(TaskError, match=message):
        dataset(path, infer_processors=configs)


# ---- config, setup_data, pickling


def test_config_changes_segments_and_keeps_the_fit(path: Path) -> None:
    made = dataset(path)
    before = made.prepare(slice(DAYS[50], None), "feature")
    made.config(segments={"test": (DAYS[50], None)})
    pd.testing.assert_frame_equal(made.prepare("test", "feature"), before)
    with pytest.raises(DataError, match="the dataset has test"):
        made.prepare("train")


def test_config_changes_what_is_read(path: Path) -> None:
    made = dataset(path, infer_processors=[])
    made.prepare("test")
    made.config(handler_kwargs={"instruments": ["S001"]}, features=[FEATURES])
    assert made.prepare("test").index.unique("instrument").tolist() == ["S001"]
    with pytest.raises(DataError, match="horizon cannot be configured on a PanelDataset: use seg"):
        made.config(horizon=3)


def test_setup_data_reads_the_prices_as_they_are_now(path: Path) -> None:
    PRICES[PRICES.datetime <= DAYS[49]].to_parquet(path)
    for prices in (str(path), ParquetPrices(path)):
        PRICES[PRICES.datetime <= DAYS[49]].to_parquet(path)
        made = dataset(path, prices=prices)
        before = made.prepare("test", "feature")
        PRICES.to_parquet(path)
        assert days(made.prepare("test")) == (DAYS[41], DAYS[49])  # as it was, until asked
        made.setup_data()
        after = made.prepare("test", "feature")
        assert days(after) == (DAYS[41], DAYS[59])
        pd.testing.assert_frame_equal(after.loc[: DAYS[49]], before)
    made.setup_data(handler_kwargs={"instruments": ["S001"]})
    assert made.prepare("test").index.unique("instrument").tolist() == ["S001"]


def test_a_pickled_dataset_holds_its_fit_and_no_data(path: Path) -> None:
    made = dataset(path, prices=ParquetPrices(path))
    before = made.prepare("test")
    content = pickle.dumps(made)
    assert len(content) < 4_000 < before.to_numpy().nbytes * 4
    back = pickle.loads(content)
    with_other_future(PRICES, DAYS[3]).to_parquet(path)  # the fit is that of the first prices
    scaled = back.prepare("test", "feature")
    plain = raw(path).loc[DAYS[41] :, "feature"]
    train = feature_panel(Market(_first(path)), FEATURES, LABEL).slice(DAYS[5], DAYS[30])["feature"]
    pd.testing.assert_frame_equal(scaled, (plain - train.mean()) / train.std(ddof=0))


def _first(path: Path) -> ParquetPrices:
    PRICES.to_parquet(path.with_name("first.parquet"))
    return ParquetPrices(path.with_name("first.parquet"))


def test_a_recorder_gives_back_a_dataset_that_predicts_alike(path: Path) -> None:
    made = dataset(path)
    before = made.prepare("test")
    with R.start(experiment_name="datasets"):
        recorder = R.get_recorder()
        recorder.save_objects(dataset=made)
    pd.testing.assert_frame_equal(recorder.load_object("dataset").prepare("test"), before)


def test_warm_reads_the_features_and_says_how_long_it_took(path: Path, home: Path) -> None:
    assert dataset(path).warm() > 0
    assert list((home / "cache" / "features").glob("*/values.npy"))
