"""Closes that come late: what served sessions lack is added, and nothing that was there changes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.online.market import REACH, SESSIONS, STEP, TEST, day, strategy, template, use_prices
from wf_dagster import Market, OnlineManager, RollingStrategy
from wf_dagster.online import load_revisions
from wf_dagster.online.late_rows import complete_rows, find_changes, only_came_late
from wf_dagster.online.quality import same_history
from wf_dagster.online.served_prices import PricesNow, ServedPrices, read_served

HALF = ["S0", "S1", "S2"]
LATE = ["S3", "S4", "S5"]
NOW = TEST + 4  # the session whose closes come in two parts


def until(prices: pd.DataFrame, position: int, part: list[str] | None = None) -> pd.DataFrame:
    """The prices up to a session; of that one only some instruments."""
    known = prices[prices["datetime"] <= SESSIONS[position]]
    if part is None:
        return known
    return known[(known["datetime"] < SESSIONS[position]) | known["instrument"].isin(part)]


def serve(path: Path, prices: pd.DataFrame, *strategies: RollingStrategy) -> OnlineManager:
    """Strategies that have served up to the half session."""
    use_prices(path, until(prices, NOW - 1))
    manager = OnlineManager(list(strategies))
    manager.first_train()
    manager.routine()
    use_prices(path, until(prices, NOW, HALF))
    manager.routine()
    return manager


def scores_by_hand(rolls: RollingStrategy, prices: pd.DataFrame, names: list[str]) -> pd.Series:
    """The model's scores of the session, from a cross-section of some instruments."""
    (recorder,) = rolls.tool.online_models()
    model = recorder.load_object("params.pkl").estimator
    close = prices.pivot(index="datetime", columns="instrument", values="close").loc[:, names]
    close = close.loc[: SESSIONS[NOW]]
    returns = np.log(close / close.shift(1))
    x = pd.DataFrame(
        {
            **{f"m{w}": close.iloc[-1] / close.iloc[-1 - w] - 1 for w in (2, 5)},
            **{f"r{w}": 1 - close.iloc[-1] / close.iloc[-1 - w] for w in (1, 2, 3)},
            **{f"v{w}": returns.iloc[-w:].std() for w in (2, 5)},
        }
    )
    x = (x - x.mean()) / x.std()
    return pd.Series(x.to_numpy() @ np.ravel(model.coef_) + model.intercept_, names)


def standardised(scores: pd.Series) -> pd.Series:
    return (scores - scores.mean()) / scores.std()


def frame_of(rolls: RollingStrategy, name: str) -> pd.Series:
    (recorder,) = rolls.tool.online_models()
    return recorder.load_object(name).iloc[:, 0]


def assert_close(frame: Any, expected: pd.Series) -> None:
    pd.testing.assert_series_equal(
        frame, expected, check_names=False, check_index_type=False, rtol=0, atol=1e-9
    )


