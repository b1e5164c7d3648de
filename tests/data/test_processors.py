"""Processors beside the plain pandas formula."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wf_dagster.data import processors
from wf_dagster.errors import TaskError


def _panel(seed: int, days: int = 8, names: int = 5, holes: float = 0.2) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    index = pd.MultiIndex.from_product(
        [pd.bdate_range("2020-01-01", periods=days), [f"S{i}" for i in range(names)]],
        names=["datetime", "instrument"],
    )
    values = rng.normal(3, 2, (len(index), 3))
    values[rng.random(values.shape) < holes] = np.nan
    columns = pd.MultiIndex.from_tuples([("feature", "a"), ("feature", "b"), ("label", "label")])
    return pd.DataFrame(values, index, columns)


def _zscore(frame):
    by_day = frame.groupby(level="datetime")
    return (frame - by_day.transform("mean")) / by_day.transform("std")


def _rank(frame):
    return (frame.groupby(level="datetime").rank(pct=True) - 0.5) * 3.46


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
@pytest.mark.parametrize(("name", "plain"), [("CSZScoreNorm", _zscore), ("CSRankNorm", _rank)])
def test_each_day_is_normalised_on_its_own(name, plain, seed):
    frame = _panel(seed)
    made = getattr(processors, name)()(frame)
    expected = plain(frame)
    alone = frame.groupby(level="datetime").transform("count") < 2
    pd.testing.assert_frame_equal(made.mask(alone), expected.mask(alone))
    pd.testing.assert_frame_equal(made.isna(), frame.isna())


def test_a_day_without_spread_becomes_zero():
    frame = _panel(0, holes=0.0)
    frame.loc["2020-01-02"] = 0.1 + 0.2
    made = processors.CSZScoreNorm()(frame)
    assert (made.loc["2020-01-02"] == 0).all(axis=None)


def test_only_the_named_group_is_touched():
    frame = _panel(1)
    made = processors.CSZScoreNorm("label")(frame)
    pd.testing.assert_frame_equal(made["feature"], frame["feature"])
    assert not made["label"].equals(frame["label"])


def test_scaling_uses_what_was_fitted():
    train, test = _panel(2), _panel(3) * 10
    scaler = processors.ZScoreNorm()
    scaler.fit(train)
    expected = (test["feature"] - train["feature"].mean()) / train["feature"].std(ddof=0)
    pd.testing.assert_frame_equal(scaler(test)["feature"], expected)


@pytest.mark.parametrize("clip", [True, False])
def test_robust_scaling_uses_median_and_deviation_of_the_fit(clip):
    train, test = _panel(4), _panel(5) * 10
    scaler = processors.RobustZScoreNorm(clip_outlier=clip)
    scaler.fit(train)
    median = train["feature"].median()
    spread = (train["feature"] - median).abs().median() * 1.4826
    expected = (test["feature"] - median) / spread
    pd.testing.assert_frame_equal(
        scaler(test)["feature"], expected.clip(-3, 3) if clip else expected, atol=1e-8
    )


def test_filling_and_dropping():
    frame = _panel(6)
    filled = processors.Fillna(fill_value=7.0)(frame)
    pd.testing.assert_frame_equal(filled["feature"], frame["feature"].fillna(7.0))
    pd.testing.assert_frame_equal(filled["label"], frame["label"])
    dropped = processors.DropnaLabel()(frame)
    pd.testing.assert_frame_equal(dropped, frame.dropna(subset=[("label", "label")]))
    assert not processors.DropnaLabel().is_for_infer()
    pd.testing.assert_frame_equal(processors.DropnaProcessor()(frame), frame.dropna())


@pytest.mark.parametrize("name", ["CSZScoreNorm", "CSRankNorm", "Fillna", "DropnaLabel"])
def test_a_frame_without_rows_stays_one(name):
    made = getattr(processors, name)()(_panel(0).iloc[:0])
    assert made.empty
    assert made.columns.nlevels == 2


def test_an_unknown_group_is_refused():
    with pytest.raises(TaskError, match="fields_group 'features' is unknown: use 'feature' or"):
        processors.CSZScoreNorm("features")
