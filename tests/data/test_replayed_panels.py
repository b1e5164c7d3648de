"""The panel of a replay date is what would have been computed on that day."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import wf_dagster
from tests.data.made_prices import made_prices
from wf_dagster.data import Panel, feature_panel
from wf_dagster.data import panel as panels
from wf_dagster.errors import SettingsError
from wf_dagster.market import Market
from wf_dagster.prices import ParquetPrices
from wf_dagster.tables import cache

PRICES = made_prices(sessions=60, instruments=5)
DAYS = pd.DatetimeIndex(PRICES["datetime"].unique())
FEATURES = {"func": "wf_dagster.data.features.price_features", "kwargs": {"windows": [2, 5]}}
LABELS = [
    {"func": "wf_dagster.data.labels.forward_return", "kwargs": {"horizon": 2}},
    {"func": "tests.data.feature_functions.next_return", "kwargs": {}},
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    gap = PRICES.drop(PRICES.index[[60, 151, 250]])  # names without a price on a day
    late = gap[~((gap["instrument"] == "S004") & (gap["datetime"] < DAYS[30]))]
    late.to_parquet(tmp_path / "prices.parquet")
    return tmp_path / "prices.parquet"


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The replay dates whose features were computed."""
    seen: list[Any] = []
    original = panels._compute_table

    def counting(source: Any, *args: Any) -> Any:
        seen.append(source.as_of)
        return original(source, *args)

    monkeypatch.setattr(panels, "_compute_table", counting)
    return seen


def whole(panel: Panel) -> pd.DataFrame:
    return panel.slice(None, None)


def test_all_dates_cost_two_computations_and_show_what_was_known(
    path: Path, computed: list[Any], tmp_path: Path
) -> None:
    seen = {
        n: whole(feature_panel(Market(ParquetPrices(path, DAYS[n])), FEATURES, LABELS))
        for n in DATES
    }
    assert computed == [DAYS[DATES[0]], None]
    wf_dagster.init(home=tmp_path / "another")  # an empty cache
    cache._map.cache_clear()
    table = pd.read_parquet(path)
    for n, frame in seen.items():
        alone = tmp_path / f"{n}.parquet"
        table[table["datetime"] <= DAYS[n]].to_parquet(alone)
        truth = whole(feature_panel(Market(ParquetPrices(alone)), FEATURES, LABELS))
        pd.testing.assert_frame_equal(frame, truth, rtol=0, atol=1e-12)
        assert frame["label"].iloc[-1].isna().all()


DATES = [40, 35, 2, 58, 59]


def test_a_slice_before_the_unknown_labels_copies_nothing(path: Path) -> None:
    for n in (40, 41):
        panel = feature_panel(Market(ParquetPrices(path, DAYS[n])), FEATURES, LABELS)
    assert np.shares_memory(panel.slice(None, DAYS[30]).to_numpy(), panel.values)
    tail = panel.slice(DAYS[38], None)
    assert not np.shares_memory(tail.to_numpy(), panel.values)
    assert tail["label"].notna().any(axis=None)
    assert (
        whole(feature_panel(Market(ParquetPrices(path)), FEATURES, LABELS))["label"]
        .iloc[-60:]
        .notna()
        .any(axis=None)
    )


@pytest.mark.parametrize("leak", ["leaking", "leaking_by_its_mean"])
def test_a_feature_that_looks_ahead_is_found_and_computed_for_each_date(
    path: Path, leak: str, computed: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    feature = f"tests.data.feature_functions.{leak}"
    table = pd.read_parquet(path)
    with caplog.at_level(logging.WARNING):
        for n in (40, 41, 42):
            frame = whole(feature_panel(Market(ParquetPrices(path, DAYS[n])), feature, LABELS))
            alone = path.with_name(f"{n}.parquet")
            table[table["datetime"] <= DAYS[n]].to_parquet(alone)
            fresh = whole(feature_panel(Market(ParquetPrices(alone)), feature, LABELS))
            pd.testing.assert_frame_equal(frame, fresh)
    assert {DAYS[40], DAYS[41], DAYS[42]} <= set(computed)
    assert "look ahead" in caplog.text


# ---- who says what the date is


def test_a_replay_clock_moves_on_while_the_process_runs(path: Path, tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    wf_dagster.init(prices=str(path), replay_clock=clock, calendar="prices")
    for day in (DAYS[20], DAYS[21]):
        clock.write_text(f"{day:%Y-%m-%d}\n")
        market = Market()
        assert market.prices.last_session() == day
        assert market.calendar.last_session == day


def test_the_earliest_date_holds(path: Path, tmp_path: Path) -> None:
    wf_dagster.init(prices=str(path), as_of=f"{DAYS[30]:%Y-%m-%d}")
    market = Market().at(DAYS[20])
    assert market.prices.last_session() == DAYS[20]
    later = market.at(DAYS[25])
    assert later.with_prices(ParquetPrices(path)).prices.last_session() == DAYS[20]
    earlier = market.with_prices({"path": str(path), "as_of": "2020-01-03"})
    assert earlier.prices.last_session() == DAYS[2]
    assert Market().at(DAYS[40]).prices.last_session() == DAYS[30]


@pytest.mark.parametrize("text", [None, "soon"])
def test_a_clock_that_shows_no_date_says_so(tmp_path: Path, text: str | None) -> None:
    clock = tmp_path / "clock"
    if text is not None:
        clock.write_text(text)
    wf_dagster.init(replay_clock=clock)
    with pytest.raises(SettingsError, match=r"WF_REPLAY_CLOCK.*clock.*2022-06-30"):
        Market().prices.last_session()