def test_the_rows_of_late_closes_are_added_to_what_was_sent(
    market: Path, prices: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    rolls = strategy()
    manager = serve(market, prices, rolls)
    now = SESSIONS[NOW]
    sent, pred = manager.signals.copy(), frame_of(rolls, "pred.pkl")
    first = scores_by_hand(rolls, prices, HALF)
    assert_close(pred.loc[now], first)
    assert_close(sent.loc[now], standardised(first))
    assert load_revisions().empty

    use_prices(market, until(prices, NOW))
    with caplog.at_level(logging.WARNING):
        report = manager.routine()
    assert [len(late.rows) for late in report.late] == [3]
    assert any("closes of 3 instruments came after" in r.message for r in caplog.records)
    later = scores_by_hand(rolls, prices, [*HALF, *LATE])[LATE]
    assert_close(frame_of(rolls, "pred.pkl").loc[now], pd.concat([first, later]))
    pd.testing.assert_series_equal(frame_of(rolls, "pred.pkl")[pred.index], pred)
    signals = manager.get_signals()
    pd.testing.assert_series_equal(signals[sent.index], sent)
    assert_close(signals.loc[now][LATE], standardised(pd.concat([first, later]))[LATE])
    (revision,) = load_revisions().to_dict("records")
    assert (revision["session"], revision["strategy"], revision["rows"]) == (now, "ridge", 3)
    assert abs(revision["revised_at"] - pd.Timestamp.now("UTC").tz_localize(None)).days == 0

    # again, and by another manager: nothing more to do
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        for again in (manager, OnlineManager.from_store(rolls)):
            assert again.routine().late == []
            pd.testing.assert_series_equal(again.get_signals(), signals)
    assert caplog.records == []
    assert len(load_revisions()) == 1


def test_labels_are_completed_as_well(market: Path, prices: pd.DataFrame) -> None:
    rolls = strategy()
    manager = serve(market, prices, rolls)
    earlier = SESSIONS[NOW - REACH]
    assert frame_of(rolls, "label.pkl").loc[earlier].notna().sum() == 3
    use_prices(market, until(prices, NOW + 1))
    manager.routine()
    close = prices.pivot(index="datetime", columns="instrument", values="close")
    for position in (NOW - REACH, NOW - REACH + 1):
        ahead = close.loc[SESSIONS[position + REACH]] / close.loc[SESSIONS[position + 1]] - 1
        assert_close(frame_of(rolls, "label.pkl").loc[SESSIONS[position]], ahead)
    assert len(manager.get_signals().loc[SESSIONS[NOW]]) == 6


def test_a_model_that_serves_no_more_is_completed(market: Path, prices: pd.DataFrame) -> None:
    last = TEST + STEP - 1  # of the first roll
    task = template()
    task["dataset"]["kwargs"]["infer_processors"].append("Fillna")  # a close will be missing
    rolls = strategy(templates=task)
    use_prices(market, until(prices, last - 1))
    manager = OnlineManager(rolls)
    manager.first_train()
    manager.routine()
    use_prices(market, until(prices, last, HALF))
    manager.routine()
    (first,) = rolls.tool.online_models()
    pd.testing.assert_index_equal(
        first.load_object("pred.pkl").loc[SESSIONS[last]].index, pd.Index(HALF, name="instrument")
    )
    one_late = prices.drop(  # half of the rest of the session comes, with the next one
        prices.index[(prices["datetime"] == SESSIONS[last]) & (prices["instrument"] == "S5")]
    )
    use_prices(market, until(one_late, last + 1))
    manager.routine()
    assert rolls.tool.online_models() != [first]
    assert len(first.load_object("pred.pkl").loc[SESSIONS[last]]) == 5
    use_prices(market, until(prices, last + 2))
    report = manager.routine()
    assert [(late.recorder.id, len(late.rows)) for late in report.late] == [(first.id, 1)]
    assert list(manager.get_signals().loc[SESSIONS[last]].index) == [*HALF, *LATE]
    assert list(load_revisions()["rows"]) == [2, 1]


def test_a_group_of_two_strategies_is_completed_together(
    market: Path, prices: pd.DataFrame
) -> None:
    rolls = [strategy("ridge"), strategy("flat", template(alpha=100.0))]
    manager = serve(market, prices, *rolls)
    sent = manager.signals.copy()
    use_prices(market, until(prices, NOW))
    report = manager.routine()
    assert [(late.strategy, len(late.rows)) for late in report.late] == [("ridge", 3), ("flat", 3)]
    whole = []
    for each in rolls:
        first = scores_by_hand(each, prices, HALF)
        later = scores_by_hand(each, prices, [*HALF, *LATE])[LATE]
        whole.append(standardised(pd.concat([first, later])))
    signals = manager.get_signals()
    assert_close(signals.loc[SESSIONS[NOW]][LATE], ((whole[0] + whole[1]) / 2)[LATE])
    pd.testing.assert_series_equal(signals[sent.index], sent)
    assert sorted(load_revisions()["strategy"]) == ["flat", "ridge"]


def test_who_dies_before_the_signals_are_kept_leaves_nothing_out(
    market: Path, prices: pd.DataFrame
) -> None:
    rolls = strategy()
    serve(market, prices, rolls)
    use_prices(market, until(prices, NOW))
    (late,) = rolls.at(day(NOW)).complete_late()  # and then it dies
    assert len(late.rows) == 3
    manager = OnlineManager.from_store(rolls)
    assert manager.routine().late == []
    assert len(manager.get_signals().loc[SESSIONS[NOW]]) == 6
    assert list(load_revisions()["rows"]) == [3]


def test_rows_without_a_score_for_another_reason_are_not_tried_again(
    market: Path, prices: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    task = template()
    task["dataset"]["kwargs"]["instruments"] = [*HALF, "S3"]  # the others are of no interest
    rolls = strategy(templates=task)
    manager = serve(market, prices, rolls)
    use_prices(market, until(prices, NOW))
    with caplog.at_level(logging.WARNING):
        (late,) = manager.routine().late
        assert list(late.rows.get_level_values("instrument")) == ["S3"]
        caplog.clear()
        assert manager.routine().late == []
    assert caplog.records == []


def test_a_day_that_waits_is_served_when_it_has_come(market: Path, prices: pd.DataFrame) -> None:
    rolls = strategy()
    use_prices(market, until(prices, NOW - 1))
    manager = OnlineManager(rolls)
    manager.first_train()
    manager.routine()
    use_prices(market, until(prices, NOW, ["S0"]))
    manager.routine()
    assert manager.signals.index[-1][0] == SESSIONS[NOW - 1]
    use_prices(market, until(prices, NOW))
    report = manager.routine()
    assert (report.sessions, report.late) == ([SESSIONS[NOW]], [])
    assert_close(
        manager.get_signals().loc[SESSIONS[NOW]],
        standardised(scores_by_hand(rolls, prices, [*HALF, *LATE])),
    )
    assert load_revisions().empty


# the past that changes


def split(prices: pd.DataFrame, name: str = "S2") -> pd.DataFrame:
    """All history of an instrument adjusted again."""
    return prices.assign(
        close=prices["close"].where(prices["instrument"] != name, prices["close"] / 2)
    )


def test_history_that_is_adjusted_again_is_named_and_what_was_sent_stays(
    market: Path, prices: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    rolls = strategy()
    use_prices(market, until(prices, NOW))
    manager = OnlineManager(rolls)
    manager.first_train()
    manager.routine()
    sent = manager.signals.copy()
    changed, noticed = find_changes(rolls)
    assert (len(changed), noticed) == (0, None)
    assert same_history(changed, noticed).passed

    use_prices(market, split(until(prices, NOW)))
    changed, noticed = find_changes(rolls)
    assert list(changed) == list(SESSIONS[: NOW + 1])
    finding = same_history(changed, noticed)
    assert not finding.passed
    assert finding.numbers == {
        "changed_sessions": NOW + 1,
        "max_changed": 1,
        "first": day(0),
        "last": day(NOW),
    }
    assert not only_came_late(rolls)

    use_prices(market, split(until(prices, NOW + 1)))
    with caplog.at_level(logging.WARNING):
        manager.routine()
    expected = f"closes of {NOW + 1} sessions from {day(0)} to {day(NOW)} have changed"
    assert any(expected in record.message for record in caplog.records)
    pd.testing.assert_series_equal(manager.get_signals()[sent.index], sent)
    changed, noticed = find_changes(rolls)  # the check still says so at this session
    assert (len(changed), noticed) == (0, (NOW + 1, day(0), day(NOW)))
    assert not same_history(changed, noticed).passed

    use_prices(market, split(until(prices, NOW + 2)))
    manager.routine()
    assert same_history(*find_changes(rolls)).passed  # and at the next one no more


def test_a_close_that_is_corrected_and_late_ones_are_a_price_day(
    market: Path, prices: pd.DataFrame
) -> None:
    rolls = strategy()
    serve(market, prices, rolls)
    use_prices(market, until(prices, NOW))
    assert only_came_late(rolls)
    corrected = until(prices, NOW).copy()
    corrected.loc[corrected.index[corrected["instrument"] == "S1"][-2], "close"] *= 1.01
    use_prices(market, corrected)
    assert not only_came_late(rolls)
    changed, noticed = find_changes(rolls)
    assert list(changed) == [SESSIONS[NOW - 1]]
    finding = same_history(changed, noticed)
    assert finding.passed
    assert finding.numbers["changed_sessions"] == 1


def test_what_is_kept_of_a_long_history_is_small(ready_store: None, tmp_path: Path) -> None:
    days = pd.bdate_range("1995-01-02", periods=5000)
    closes = pd.DataFrame(1.0 + np.arange(10_000.0).reshape(-1, 2), days, pd.Index(["A", "B"]))
    rows = closes.rename_axis(index="datetime", columns="instrument").stack().rename("close")
    path = tmp_path / "long.parquet"
    rows.reset_index().to_parquet(path)
    now = PricesNow.read([Market(str(path))])
    served = ServedPrices().at_session("2014-03-03", now)
    assert len(served.to_json()) < 25_000
    assert len(served.changed(now)) == 0
    rows.iloc[100] *= 2  # the 51st session
    rows.reset_index().to_parquet(path)
    month = days[(days.year == days[50].year) & (days.month == days[50].month)]
    assert list(served.changed(PricesNow.read([Market(str(path))]))) == list(month)


def test_what_was_kept_is_read_again(market: Path, prices: pd.DataFrame) -> None:
    rolls = strategy()
    serve(market, prices, rolls)
    served = read_served(rolls.tool.ledger())
    assert list(served.awaited[day(NOW)]) == LATE
    assert max(served.sessions) == day(NOW)
    assert served.late == {}


def test_a_file_that_drops_its_oldest_day_for_each_new_one_has_not_changed(
    market: Path, prices: pd.DataFrame
) -> None:
    use_prices(market, until(prices, NOW - 1))
    manager = OnlineManager(rolls := strategy())
    manager.first_train()
    for position in range(NOW, NOW + 4):
        known = SESSIONS[position - 60 : position + 1]
        use_prices(market, prices[prices["datetime"].isin(known)])
        report = manager.routine()
        assert report.sessions[-1] == SESSIONS[position]
        assert not report.late
    changed, noticed = find_changes(rolls)
    assert (len(changed), noticed) == (0, None)


def test_what_a_routine_that_died_has_predicted_of_the_next_session_has_no_labels_yet(
    market: Path, prices: pd.DataFrame
) -> None:
    rolls = strategy()
    serve(market, prices, rolls)
    (recorder,) = rolls.tool.online_models()
    for name in ("pred.pkl", "label.pkl"):
        frame = recorder.load_object(name)
        last = frame.loc[[SESSIONS[NOW]]].rename({SESSIONS[NOW]: SESSIONS[NOW + 1]}, level=0)
        recorder.save_objects(**{name: last})  # a model that begins to serve there
    use_prices(market, until(prices, NOW))  # the late closes of the session before have come
    assert complete_rows(rolls) == []
