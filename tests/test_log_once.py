"""What is said of data is said once, however often rolls and segments compute it."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd
import pytest

from tests.data.made_prices import made_prices
from wf_dagster.data import PanelDataset
from wf_dagster.log_once import warn_once

PRICES = made_prices(sessions=60, instruments=5)
DAYS = pd.DatetimeIndex(PRICES["datetime"].unique())


def test_a_warning_is_logged_once_and_another_number_is_another_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = logging.getLogger("tests.once")
    for text in ("3 of 5 % are left out", "3 of 5 % are left out", "4 of 5 % are left out"):
        warn_once(log, text)
    assert caplog.messages == ["3 of 5 % are left out", "4 of 5 % are left out"]
    assert {record.name for record in caplog.records} == {"tests.once"}


def test_a_roll_says_once_who_is_left_out_and_who_is_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prices = PRICES.assign(industry=PRICES["instrument"].map(lambda n: "A" if n > "S001" else n))
    prices.to_parquet(tmp_path / "prices.parquet")
    members = "".join(f"{name}\t2020-01-01\t2020-12-31\n" for name in ("S000", "S003", "GONE"))
    (tmp_path / "members.txt").write_text(members)
    for _ in range(2):  # two rolls of the same segments
        data = PanelDataset(
            {"train": (DAYS[5], DAYS[40]), "test": (DAYS[41], DAYS[55])},
            infer_processors=["CSNeutralize"],
            features={"func": "wf_dagster.data.features.price_features"},
            instruments=str(tmp_path / "members.txt"),
            prices=str(tmp_path / "prices.parquet"),
        )
        for segment in ("train", "test", "train", "test"):
            data.prepare(segment)
    left_out = [text for text in caplog.messages if "that belong to the universe" in text]
    assert len(left_out) == 1
    assert "1 of 3 instruments" in left_out[0]
    alone = [text for text in caplog.messages if text.startswith("CSNeutralize")]
    # two names, each alone in its industry, on 36 and on 15 sessions
    assert [text.split(" rows")[0] for text in alone] == [
        "CSNeutralize: of 72",
        "CSNeutralize: of 30",
    ]
