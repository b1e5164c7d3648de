"""Features that are missing: named with their shares, and refused above a limit."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.data.made_prices import made_prices
from wf_dagster.data import PanelDataset, feature_panel
from wf_dagster.errors import DataError, TaskError
from wf_dagster.market import Market
from wf_dagster.models import SklearnModel
from wf_dagster.tasks import fingerprint

PRICES = made_prices(sessions=60, instruments=4)
DAYS = pd.DatetimeIndex(PRICES["datetime"].unique())
GAPS = "tests.data.value_features.calendar_volatility"
SEGMENTS = {"train": (DAYS[5], DAYS[40]), "test": (DAYS[41], DAYS[55])}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """S000 and S001 do not trade on every fifth session."""
    closed = PRICES["datetime"].isin(DAYS[4::5]) & PRICES["instrument"].isin(["S000", "S001"])
    PRICES[~closed].to_parquet(tmp_path / "prices.parquet")
    return tmp_path / "prices.parquet"


def dataset(path: Path, features: Any = GAPS, **given: Any) -> PanelDataset:
    return PanelDataset(SEGMENTS, features=features, prices=str(path), **given)


def test_the_shares_are_named_in_the_log(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        dataset(path).warm()
    # a window of 3 returns needs 4 closes: two exchanges' rows 3, 8, 13, ... of five are whole,
    # so S000 and S001 have 12 of 48 rows; all others have all but the first 3
    # rows with 3 others before them: 45 of each of the two, of which 12 have a value
    share = 2 * (45 - 12) / (2 * 45 + 2 * 57)
    assert f"feature calendar_volatility: {100 * share:.2g} % of the rows" in caplog.text


def test_a_limit_refuses_and_names_column_share_and_remedy(path: Path) -> None:
    # train: sessions 5 to 40; S000 and S001 have 29 rows there, 7 of them with a whole window
    share = 100 * 2 * (29 - 7) / (2 * 29 + 2 * 36)
    message = f"segment train: .* more than 20 % .*: calendar_volatility {share:.3g} %.*max_missing"
    with pytest.raises(DataError, match=message):
        dataset(path, max_missing=0.2).prepare("train")
    dataset(path, max_missing=0.4).prepare("train")
    dataset(path).prepare("train")
    dataset(path, max_missing=0.2).prepare("train", data_key="raw")


def test_mostly_missing_is_named_where_no_limit_was_given(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    PRICES.to_parquet(tmp_path / "prices.parquet")
    since = {"since": str(DAYS[39].date())}
    late = {"func": "tests.data.value_features.late_column", "kwargs": since}
    data = dataset(tmp_path / "prices.parquet", late)
    with caplog.at_level(logging.WARNING):
        assert data.prepare("train", "feature").notna().sum().item() == 2 * 4
    # it is there on 2 of 36 sessions
    assert "more than 90 % of the rows on which they could have a value: close 94.4 %" in (
        caplog.text
    )
    strict = dataset(tmp_path / "prices.parquet", late, max_missing=0.94)
    with pytest.raises(DataError, match=r"more than 94 % .*: close 94.4 %.*raise .*max_missing"):
        strict.prepare("train")
    assert len(dataset(tmp_path / "prices.parquet", late, max_missing=0.95).prepare("train"))


def test_a_feature_of_rare_events_is_learned_from(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    PRICES.to_parquet(tmp_path / "prices.parquet")
    data = dataset(
        tmp_path / "prices.parquet",
        "tests.data.value_features.month_starts",
        infer_processors=["Fillna"],
        learn_processors=["DropnaLabel"],
    )
    with caplog.at_level(logging.WARNING):
        model = SklearnModel("sklearn.linear_model.Ridge")
        model.fit(data)
    scores = model.predict(data)
    # the 2nd of March is an event, every other test session is none and has one score
    assert scores["2020-03-02"].nunique() == 4
    assert scores.drop("2020-03-02").nunique() == 1
    # the train segment runs from the 8th of January to the 26th of February 2020: of its 36
    # sessions the 3rd of February alone is the first of its month
    assert "close 97.2 %" in caplog.text


def test_what_windows_need_is_not_missing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    PRICES.to_parquet(tmp_path / "prices.parquet")
    with caplog.at_level(logging.WARNING):
        data = dataset(tmp_path / "prices.parquet", "wf_dagster.data.features.price_features")
        data.prepare("train")
    assert "missing beyond" not in caplog.text
    assert "no value at all: feature momentum_60" in caplog.text  # 60 sessions are too few
    strict = dataset(
        tmp_path / "prices.parquet", "wf_dagster.data.features.price_features", max_missing=0.5
    )
    with pytest.raises(DataError, match=r"momentum_60 100 %"):
        strict.prepare("train")


def test_an_instrument_that_is_listed_late_is_not_missing(tmp_path: Path) -> None:
    late = (PRICES["instrument"] == "S003") & (PRICES["datetime"] < DAYS[30])
    PRICES[~late].to_parquet(tmp_path / "prices.parquet")
    panel = feature_panel(
        Market(str(tmp_path / "prices.parquet")), GAPS, "wf_dagster.data.labels.forward_return"
    )
    assert panel.notes is not None
    np.testing.assert_array_equal(panel.notes.missing_shares(), [0, 0])


@pytest.mark.parametrize("limit", [-0.1, 1.5, "half", True])
def test_what_is_no_share_is_refused(path: Path, limit: Any) -> None:
    with pytest.raises(TaskError, match=r"max_missing is .* a share from 0 to 1"):
        dataset(path, max_missing=limit)


def test_a_dataset_that_names_no_limit_keeps_its_fingerprint(path: Path) -> None:
    assert "max_missing" not in dataset(path).__getstate__()
    assert fingerprint(dataset(path)) != fingerprint(dataset(path, max_missing=0.5))
