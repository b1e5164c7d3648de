"""Neutralising by a text column of the prices."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.data.made_prices import made_prices
from wf_dagster.data import PanelDataset
from wf_dagster.data.processors import CSNeutralize
from wf_dagster.errors import DataError

INDUSTRY = {"S000": "Tech", "S001": "Tech", "S002": "Bank", "S003": "Bank", "S004": None}
PRICES = made_prices(sessions=40, instruments=6)  # S005 is alone
PRICES["industry"] = PRICES["instrument"].map({**INDUSTRY, "S005": "Shops"})
DAYS = pd.DatetimeIndex(PRICES["datetime"].unique())
MOVED = DAYS[20]  # from then on S001 is a bank
PRICES.loc[(PRICES["instrument"] == "S001") & (PRICES["datetime"] >= MOVED), "industry"] = "Bank"
SEGMENTS = {"train": (DAYS[5], DAYS[25]), "test": (DAYS[26], None)}
FEATURES = {"func": "wf_dagster.data.features.momentum", "kwargs": {"windows": [3]}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    PRICES.to_parquet(tmp_path / "prices.parquet")
    return tmp_path / "prices.parquet"


def dataset(path: Path, *infer: object, **given: object) -> PanelDataset:
    options = {"features": FEATURES, "prices": str(path), **given}
    return PanelDataset(SEGMENTS, infer_processors=list(infer), **options)


def by_hand(session: int) -> dict[str, float]:
    close = PRICES.pivot(index="datetime", columns="instrument", values="close")
    momentum = close.iloc[session] / close.iloc[session - 3] - 1
    groups = [["S000", "S001"], ["S002", "S003"], ["S004"], ["S005"]]
    if DAYS[session] >= MOVED:
        groups = [["S000"], ["S001", "S002", "S003"], ["S004"], ["S005"]]
    return {n: momentum[n] - momentum[group].mean() for group in groups for n in group}


@pytest.mark.parametrize("session", [10, 19, 20, 30])
def test_each_industry_of_the_day_has_the_mean_nought(path: Path, session: int) -> None:
    data = dataset(path, "CSNeutralize")
    row = data.prepare(slice(DAYS[5], None), "feature")["momentum_3"].loc[DAYS[session]]
    for name, expected in by_hand(session).items():
        assert row[name] == pytest.approx(expected, abs=1e-12)


def test_rows_that_others_dropped_are_no_part_of_a_group(path: Path) -> None:
    data = dataset(path, learn_processors=["DropnaProcessor", "CSNeutralize"])
    learn = data.prepare(slice(DAYS[0], DAYS[10]), data_key="learn")
    assert learn.index.get_level_values("datetime")[0] == DAYS[3]
    row = learn[("feature", "momentum_3")].loc[DAYS[10]]
    assert row["S000"] == pytest.approx(by_hand(10)["S000"], abs=1e-12)


def test_what_has_no_group_and_what_is_alone_is_counted(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        dataset(path, "CSNeutralize").prepare(slice(DAYS[5], DAYS[9]))
    assert "of 30 rows 5 have no industry" in caplog.text
    assert "10 are alone in their group" in caplog.text


def test_a_group_may_be_numbers(path: Path) -> None:
    coded = PRICES.assign(sector=PRICES["instrument"].map(lambda n: int(n[-1]) % 2))
    coded.to_parquet(path)
    config = {"class": "CSNeutralize", "kwargs": {"group": "sector"}}
    row = dataset(path, config).prepare("train", "feature")["momentum_3"].loc[DAYS[8]]
    assert row[["S000", "S002", "S004"]].sum() == pytest.approx(0, abs=1e-12)
    assert row[["S001", "S003", "S005"]].sum() == pytest.approx(0, abs=1e-12)
    assert row.abs().min() > 0


def test_a_column_that_is_not_there_is_named(path: Path) -> None:
    config = {"class": "CSNeutralize", "kwargs": {"group": "sector"}}
    with pytest.raises(DataError, match="no field 'sector': it has close, volume, industry"):
        dataset(path, config).prepare("train")


def test_by_hand_it_needs_the_groups() -> None:
    rows = pd.MultiIndex.from_product([DAYS[:1], ["A", "B"]], names=["datetime", "instrument"])
    frame = pd.DataFrame({("feature", "x"): [1.0, 3.0], ("label", "y"): [1.0, 1.0]}, index=rows)
    with pytest.raises(DataError, match="given no 'industry' for its rows"):
        CSNeutralize()(frame)
    result = CSNeutralize()(frame, pd.Series(["a", "a"], index=rows))
    assert result[("feature", "x")].tolist() == [-1, 1]
    assert result[("label", "y")].tolist() == [1, 1]


def test_a_pickled_dataset_neutralises_as_before(path: Path) -> None:
    data = dataset(path, "CSNeutralize")
    before = data.prepare("test")
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(data)).prepare("test"), before)


def test_features_can_use_the_column(path: Path) -> None:
    data = dataset(path, features="tests.data.value_features.industry_mean")
    row = data.prepare("train", "feature")["m"].loc[DAYS[10]]
    close = PRICES[PRICES["datetime"] == DAYS[10]].set_index("instrument")["close"]
    assert row["S000"] == pytest.approx(close[["S000", "S001"]].mean())
    assert row["S003"] == pytest.approx(close[["S002", "S003"]].mean())
    assert np.isnan(row["S004"])
