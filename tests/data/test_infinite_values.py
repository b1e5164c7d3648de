"""Infinite features and labels: missing from the start, counted, or treated as a processor says."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.data.made_prices import made_prices
from wf_dagster.data import PanelDataset
from wf_dagster.data.processors import ProcessInf, Winsorize
from wf_dagster.errors import TaskError
from wf_dagster.log_once import warn_once
from wf_dagster.market import Market
from wf_dagster.models import LightGBMModel

PRICES = made_prices(sessions=60, instruments=5)
DAYS = pd.DatetimeIndex(PRICES["datetime"].unique())
STOPPED = {20: "S001", 21: "S003", 45: "S000"}  # session: who has no volume then
SEGMENTS = {"train": (DAYS[5], DAYS[40]), "test": (DAYS[41], DAYS[55])}
CHANGE = "tests.data.value_features.volume_change"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    prices = PRICES.copy()
    for session, name in STOPPED.items():
        stopped = (prices["datetime"] == DAYS[session]) & (prices["instrument"] == name)
        prices.loc[stopped, "volume"] = 0.0
    prices.to_parquet(tmp_path / "prices.parquet")
    return tmp_path / "prices.parquet"


def dataset(path: Path, *infer: Any, **given: Any) -> PanelDataset:
    options = {"segments": SEGMENTS, "features": CHANGE, "prices": str(path), **given}
    return PanelDataset(**options, infer_processors=list(infer))


def by_hand(path: Path) -> pd.DataFrame:
    """The feature, days times instruments, infinite where it is."""
    volume = pd.read_parquet(path).pivot(index="datetime", columns="instrument", values="volume")
    return volume / volume.shift(1) - 1


def wide(frame: pd.DataFrame, column: str = "change") -> pd.DataFrame:
    return frame[column].unstack("instrument")


def test_raw_data_hold_none(path: Path) -> None:
    raw = wide(dataset(path).prepare("train", "feature", "raw"))
    expected = by_hand(path).loc[DAYS[5] : DAYS[40]]
    assert np.isinf(expected.loc[DAYS[21], "S001"])
    assert np.isinf(expected.loc[DAYS[22], "S003"])
    pd.testing.assert_frame_equal(raw, expected.replace(np.inf, np.nan), check_freq=False)


def test_the_others_of_the_day_are_normalised_without_it(path: Path) -> None:
    day = wide(dataset(path, "CSZScoreNorm").prepare("train", "feature")).loc[DAYS[21]]
    others = by_hand(path).loc[DAYS[21]].drop("S001")
    expected = (others - others.mean()) / others.std(ddof=1)
    np.testing.assert_allclose(day.drop("S001"), expected, rtol=1e-12)
    assert np.isnan(day["S001"])


def test_a_fitted_processor_learns_from_what_is_finite(path: Path) -> None:
    scaled = wide(dataset(path, "ZScoreNorm").prepare("train", "feature"))
    finite = by_hand(path).loc[DAYS[5] : DAYS[40]].replace(np.inf, np.nan)
    mean, spread = np.nanmean(finite), np.nanstd(finite)
    np.testing.assert_allclose(scaled, (finite - mean) / spread, rtol=1e-9)


def test_they_are_counted_in_the_log_once_also_from_the_cache(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def said() -> list[str]:
        return [r.message for r in caplog.records if "infinite values" in r.message]

    with caplog.at_level(logging.WARNING):
        dataset(path).warm()
        dataset(path, "Fillna").prepare("train")
        assert len(said()) == 1
        assert "3 infinite values count as missing, the first for S001 on 2020-01-30" in said()[0]
        assert "feature change: 3 of 300 rows" in said()[0]
        warn_once.cache_clear()  # as in another process, which finds the table in the cache
        dataset(path).warm()
    assert len(said()) == 2


def test_process_inf_takes_the_mean_of_the_day(path: Path) -> None:
    filled = wide(dataset(path, "ProcessInf").prepare("train", "feature"))
    expected = by_hand(path).loc[DAYS[5] : DAYS[40]]
    for session, name in ((21, "S001"), (22, "S003")):
        expected.loc[DAYS[session], name] = expected.loc[DAYS[session]].drop(name).mean()
    np.testing.assert_allclose(filled, expected, rtol=1e-12)


@pytest.mark.parametrize("config", ["ProcessInf", {"class": "ProcessInf", "kwargs": {}}])
def test_raw_data_hold_none_either_when_a_processor_takes_them(path: Path, config: Any) -> None:
    raw = dataset(path, config).prepare("train", "feature", "raw")
    assert np.isnan(wide(raw).loc[DAYS[21], "S001"])


def test_a_replay_date_shows_infinite_values_up_to_it(path: Path) -> None:
    for _ in range(3):  # computed, compared, cut
        market = Market(str(path)).at(DAYS[50])
        data = dataset(path, "ProcessInf", prices=None, market=market)
        filled = wide(data.prepare(slice(DAYS[45], None), "feature"))
        assert filled.index[-1] == DAYS[50]
        others = by_hand(path).loc[DAYS[46]].drop("S000")
        assert filled.loc[DAYS[46], "S000"] == pytest.approx(others.mean(), rel=1e-12)


def test_both_infinities_and_a_day_without_a_finite_value() -> None:
    rows = pd.MultiIndex.from_product([DAYS[:3], list("abcd")], names=["datetime", "instrument"])
    values = [1, np.inf, -np.inf, 5, np.inf, np.nan, np.inf, -np.inf, 1, 2, 3, np.nan]
    frame = pd.DataFrame({("feature", "x"): values}, index=rows)
    result = ProcessInf()(frame)[("feature", "x")].tolist()
    nan = np.nan
    np.testing.assert_array_equal(result, [1, 3, 3, 5, nan, nan, nan, nan, 1, 2, 3, nan])


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25])
def test_winsorize_moves_to_the_quantiles_of_the_day(path: Path, share: float) -> None:
    config = {"class": "Winsorize", "kwargs": {"lower": share, "upper": 1 - share}}
    result = wide(dataset(path, config).prepare("train", "feature"))
    values = by_hand(path).loc[DAYS[5] : DAYS[40]]
    for day, row in values.iterrows():
        finite = row[np.isfinite(row)]
        low, high = np.quantile(finite, [share, 1 - share])
        np.testing.assert_allclose(result.loc[day], row.clip(low, high), rtol=1e-12)
    assert np.isfinite(result.to_numpy()).all()


def test_winsorize_moves_to_the_quantiles_of_the_train_segment(path: Path) -> None:
    config = {"class": "Winsorize", "kwargs": {"lower": 0.1, "upper": 0.8, "per_day": False}}
    data = dataset(path, config)
    values = by_hand(path)
    train = values.loc[DAYS[5] : DAYS[40]].to_numpy()
    low, high = np.quantile(train[np.isfinite(train)], [0.1, 0.8])
    test = wide(data.prepare("test", "feature"))
    np.testing.assert_allclose(test, values.loc[DAYS[41] : DAYS[55]].clip(low, high), rtol=1e-12)
    assert test.loc[DAYS[46], "S000"] == pytest.approx(high)


def test_winsorize_leaves_labels_and_missing_values() -> None:
    rows = pd.MultiIndex.from_product([DAYS[:1], list("abcde")], names=["datetime", "instrument"])
    frame = pd.DataFrame(
        {("feature", "x"): [0.0, 1.0, np.nan, 2.0, 9.0], ("label", "y"): [0, 1, 2, 3, 99.0]},
        index=rows,
    )
    result = Winsorize(lower=0.0, upper=2 / 3)(frame)
    np.testing.assert_allclose(result[("feature", "x")], [0, 1, np.nan, 2, 2])
    assert result[("label", "y")].tolist() == [0, 1, 2, 3, 99]


def test_process_inf_is_refused_where_it_would_find_nothing(path: Path) -> None:
    with pytest.raises(TaskError, match=r"infer_processors\.1: ProcessInf finds nothing here"):
        dataset(path, "Fillna", "ProcessInf")
    with pytest.raises(TaskError, match=r"learn_processors\.0: .* put it first in infer_proc"):
        dataset(path, learn_processors=["ProcessInf"])


@pytest.mark.parametrize("limits", [(0.5, 0.5), (-0.1, 0.9), (0.1, 1.1)])
def test_quantiles_that_are_none_are_refused(limits: tuple[float, float]) -> None:
    with pytest.raises(TaskError, match="are no two quantiles"):
        Winsorize(lower=limits[0], upper=limits[1])


def test_an_infinite_label_is_learned_from_as_little_as_a_missing_one(path: Path) -> None:
    scores = []
    for label in ("infinite_label", "missing_label"):
        data = dataset(path, label=f"tests.data.value_features.{label}")
        model = LightGBMModel(num_boost_round=3, min_data_in_leaf=2)
        model.fit(data)
        scores.append(model.predict(data))
    pd.testing.assert_series_equal(*scores)
    assert scores[0].abs().max() < 1
