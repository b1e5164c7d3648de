"""Nothing that is seen at a session depends on what came after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.made_prices import made_prices, with_other_future
from wf_dagster.calendars import TradingCalendar
from wf_dagster.data import feature_panel
from wf_dagster.market import Market
from wf_dagster.prices import ParquetPrices
from wf_dagster.rolling import RollingGen
from wf_dagster.tasks import init_instance

SESSIONS, TRAIN = 80, 40
AHEAD = 3  # lag + horizon of the label
FEATURES = {"func": "wf_dagster.data.features.price_features", "kwargs": {"windows": [2, 5]}}
LABEL = {"func": "wf_dagster.data.labels.forward_return", "kwargs": {"horizon": AHEAD - 1}}
PRICES = made_prices(SESSIONS)
CALENDAR = TradingCalendar(PRICES["datetime"].unique())
RIDGE = {"estimator": "sklearn.linear_model.Ridge", "alpha": 0.1}
TREES = {"num_boost_round": 5, "min_data_in_leaf": 5, "num_threads": 1}

property_of_sessions = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def roll(
    path: Path,
    test_start: pd.Timestamp,
    trunc_days: int,
    features: Any,
    model: str,
    **arguments: Any,
) -> dict[str, Any]:
    """A rolling task whose test segment starts at a session, as the generator makes it."""
    start = CALENDAR.index(test_start)
    template = {
        "model": {"class": model, "module_path": "wf_dagster.models", "kwargs": arguments},
        "dataset": {
            "class": "PanelDataset",
            "module_path": "wf_dagster.data",
            "kwargs": {
                "prices": str(path),
                "features": features,
                "label": LABEL,
                "segments": {
                    "train": (CALENDAR.sessions[start - TRAIN], test_start),
                    "test": (test_start, None),
                },
                "infer_processors": [
                    {"class": "RobustZScoreNorm"},
                    {"class": "CSZScoreNorm", "kwargs": {"fields_group": "feature"}},
                    {"class": "CSRankNorm", "kwargs": {"fields_group": "feature"}},
                    {"class": "ZScoreNorm"},
                    {"class": "Fillna"},
                ],
                "learn_processors": [
                    {"class": "DropnaLabel"},
                    {"class": "CSZScoreNorm", "kwargs": {"fields_group": "label"}},
                ],
            },
        },
    }
    generator = RollingGen(SESSIONS, trunc_days=trunc_days, calendar=CALENDAR)
    return generator.generate(template)[0]


def seen_at(session: pd.Timestamp, task: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """All that a task computes at or before a session, from the prices as they are now."""
    dataset = init_instance(task["dataset"])
    model = init_instance(task["model"])
    model.fit(dataset)
    past = slice(None, session)
    return {
        "features": dataset.prepare(past, col_set="feature", data_key="raw"),
        "processed": dataset.prepare(past, col_set="feature", data_key="infer"),
        "predictions": model.predict(dataset, "test").loc[:session].to_frame(),
    }


def differs(
    path: Path,
    session: pd.Timestamp,
    test_start: pd.Timestamp,
    trunc_days: int = AHEAD,
    features: Any = FEATURES,
    model: str = "SklearnModel",
    **arguments: Any,
) -> list[str]:
    """What changes at or before a session when every later price changes."""
    task = roll(path, test_start, trunc_days, features, model, **(arguments or RIDGE))
    PRICES.to_parquet(path)
    before = seen_at(session, task)
    with_other_future(PRICES, session).to_parquet(path)
    after = seen_at(session, task)
    assert all(len(frame) for frame in before.values())
    return [name for name, frame in before.items() if not frame.equals(after[name])]


@property_of_sessions
@given(t=st.integers(TRAIN, SESSIONS - 2), ago=st.integers(0, 10))
def test_later_prices_change_nothing_seen_before(tmp_path: Path, t: int, ago: int) -> None:
    test_start = CALENDAR.sessions[max(TRAIN, t - ago)]
    assert differs(tmp_path / "prices.parquet", CALENDAR.sessions[t], test_start) == []


def test_boosted_trees_see_no_later_price_either(tmp_path: Path) -> None:
    t = CALENDAR.sessions[TRAIN + 10]
    assert differs(tmp_path / "prices.parquet", t, t, model="LightGBMModel", **TREES) == []


@pytest.mark.parametrize("function", ["leaking", "leaking_by_its_mean"])
def test_a_feature_that_looks_ahead_is_caught(tmp_path: Path, function: str) -> None:
    t = CALENDAR.sessions[TRAIN + 10]
    path, features = tmp_path / "prices.parquet", f"tests.data.feature_functions.{function}"
    assert differs(path, t, t, features=features) == ["features", "processed", "predictions"]


def test_training_on_a_label_not_known_yet_is_caught(tmp_path: Path) -> None:
    t = CALENDAR.sessions[TRAIN + 10]
    path = tmp_path / "prices.parquet"
    assert differs(path, t, t, trunc_days=AHEAD - 1) == ["predictions"]


@property_of_sessions
@given(t=st.integers(10, SESSIONS - 2))
def test_a_replay_date_gives_the_features_of_that_day(tmp_path: Path, t: int) -> None:
    session = CALENDAR.sessions[t]
    path = tmp_path / "prices.parquet"
    PRICES.to_parquet(path)
    whole = feature_panel(Market(ParquetPrices(path)), FEATURES, LABEL).slice(None, session)
    replayed = feature_panel(Market(ParquetPrices(path, as_of=session)), FEATURES, LABEL)
    now = replayed.slice(None, None)
    pd.testing.assert_frame_equal(now["feature"], whole["feature"], check_exact=True)
    # a label is known once the session it looks ahead to has happened, and not before
    labels = now["label"]["label"].dropna()
    assert labels.index.get_level_values("datetime").max() == CALENDAR.sessions[t - AHEAD]
    assert labels.equals(whole["label"]["label"].loc[: CALENDAR.sessions[t - AHEAD]])
