"""A session that the exchange foresaw and that never came: a storm, a day of mourning."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.online.market import SESSIONS, STEP, TEST, day, strategy, template, use_prices
from wf_dagster import Market, OnlineManager
from wf_dagster.collect import collect_strategy
from wf_dagster.rolling import Rolls

LOST = TEST + STEP + 2  # within the second roll


@pytest.mark.slow
def test_the_rolls_that_follow_are_the_templates_and_nothing_that_served_is_lost(
    market: Path, prices: pd.DataFrame
) -> None:
    real = prices[prices["datetime"] != SESSIONS[LOST]]
    use_prices(market, real[real["datetime"] <= SESSIONS[TEST]])
    assert Market().calendar.index(day(LOST)) == LOST, "it is foreseen"
    manager = OnlineManager(rolls := strategy())
    manager.first_train()
    last = TEST + 4 * STEP
    for position in range(TEST, last + 1):
        use_prices(market, real[real["datetime"] <= SESSIONS[position]])
        manager.routine()
    state = rolls.tool.state()
    calendar = Market().calendar
    assert SESSIONS[LOST] not in calendar.sessions
    defined = Rolls.from_template(template(), rolls.rg, calendar)
    # the sessions that there are, in steps
    came = SESSIONS.delete(LOST)
    assert defined.keys == [f"{d:%Y-%m-%d}" for d in came[TEST:last:STEP]]
    served = {i for change in state.changes for i in change.online}
    collection = collect_strategy(
        rolls.exp_name, defined, calendar, serving=state.online, served=served
    )
    assert (collection.gaps, collection.coverage) == ([], 1.0)
    days = collection.pred.index.unique("datetime")
    assert list(days) == list(came[(came >= SESSIONS[TEST]) & (came <= SESSIONS[last])])
