"""Nothing at or before a session may depend on a price after it.

Each test computes something twice: on all prices, and on prices whose later ones were changed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.prices import walk, write
from wf_dagster.calendars import TradingCalendar
from wf_dagster.data import PanelDataset, price_source
from wf_dagster.data.labels import forward_return
from wf_dagster.models import LightGBMModel, SklearnModel
from wf_dagster.tasks import RollingGen, locate

SESSIONS = 300
FEATURES = [
    "wf_dagster.data.features.price_features",
    "wf_dagster.data.features.momentum",
    "wf_dagster.data.features.reversal",
    "wf_dagster.data.features.volatility",
]
LEAKS = ["tests.data.prices.tomorrow", "tests.data.prices.scaled_by_all"]
EVERY = {"feature": [*FEATURES], "leak": LEAKS}
NORMALISED = [{"class": "CSZScoreNorm", "kwargs": {"fields_group": "feature"}}, "Fillna"]


def _changed_after(frame: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    later = frame["datetime"] > day
    shock = np.random.default_rng(1).uniform(0.2, 5, int(later.sum()))
    made = frame.copy()
    made.loc[later, "close"] *= shock
    return made


def _differs(compute: Callable[[pd.DataFrame], pd.DataFrame], session: int) -> bool:
    """Whether what is computed up to a session changes with the prices after it."""
    long = walk(SESSIONS)
    day = long["datetime"].unique()[session]
    made = []
    for frame in (long, _changed_after(long, day)):
        values = compute(frame.set_index(["datetime", "instrument"]))
        made.append(values[values.index.get_level_values("datetime") <= day])
    return not made[0].equals(made[1])


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(FEATURES), session=st.integers(0, SESSIONS - 2))
def test_no_feature_looks_ahead(name, session):
    assert not _differs(locate(name), session)


@pytest.mark.parametrize("leak", LEAKS)
def test_a_feature_that_leaks_is_caught(leak):
    assert _differs(locate(leak), 200)


@given(horizon=st.integers(1, 10), lag=st.integers(0, 3), session=st.integers(0, SESSIONS - 20))
@settings(max_examples=25, deadline=None)
def test_a_label_looks_ahead_exactly_as_far_as_it_says(horizon, lag, session):
    long = walk(SESSIONS)
    days = long["datetime"].unique()

    def labels(frame: pd.DataFrame) -> pd.Series:
        prices = frame.set_index(["datetime", "instrument"])
        return forward_return(prices, horizon, lag)["label"].loc[days[session]]

    reach = session + lag + horizon
    assert labels(_changed_after(long, days[reach])).equals(labels(long))
    assert not labels(_changed_after(long, days[reach - 1])).equals(labels(long))


def _roll(path: str, features: str = FEATURES[0], **more: Any) -> PanelDataset:
    """A roll that is tested on sessions 280 and later, made as the generator makes it."""
    calendar = TradingCalendar.from_prices(price_source(path))
    days = calendar.sessions
    template = {
        "model": "wf_dagster.models.SklearnModel",
        "dataset": {
            "class": "wf_dagster.data.PanelDataset",
            "kwargs": {
                "segments": {"train": (days[0], days[279]), "test": (days[280], None)},
            },
        },
    }
    generator = RollingGen(20, calendar=calendar, trunc_days=6)
    segments = generator.generate(template)[0]["dataset"]["kwargs"]["segments"]
    return PanelDataset(segments, features, prices=path, infer_processors=NORMALISED, **more)


MODELS = {
    "ridge": lambda: SklearnModel("sklearn.linear_model.Ridge", alpha=1.0),
    "lightgbm": lambda: LightGBMModel(num_boost_round=5, min_data_in_leaf=5, num_leaves=4),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("session", [280, 285, 298])
def test_no_prediction_looks_ahead(tmp_path, model, session):
    long = walk(SESSIONS)
    day = long["datetime"].unique()[session]
    made = []
    for number, frame in enumerate((long, _changed_after(long, day))):
        dataset = _roll(write(tmp_path / f"{number}.parquet", frame))
        trained = MODELS[model]()
        trained.fit(dataset)
        made.append(trained.predict(dataset).loc[:day])
    assert len(made[0]) == 6 * (session - 279)
    pd.testing.assert_series_equal(made[0], made[1], check_exact=True)


def test_a_prediction_from_a_leaking_feature_is_caught(tmp_path):
    long = walk(SESSIONS)
    day = long["datetime"].unique()[285]
    made = []
    for number, frame in enumerate((long, _changed_after(long, day))):
        dataset = _roll(write(tmp_path / f"{number}.parquet", frame), LEAKS[0])
        model = MODELS["ridge"]()
        model.fit(dataset)
        made.append(model.predict(dataset).loc[:day])
    assert not made[0].equals(made[1])


@pytest.mark.parametrize("name", ["ZScoreNorm", "RobustZScoreNorm", "CSZScoreNorm", "CSRankNorm"])
def test_processors_learn_from_the_train_segment_alone(tmp_path, name):
    long = walk(SESSIONS)
    days = long["datetime"].unique()
    made = []
    for number, frame in enumerate((long, _changed_after(long, days[285]))):
        path = write(tmp_path / f"{number}.parquet", frame)
        segments = {"train": (days[0], days[270]), "test": (days[280], days[285])}
        dataset = PanelDataset(segments, FEATURES[2], prices=path, infer_processors=[name])
        made.append(dataset.prepare("test", "feature"))
    pd.testing.assert_frame_equal(made[0], made[1], check_exact=True)


@pytest.mark.parametrize("session", [50, 200, 299])
def test_a_replayed_day_shows_what_that_day_showed(tmp_path: Path, session):
    """Hiding later rows gives the same features as never having had them."""
    long = walk(SESSIONS)
    day = long["datetime"].unique()[session]
    whole, then = tmp_path / "whole.parquet", tmp_path / "then.parquet"
    write(whole, long)
    write(then, long[long["datetime"] <= day])
    made = []
    for source in (price_source(whole, as_of=day), price_source(then)):
        dataset = PanelDataset({"all": (None, None)}, prices=source, train_key="all")
        made.append(dataset.prepare("all", "__all", "raw"))
    assert made[0].index.get_level_values("datetime").max() == day
    pd.testing.assert_frame_equal(made[0], made[1], check_exact=True)
