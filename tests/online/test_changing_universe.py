"""A universe that changes over time, from training to what is served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import wf_dagster
from tests.online.market import REACH, STEP, made_prices, template
from wf_dagster import OnlineManager, RollingGen, RollingStrategy
from wf_dagster.market import Market
from wf_dagster.online.inspection import Inspection
from wf_dagster.rolling import Rolls
from wf_dagster.tracking import find_recorders

DAYS = pd.bdate_range("2020-01-06", "2020-07-31", name="datetime")
JOINS, LEAVES = "2020-05-11", "2020-05-15"


@pytest.fixture
def market(ready_store: None, tmp_path: Path) -> Market:
    wf_dagster.init(max_workers=1)
    made_prices(DAYS).to_parquet(tmp_path / "prices.parquet")
    return Market(tmp_path / "prices.parquet")


def test_predictions_exist_for_members_of_the_day_only(market: Market, tmp_path: Path) -> None:
    names = sorted(market.prices.load()["close"].unstack().columns)
    late, early = names[0], names[1]
    spans = [(name, "2000-01-01", "2099-12-31") for name in names[2:]]
    spans += [(late, JOINS, "2099-12-31"), (early, "2000-01-01", LEAVES)]
    file = tmp_path / "members.txt"
    file.write_text("".join("\t".join(span) + "\n" for span in spans))
    task: Any = template()
    task["dataset"]["kwargs"]["instruments"] = str(file)
    generator = RollingGen(STEP, rtype=RollingGen.ROLL_SD, trunc_days=REACH)
    rolls = RollingStrategy("members", task, generator, market=market)
    OnlineManager(rolls, begin_time="2020-05-07").simulate("2020-05-18")

    frames = [recorder.load_object("pred.pkl") for recorder in find_recorders("members")]
    served = pd.concat(frames)["score"].unstack("instrument")
    served = served[served.index >= "2020-05-07"]
    assert served[late].dropna().index[0] == pd.Timestamp(JOINS)
    assert served[early].dropna().index[-1] == pd.Timestamp(LEAVES)
    assert served[names[2:]].notna().all(axis=None)
    assert served.index.equals(DAYS[(DAYS >= "2020-05-07") & (DAYS <= "2020-05-18")])

    seen = rolls.market.at("2020-05-18")
    on_calendar = Rolls.from_template(task, generator.on(seen.calendar))
    for serving in Inspection("members", on_calendar, seen).serving():
        expected = serving.expected_rows()
        assert expected is not None
        assert set(expected) == set(serving.pred.index)
