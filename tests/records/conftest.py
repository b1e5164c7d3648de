"""A recorder that holds a seeded signal, and prices of its instruments."""

from __future__ import annotations

import pytest

from tests.reference import frames
from wf_dagster import R


@pytest.fixture
def recorder():
    """One that holds a seeded signal."""
    score, label = frames.signal()
    with R.start(experiment_name="records"):
        R.save_objects(**{"pred.pkl": score.to_frame(), "label.pkl": label.to_frame()})
        return R.get_recorder()


@pytest.fixture
def prices(tmp_path):
    """A price file of the seeded signal's instruments."""
    path = tmp_path / "prices.parquet"
    rows = frames.closes().rename_axis(columns="instrument").stack().to_frame("close").reset_index()
    rows.to_parquet(path)
    return str(path)
