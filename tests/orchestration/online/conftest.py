"""A strategy that serves, on a small market whose days pass when a clock file says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from tests.online.market import made_prices
from tests.orchestration.online.life import Life


@pytest.fixture(scope="session")
def prices() -> pd.DataFrame:
    return made_prices()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """In memory: one of files costs as much as everything else."""
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def life(
    ready_store: None, prices: pd.DataFrame, instance: dg.DagsterInstance, tmp_path: Path
) -> Life:
    return Life(tmp_path, prices, instance)
