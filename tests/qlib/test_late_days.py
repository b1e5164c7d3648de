"""A day that stands in Qlib's calendar before its prices have come is no session yet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import wf_dagster
from tests.qlib.provider import seeded_panel, write_provider
from wf_dagster import Market
from wf_dagster.prices.close_digests import digest_closes


@pytest.fixture
def provider(home: Path, tmp_path: Path) -> Path:
    panel = seeded_panel(days=60)
    folder = write_provider(tmp_path / "provider", panel)
    wf_dagster.init(qlib_provider_uri=str(folder), qlib_region="us", prices="qlib")
    return folder


def end_before(folder: Path, days: int, *, empty: bool) -> None:
    """Take the last closes away, or leave empty ones."""
    for file in folder.glob("features/*/*.bin"):
        values = np.fromfile(file, dtype="<f4")
        end = int(values[0]) + len(values) - 1
        lost = max(end - (60 - days), 0)
        if lost and empty:
            values[-lost:] = np.nan
        elif lost:
            values = values[:-lost]
        values.tofile(file)


@pytest.mark.parametrize("empty", [False, True])
def test_days_without_any_close_are_not_there_yet(provider: Path, empty: bool) -> None:
    panel = seeded_panel(days=60)
    days = panel.index.unique("datetime")
    whole = {f.name + f.parent.name: f.read_bytes() for f in provider.glob("features/*/*.bin")}
    end_before(provider, 2, empty=empty)
    market = Market()
    assert market.last_session == days[-3]
    assert market.prices.last_session() == days[-3]
    assert days[-1] in market.calendar.sessions  # a session to come
    assert market.prices.load(["close"]).dropna().index.get_level_values(0).max() == days[-3]
    for file in provider.glob("features/*/*.bin"):
        file.write_bytes(whole[file.name + file.parent.name])
    assert Market().last_session == days[-1]


def test_closes_and_their_digests_are_those_that_qlib_reads(provider: Path) -> None:
    prices = Market().prices
    read = prices.load(["close"]).dropna()
    first = read.index.unique("datetime").sort_values()[-25]
    pd.testing.assert_series_equal(
        prices.closes(first), read["close"].loc[first:], check_names=False, check_freq=False
    )
    expected = digest_closes(read)
    assert prices.close_digests().to_dict() == expected.to_dict()
