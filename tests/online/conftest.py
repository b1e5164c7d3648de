"""Each test of this room has a store and a small market of its own."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.online.market import SESSIONS, made_prices, use_prices


@pytest.fixture(scope="session")
def prices() -> pd.DataFrame:
    return made_prices()


@pytest.fixture
def market(ready_store: None, prices: pd.DataFrame, tmp_path: Path) -> Path:
    """The price file of the settings, with prices up to the last session."""
    assert prices["datetime"].max() == SESSIONS[-1]
    return use_prices(tmp_path / "prices.parquet", prices)
