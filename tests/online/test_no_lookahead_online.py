"""Nothing that online serving does at a session depends on what came after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.data.made_prices import with_other_future
from tests.online.market import REACH, SESSIONS, STEP, TEST, day, strategy, use_prices
from tests.online.stored import assert_same, history_of, read_stored
from wf_dagster import OnlineManager, OnlineStrategy

BEGIN = TEST + STEP - 3


def left_at(position: int, path: Path, prices: pd.DataFrame, **given: Any) -> dict[str, Any]:
    """All that is kept when a session has been worked through, with these prices in the file."""
    use_prices(path, prices, home=path.with_name(f"home-{path.stem}"), **given)
    manager = OnlineManager(strategy(), begin_time=day(BEGIN))
    manager.simulate(day(position))
    return {**read_stored(*manager.strategies), "history": history_of(manager)}


def two_futures(position: int, tmp_path: Path, prices: pd.DataFrame, **given: Any) -> list[Any]:
    other = with_other_future(prices, SESSIONS[position])
    assert not other["close"].equals(prices["close"])
    known = prices[prices["datetime"] <= SESSIONS[position]]
    return [
        left_at(position, tmp_path / f"{name}.parquet", frame, **given)
        for name, frame in (("one", prices), ("other", other), ("none", known))
    ]


@pytest.mark.parametrize("calendar", ["XNYS", "prices"])
@pytest.mark.parametrize(
    "position", [TEST + STEP, pytest.param(TEST + STEP + 3, marks=pytest.mark.slow)]
)
def test_later_prices_change_nothing(
    tmp_path: Path, prices: pd.DataFrame, position: int, calendar: str
) -> None:
    one, other, none = two_futures(position, tmp_path, prices, calendar=calendar)
    assert_same(one, other)
    if calendar == "XNYS":  # its sessions are known ahead, those of the prices are not
        assert_same(one, none)
    days = one["signals"].index.get_level_values("datetime")
    assert days.max() == SESSIONS[position]
    labels = [frame for key, frame in one.items() if key.endswith(" label")]
    known = pd.concat(labels)["label"].dropna().index.get_level_values("datetime").max()
    assert known == SESSIONS[position - REACH]


def test_it_would_be_seen(
    tmp_path: Path, prices: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OnlineStrategy, "at", lambda strategy, _: strategy)
    one, other, _ = two_futures(TEST + STEP, tmp_path, prices)
    with pytest.raises(AssertionError):
        assert_same(one, other)
