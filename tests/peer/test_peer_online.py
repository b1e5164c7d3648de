"""Online management, simulated and day by day, and models that are online and brought up to date.

What ``docs/qlib.md`` lists as different on purpose is taken out of Qlib's side:

- its simulation predicts whole test segments at once, so past the simulated session;
- its signals hold the session between two routines twice.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tests.peer.comparison import assert_same, assert_same_recorders
from tests.peer.market_data import DAYS
from tests.peer.running import Peer, Step
from tests.peer.ways import Way

pytestmark = pytest.mark.slow
WAYS = pytest.mark.parametrize("way", [Way.PUBLIC, Way.QLIB_RECORDS, Way.MIRROR, Way.INSTALL])
FIRST, GROWN, SECOND_ROLL = (
    int(DAYS.searchsorted(pd.Timestamp(day))) for day in ("2019-12-17", "2019-12-20", "2019-12-24")
)


@WAYS
def test_a_model_that_is_online_is_brought_up_to_date_as_by_qlib(peer: Peer, way: Way):
    steps = (
        Step(("first_train",), 290),
        Step(("update_online_pred",), 320),
        Step(("update_from",), 330),
    )
    theirs, ours = (peer.run("update_online_pred", each, *steps) for each in (Way.QLIB, way))
    assert ours.files == {"first_train.pkl", "update_online_pred.pkl", "update_from.pkl"}
    assert_same(ours.answers, theirs.answers, "answers")
    assert_same_recorders(ours.left, theirs.left)


@WAYS
def test_the_routine_of_an_online_strategy_is_that_of_qlib(peer: Peer, way: Way):
    steps = (
        Step(("first_run",), FIRST),
        Step(("routine",), GROWN),
        Step(("routine",), SECOND_ROLL),
    )
    theirs, ours = (peer.run("rolling_online", each, *steps) for each in (Way.QLIB, way))
    assert ours.files == {"rolling_online_manager.pkl", "first_run.pkl", "routine.pkl"}
    for step in ("first_run.pkl", "routine.pkl"):
        assert ours.answers[step]["online"] == theirs.answers[step]["online"]
        for part in ("collected", "signals"):
            our, their = ours.answers[step][part], theirs.answers[step][part]
            assert_same(our, each_session_once(their), f"{step} {part}")


@WAYS
def test_a_simulation_sends_the_signals_of_qlibs(peer: Peer, way: Way):
    theirs, ours = (peer.run("online_simulate", each) for each in (Way.QLIB, way))
    assert ours.files == {"answers.pkl"}
    our, their = ours.answers["answers.pkl"], theirs.answers["answers.pkl"]
    signals = each_session_once(their["signals"])
    assert_same(our["signals"], until_simulated(signals), "signals")
    assert_same(our["analysis"], their["analysis"], "analysis")


def each_session_once(signals: Any) -> Any:
    if not isinstance(signals, pd.Series | pd.DataFrame):
        return signals
    return signals[~signals.index.duplicated(keep="last")].sort_index()


def until_simulated(signals: Any) -> Any:
    return signals[signals.index.get_level_values("datetime") <= "2020-01-20"]
