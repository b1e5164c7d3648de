from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wf_dagster import Market
from wf_dagster.data import PanelDataset, processors
from wf_dagster.errors import DataError, TaskError

COLUMNS = pd.MultiIndex.from_tuples(
    [("feature", "a"), ("feature", "b"), ("feature", "flat"), ("label", "label")]
)


def made_frame(seed: int = 0, sessions: int = 6, instruments: int = 7) -> pd.DataFrame:
    """Random rows with gaps, ties, days of one instrument, and a column that is the same a day."""
    random = np.random.default_rng(seed)
    days = pd.bdate_range("2020-01-01", periods=sessions, name="datetime")
    index = pd.MultiIndex.from_product(
        [days, [f"S{n}" for n in range(instruments)]], names=["datetime", "instrument"]
    )
    values = random.normal(5.0, 2.0, (len(index), 4))
    values[:, 1] = np.round(values[:, 1])
    values[:, 2] = np.repeat(random.normal(size=sessions), instruments)
    values[random.random(values.shape) < 0.1] = np.nan
    frame = pd.DataFrame(values, index=index, columns=COLUMNS)
    kept = random.random(len(frame)) < 0.8
    kept[0] = True
    return frame[kept]


def zscore(column: pd.Series) -> pd.Series:
    day = column.groupby("datetime")
    scaled = (column - day.transform("mean")) / day.transform("std")
    # a day without spread (or with one value) says nothing about who is better
    flat = ~(day.transform("std") > 1e-9)
    return scaled.mask(flat & column.notna(), 0.0)


def rank(column: pd.Series) -> pd.Series:
    return (column.groupby("datetime").rank(pct=True) - 0.5) * 3.46


DAILY: dict[str, Callable[[pd.Series], pd.Series]] = {"CSZScoreNorm": zscore, "CSRankNorm": rank}


@pytest.mark.parametrize("group", [None, "feature", "label"])
@pytest.mark.parametrize("name", DAILY)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), sessions=st.integers(1, 8), instruments=st.integers(1, 9))
def test_each_day_is_normalised_on_its_own(
    name: str, group: str | None, seed: int, sessions: int, instruments: int
) -> None:
    frame = made_frame(seed, sessions, instruments)
    before = frame.copy()
    made = getattr(processors, name)(fields_group=group)(frame)
    for column in COLUMNS:
        wanted = DAILY[name](before[column]) if group in (None, column[0]) else before[column]
        pd.testing.assert_series_equal(made[column], wanted, rtol=1e-9, atol=1e-12)


TRAIN, TEST = made_frame(1, 30), made_frame(2, 5)


def plain_zscore(train: pd.Series, column: pd.Series) -> pd.Series:
    return (column - train.mean()) / train.std(ddof=0)


def robust(train: pd.Series, column: pd.Series) -> pd.Series:
    median = train.median()
    return ((column - median) / ((train - median).abs().median() * 1.4826 + 1e-12)).clip(-3, 3)


@pytest.mark.parametrize(
    ("name", "formula"), [("ZScoreNorm", plain_zscore), ("RobustZScoreNorm", robust)]
)
def test_what_is_fitted_on_train_is_applied_to_test(
    name: str, formula: Callable[[pd.Series, pd.Series], pd.Series]
) -> None:
    processor = getattr(processors, name)()
    processor.fit(TRAIN)
    made = processor(TEST)
    for column in COLUMNS[:3]:
        pd.testing.assert_series_equal(made[column], formula(TRAIN[column], TEST[column]))
    pd.testing.assert_frame_equal(made[["label"]], TEST[["label"]])


def test_outliers_are_clipped_only_if_wanted() -> None:
    extreme = TEST.copy()
    extreme.iloc[0, 0] = 1e6
    clipped, free = processors.RobustZScoreNorm(), processors.RobustZScoreNorm(clip_outlier=False)
    for processor in (clipped, free):
        processor.fit(TRAIN)
    assert clipped(extreme).iloc[0, 0] == 3.0
    assert free(extreme).iloc[0, 0] > 1e5


def test_a_column_that_is_constant_in_train_becomes_zero_there() -> None:
    constant = TRAIN.copy()
    constant[("feature", "a")] = 4.0
    for processor in (processors.ZScoreNorm(), processors.RobustZScoreNorm()):
        processor.fit(constant)
        assert (processor(constant)[("feature", "a")] == 0).all()


def test_a_column_without_values_in_train_stays_empty_without_a_warning() -> None:
    empty = TRAIN.copy()
    empty[("feature", "a")] = np.nan
    for processor in (processors.ZScoreNorm(), processors.RobustZScoreNorm()):
        processor.fit(empty)
        assert processor(TEST)[("feature", "a")].isna().all()


def test_fillna_fills_its_group_only() -> None:
    made = processors.Fillna(fill_value=-1.0)(TEST)
    pd.testing.assert_frame_equal(made[["feature"]], TEST[["feature"]].fillna(-1.0))
    pd.testing.assert_frame_equal(made[["label"]], TEST[["label"]])


def test_rows_with_gaps_are_dropped() -> None:
    pd.testing.assert_frame_equal(processors.DropnaProcessor()(TEST), TEST.dropna())
    known = TEST[TEST[("label", "label")].notna()]
    pd.testing.assert_frame_equal(processors.DropnaLabel()(TEST), known)
    assert 0 < len(known) < len(TEST)


@pytest.mark.parametrize(
    "name", ["CSZScoreNorm", "CSRankNorm", "Fillna", "DropnaProcessor", "DropnaLabel"]
)
def test_no_rows_are_no_problem(name: str) -> None:
    pd.testing.assert_frame_equal(getattr(processors, name)()(TEST.head(0)), TEST.head(0))


class Doubled:
    """A processor of one's own, with no base class and nothing to learn."""

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Twice the frame."""
        return frame * 2


class Centred(Doubled):
    """One that learns from the train segment."""

    def fit(self, frame: pd.DataFrame) -> None:
        """Take the means."""
        self.mean = frame.mean()

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Minus the means."""
        return frame - self.mean


class InPlace(Doubled):
    """One that forgets to give the frame back."""

    def __call__(self, frame: pd.DataFrame) -> None:  # type: ignore[override]
        """Change it."""
        frame *= 2


SEGMENTS = {"train": ("2018-01-02", "2018-06-29"), "test": ("2018-07-02", "2018-07-31")}


def test_a_processor_of_ones_own_needs_a_call_only_and_a_fit_where_it_learns() -> None:
    raw = PanelDataset(SEGMENTS, market=Market("sample"))
    train, test = (raw.prepare(name, "feature", "raw") for name in ("train", "test"))
    path = "tests.data.test_processors"
    for own in (Doubled(), f"{path}.Doubled", {"class": "Doubled", "module_path": path}):
        doubled = PanelDataset(SEGMENTS, infer_processors=[own], market=Market("sample"))
        pd.testing.assert_frame_equal(doubled.prepare("test", "feature"), test * 2)
    centred = PanelDataset(SEGMENTS, infer_processors=[Centred()], market=Market("sample"))
    pd.testing.assert_frame_equal(centred.prepare("test", "feature"), test - train.mean())


def test_what_is_no_processor_and_what_gives_none_are_named() -> None:
    with pytest.raises(TaskError, match=r"infer_processors\.0 is 5, not a processor: it needs"):
        PanelDataset(SEGMENTS, infer_processors=[5], market=Market("sample"))
    forgets = PanelDataset(SEGMENTS, infer_processors=[InPlace()], market=Market("sample"))
    with pytest.raises(DataError, match="InPlace gave a NoneType: its __call__ must give the"):
        forgets.prepare("test")
