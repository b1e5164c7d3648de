"""The simulated portfolio: small cases by hand, Qlib's choice of names, and no look-ahead."""

from __future__ import annotations

import empyrical
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import figures, frames
from wf_dagster.errors import RecordError
from wf_dagster.records import risk_analysis, simulate
from wf_dagster.records.portfolio import choose_holdings, performance

QLIB = figures.load()
FREE = {"open_cost": 0.0, "close_cost": 0.0}


def _frame(rows, names="AB"):
    index = pd.bdate_range("2020-01-06", periods=len(rows), name="datetime")
    return pd.DataFrame(rows, index, list(names), dtype="float64")


def test_scores_of_a_session_are_traded_at_the_next_close_and_earn_from_the_one_after():
    closes = _frame([[100, 100], [200, 100], [220, 100], [220, 110]])
    scores = _frame([[1, 0], [0, 1], [0, 1], [0, 1]])
    simulation = simulate(scores, closes, topk=1, n_drop=1, account=1000.0, **FREE)
    # A doubles before it is bought; it earns 10 % before B, chosen on the second day, replaces it
    assert simulation.report["return"].tolist() == pytest.approx([0.0, 0.10, 0.10])
    assert simulation.report["account"].tolist() == pytest.approx([1000, 1100, 1210])
    assert simulation.positions.to_numpy().tolist() == [[1, 0], [0, 1], [0, 1]]
    assert simulation.report.index.equals(closes.index[1:].rename("datetime"))


def test_costs_and_turnover_are_those_of_what_was_traded():
    closes = _frame([[100, 100], [100, 100], [110, 100], [110, 100]])
    scores = _frame([[1, 0], [0, 1], [0, 1], [0, 1]])
    report = simulate(
        scores, closes, topk=1, n_drop=1, open_cost=0.01, close_cost=0.02, account=1000.0
    ).report
    assert report["turnover"].tolist() == pytest.approx([1.0, 2 * 1.1, 0.0])
    assert report["cost"].tolist() == pytest.approx([0.01, 1.1 * 0.03, 0.0])
    assert report["return"].tolist() == pytest.approx([0.0, 0.10, 0.0])
    assert report["account"].tolist() == pytest.approx(
        [990.0, 990 * (1.1 - 0.033), 990 * (1.1 - 0.033)]
    )


def test_held_names_are_brought_back_to_equal_weight():
    closes = _frame([[100, 100], [100, 100], [150, 100], [150, 100]])
    simulation = simulate(
        _frame([[1, 1]] * 4), closes, topk=2, n_drop=0, open_cost=0.001, close_cost=0.001
    )
    assert simulation.positions.to_numpy().tolist() == [[0.5, 0.5]] * 3
    # 0.75 / 1.25 = 60 % drifts back to 50 %: a tenth of 1.25 sold, a tenth bought
    assert simulation.report["turnover"].tolist() == pytest.approx([1.0, 0.25, 0.0])
    assert simulation.report["cost"].tolist() == pytest.approx([0.001, 0.00025, 0.0])


def test_a_session_without_scores_is_not_traded_and_weights_drift():
    closes = _frame([[100, 100], [100, 100], [150, 100], [150, 100]])
    scores = _frame([[1, 1], [np.nan, np.nan], [1, 1], [1, 1]]).iloc[[0, 2, 3]]
    simulation = simulate(scores, closes, topk=2, n_drop=0, **FREE)
    assert simulation.positions.iloc[1].tolist() == pytest.approx([0.6, 0.4])
    assert simulation.report["turnover"].iloc[1] == 0.0


def test_a_name_without_a_price_is_kept_at_its_last_one_and_not_traded():
    closes = _frame([[100, 100], [100, 100], [np.nan, 100], [np.nan, 100], [50, 100]])
    scores = _frame([[1, 0], [0, 1], [0, 1], [0, 1], [0, 1]])
    simulation = simulate(scores, closes, topk=1, n_drop=1, **FREE)
    # A cannot be sold until it has a price again: its fall is borne, then it is sold
    assert simulation.positions["A"].tolist() == [1, 1, 1, 0]
    assert simulation.report["return"].tolist() == pytest.approx([0, 0, 0, -0.5])


GAP = [np.nan] * 3


def test_a_held_name_without_a_price_is_sold_at_its_last_one_after_a_number_of_sessions():
    closes = _frame(list(zip([100, 100, 80, *GAP, np.nan], [100] * 5 + [110, 121], strict=True)))
    scores = _frame([[1, 0]] * 7)
    arguments = {"topk": 1, "n_drop": 1, "open_cost": 0.01, "close_cost": 0.02}
    simulation = simulate(scores, closes, **arguments, delist_after=3)
    report, held = simulation.report, simulation.positions
    # A falls to 80, has no price from the 9th on and is sold on the 13th, when B is bought
    assert held["A"].tolist() == [1, 1, 1, 1, 0, 0]
    assert held["B"].tolist() == [0, 0, 0, 0, 1, 1]
    assert report["return"].tolist() == pytest.approx([0, -0.2, 0, 0, 0, 0.1])
    assert report["turnover"].tolist() == pytest.approx([1, 0, 0, 0, 2, 0])
    assert report["cost"].tolist() == pytest.approx([0.01, 0, 0, 0, 0.03, 0])
    (gone,) = simulation.delistings
    assert (gone.instrument, gone.weight) == ("A", 1.0)
    assert (str(gone.session.date()), str(gone.last_price.date())) == ("2020-01-13", "2020-01-08")
    # for ever, as it was before
    kept = simulate(scores, closes, **arguments, delist_after=None)
    assert kept.positions["A"].tolist() == [1] * 6
    assert kept.delistings == []


def test_what_is_paid_for_a_delisted_name_is_a_return_on_its_last_price():
    rows = list(zip([100, 100, *GAP, np.nan], [100] * 6, strict=True))
    scores = _frame([[1, 1]] * 6)
    arguments = {"topk": 2, "n_drop": 0, "delist_after": 2, **FREE}
    simulation = simulate(scores, _frame(rows), **arguments, delisting_return=-0.3)
    # half of the account loses 30 %; the benchmark of both names loses as much
    assert simulation.report["return"].tolist() == pytest.approx([0, 0, -0.15, 0, 0])
    assert simulation.report["bench"].tolist() == pytest.approx([0, 0, -0.15, 0, 0])
    assert simulation.positions["B"].tolist() == pytest.approx([0.5, 0.5, 1, 1, 1])
    assert simulation.delistings[0].weight == pytest.approx(0.35 / 0.85)


def test_a_delisted_name_becomes_cash_on_a_session_without_scores():
    closes = _frame(list(zip([100, 100, np.nan, np.nan, np.nan], [100] * 5, strict=True)))
    scores = _frame([[1, 1]] * 4).iloc[[0, 3]]
    simulation = simulate(scores, closes, topk=2, n_drop=0, delist_after=2, **FREE)
    assert simulation.positions.to_numpy().tolist() == [[0.5, 0.5], [0.5, 0.5], [0, 0.5], [0, 1]]
    assert simulation.report["turnover"].tolist() == pytest.approx([1, 0, 0.5, 0.5])


def test_an_account_that_is_paid_nothing_is_lost(caplog):
    closes = _frame(list(zip([100, 100, np.nan, np.nan], [100, 100, 100, 110], strict=True)))
    simulation = simulate(
        _frame([[1, 0]] * 4), closes, topk=1, n_drop=0, delist_after=1, delisting_return=-1, **FREE
    )
    assert simulation.report["account"].tolist() == [1e6, 0, 0]
    assert simulation.positions.iloc[1:].eq(0).all(axis=None)
    assert "the account is lost on 2020-01-08" in caplog.text


def test_a_name_that_was_suspended_keeps_its_return_in_portfolio_and_benchmark():
    """A third of each is in A, which has no price for three sessions and then one of half."""
    a = [100, 100, *GAP, 50, 50]
    closes = _frame([[price, 100, 100] for price in a], "ABC")
    report = simulate(_frame([[3, 2, 1]] * 7, "ABC"), closes, topk=3, n_drop=0, **FREE).report
    assert report["return"].tolist() == pytest.approx([0, 0, 0, 0, -1 / 6, 0])
    assert report["bench"].tolist() == pytest.approx([0, 0, 0, 0, -1 / 6, 0])


def test_a_delisted_name_whose_price_returns_can_be_bought_again():
    closes = _frame(list(zip([100, 100, *GAP, 90, 99], [100] * 7, strict=True)))
    simulation = simulate(_frame([[1, 0]] * 7), closes, topk=1, n_drop=1, delist_after=2, **FREE)
    assert simulation.positions["A"].tolist() == [1, 1, 0, 0, 1, 1]
    assert simulation.report["return"].tolist() == pytest.approx([0, 0, 0, 0, 0, 0.1])


def test_a_name_that_never_had_a_price_is_not_bought():
    closes = _frame([[np.nan, 100]] * 3)
    simulation = simulate(_frame([[9, 1]] * 3), closes, topk=1, n_drop=1, **FREE)
    assert simulation.positions["A"].tolist() == [0, 0]
    assert simulation.positions["B"].tolist() == [1, 1]


def test_fewer_names_than_topk_share_the_whole_account():
    simulation = simulate(_frame([[1, np.nan]] * 3), _frame([[100, 100]] * 3), topk=5, n_drop=1)
    assert simulation.positions.to_numpy().tolist() == [[1, 0], [1, 0]]


def test_the_default_benchmark_is_the_names_with_a_score_in_equal_weights():
    closes = _frame([[100, 100, 100], [100, 100, 100], [110, 120, 900]], "ABC")
    simulation = simulate(_frame([[1, 0, np.nan]] * 3, "ABC"), closes, topk=1, n_drop=1, **FREE)
    assert simulation.report["bench"].tolist() == pytest.approx([0.0, 0.15])


def test_the_default_benchmark_does_not_buy_what_has_no_price_when_it_trades():
    closes = _frame([[100, 100, 100], [100, 100, np.nan], [110, 120, 900]], "ABC")
    simulation = simulate(_frame([[1, 0, -1]] * 3, "ABC"), closes, topk=1, n_drop=1, **FREE)
    assert simulation.report["bench"].tolist() == pytest.approx([0.0, 0.15])


def test_a_given_benchmark_starts_to_earn_when_the_portfolio_does():
    bench = pd.Series([0.03, 0.03, 0.01, 0.02], pd.bdate_range("2020-01-06", periods=4))
    simulation = simulate(_frame([[1, 0]] * 4), _frame([[1, 1]] * 4), bench=bench, topk=1, n_drop=1)
    assert simulation.report["bench"].tolist() == pytest.approx([0.0, 0.01, 0.02])


def test_a_benchmark_of_other_sessions_is_refused():
    bench = pd.Series(0.01, pd.bdate_range("2001-01-01", periods=3))
    with pytest.raises(RecordError, match="benchmark has no return from 2020-01-07 to 2020-01-09"):
        simulate(_frame([[1, 0]] * 4), _frame([[1, 1]] * 4), bench=bench)


def test_scores_of_the_last_session_alone_give_an_empty_report():
    closes = _frame([[100, 100]])
    simulation = simulate(_frame([[1, 0]]), closes)
    assert len(simulation.report) == len(simulation.positions) == 0


@pytest.mark.parametrize("key", ["5,1", "4,2", "3,3", "6,3"])
def test_names_are_dropped_and_bought_as_by_qlibs_topk_dropout_strategy(key):
    topk, n_drop = map(int, key.split(","))
    wide = frames.scores_with_gaps()
    held = np.zeros(wide.shape[1], dtype=bool)
    everything = np.ones_like(held)
    for row, wanted in zip(wide.to_numpy(), QLIB["topk"][key], strict=True):
        held = choose_holdings(row, held, everything, topk, n_drop)
        assert list(wide.columns[held]) == wanted


def test_no_name_is_dropped_that_none_is_there_to_replace():
    """Qlib sells the worst of a universe no larger than topk, and buys it back the day after."""
    scores = np.array([3.0, 2.0, 1.0, 0.0])
    held = np.array([True, True, True, False])
    everything = np.ones(4, dtype=bool)
    assert choose_holdings(scores, held, everything, 5, 2).all()
    assert choose_holdings(scores, ~held, everything, 3, 3).tolist() == [True, True, True, False]
    assert choose_holdings(scores, held, everything, 3, 3).tolist() == held.tolist()


def test_with_nothing_to_drop_everything_is_kept():
    """Qlib takes the last zero names for all of them and sells the whole portfolio."""
    scores = np.array([3.0, 2.0, 1.0])
    held = np.array([False, True, True])
    assert choose_holdings(scores, held, np.ones(3, dtype=bool), 2, 0).tolist() == held.tolist()


_VALUE = st.one_of(st.just(float("nan")), st.floats(-3, 3))
_PRICE = st.one_of(st.just(float("nan")), st.floats(1, 200))


@settings(deadline=None, max_examples=120)
@given(st.data())
def test_nothing_up_to_a_session_depends_on_what_comes_later(data):
    days, names = 9, 4
    grid = st.lists(st.lists(_VALUE, min_size=names, max_size=names), min_size=days, max_size=days)
    money = st.lists(st.lists(_PRICE, min_size=names, max_size=names), min_size=days, max_size=days)
    scores = np.array(data.draw(grid))
    scores[[0, -1]] = np.arange(names)  # the first and the last session always have scores
    closes = np.array(data.draw(money))
    cut = data.draw(st.integers(1, days - 1))
    other_scores, other_closes = scores.copy(), closes.copy()
    # the scores of a session are traded at the next: they may not move its own row either
    other_scores[cut:-1] = np.array(data.draw(grid))[cut:-1]
    other_closes[cut + 1 :] = np.array(data.draw(money))[cut + 1 :]
    arguments = {"topk": data.draw(st.integers(1, 4)), "n_drop": 1}
    before = simulate(_frame(scores, "ABCD"), _frame(closes, "ABCD"), **arguments)
    after = simulate(_frame(other_scores, "ABCD"), _frame(other_closes, "ABCD"), **arguments)
    pd.testing.assert_frame_equal(before.report.iloc[:cut], after.report.iloc[:cut])
    pd.testing.assert_frame_equal(before.positions.iloc[:cut], after.positions.iloc[:cut])


@settings(deadline=None, max_examples=80)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(0, 6))
def test_the_account_adds_up(seed, topk, n_drop):
    random = np.random.default_rng(seed)
    closes = _frame(100 * np.exp(random.normal(0, 0.02, (15, 6)).cumsum(0)), "ABCDEF")
    scores = _frame(random.normal(size=(15, 6)), "ABCDEF")
    n_drop = min(n_drop, topk)
    simulation = simulate(scores, closes, topk=topk, n_drop=n_drop, account=10.0)
    report, held = simulation.report, simulation.positions
    assert held.to_numpy().min() >= 0
    assert held.sum(axis=1).to_numpy() == pytest.approx(np.ones(14))
    assert (held > 0).sum(axis=1).eq(min(topk, 6)).all()
    moves = closes.pct_change().reindex(held.index)
    earned = (held.shift().fillna(0) * moves).sum(axis=1)
    assert report["return"].to_numpy() == pytest.approx(earned.to_numpy())
    grown = 10.0 * (1 + report["return"] - report["cost"]).cumprod()
    assert report["account"].to_numpy() == pytest.approx(grown.to_numpy())
    still_held = ((held > 0) & (held.shift() > 0)).sum(axis=1).iloc[1:]
    assert still_held.min() >= min(topk, 6) - n_drop


def test_risk_figures_are_qlibs():
    figures = risk_analysis(frames.returns(), ann_scaler=238)
    for name, value in QLIB["risk_analysis"].items():
        assert figures[name] == pytest.approx(value, rel=1e-10), name
    assert figures["volatility"] == pytest.approx(figures["std"] * 238**0.5)


def test_compounded_figures_are_empyricals():
    returns = frames.returns()
    figures = performance(returns)
    assert figures == pytest.approx(
        {
            "annual_return": empyrical.annual_return(returns, annualization=252),
            "volatility": empyrical.annual_volatility(returns, annualization=252),
            "sharpe": empyrical.sharpe_ratio(returns, annualization=252),
            "max_drawdown": empyrical.max_drawdown(returns),
        }
    )
    assert performance(pd.Series([-0.5, 1.0]))["max_drawdown"] == pytest.approx(-0.5)


def test_excess_returns_of_rounding_alone_are_nothing():
    """Shares of a third and their sum: what is left of a portfolio that is its benchmark."""
    random = np.random.default_rng(0)
    moves = random.normal(0, 0.01, (250, 7))
    excess = pd.Series(moves @ np.full(7, 1 / 7) - moves.mean(axis=1))
    assert excess.abs().max() > 0
    figures = risk_analysis(excess)
    assert np.isnan(figures.pop("information_ratio"))
    assert set(figures.values()) == {0.0}
    # one basis point in a thousand years is no rounding
    assert np.isfinite(risk_analysis(excess + moves[:, 0] * 1e-9)["information_ratio"])


def test_ratios_of_returns_that_do_not_vary_are_not_given():
    steady = pd.Series([0.001 + 1e-17, 0.001, 0.001 - 1e-17])
    assert np.isnan(risk_analysis(steady)["information_ratio"])
    assert np.isnan(performance(steady)["sharpe"])
    assert risk_analysis(steady)["annualized_return"] == pytest.approx(0.252)
    assert performance(steady)["annual_return"] == pytest.approx(1.001**252 - 1)


def test_sessions_whose_benchmark_is_not_known_are_left_out_of_excess_figures():
    excess = pd.Series([np.nan, 0.01, -0.03, 0.02, np.nan])
    assert risk_analysis(excess) == pytest.approx(risk_analysis(excess.dropna()))


def test_figures_of_one_session_that_need_two_are_nan():
    figures = risk_analysis(pd.Series([0.01]))
    assert figures["mean"] == 0.01
    assert np.isnan([figures["std"], figures["information_ratio"], figures["volatility"]]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"topk": 0}, "topk=0: use the number of names to hold, at least 1"),
        ({"topk": 2.5}, "topk=2.5"),
        ({"n_drop": -1}, "n_drop=-1"),
        ({"n_drop": 6}, "n_drop=6: use a number of names from 0 to topk=5"),
        ({"open_cost": "5e-4"}, "open_cost='5e-4': use a fraction"),
        ({"close_cost": 1.0}, "close_cost=1.0"),
        ({"open_cost": float("nan")}, "open_cost=nan"),
        ({"delist_after": 0}, r"delist_after=0: use a number of sessions \(None is never\)"),
        ({"delist_after": "20"}, "delist_after='20'"),
        ({"delisting_return": -1.5}, r"delisting_return=-1\.5: use a return on the last price"),
        ({"delisting_return": float("nan")}, "delisting_return=nan"),
        ({"account": 0}, "account=0: use an amount of money"),
        ({"account": {"cash": 1}}, "account="),
    ],
)
def test_numbers_that_make_no_portfolio_are_refused(arguments, message):
    with pytest.raises(RecordError, match=message):
        simulate(_frame([[1, 0]] * 3), _frame([[1, 1]] * 3), **arguments)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s, c: (s.iloc[::-1], c), "the scores have sessions twice or out of order"),
        (lambda s, c: (s, c.iloc[[0, 0, 1, 2]]), "the prices have sessions twice"),
        (lambda s, c: (s.iloc[:0], c), "there are no scores"),
        (lambda s, c: (s, c.iloc[1:]), "1 sessions have predictions but no prices.* 2020-01-06"),
    ],
)
def test_frames_that_do_not_fit_are_refused(spoil, message):
    scores, closes = spoil(_frame([[1, 0]] * 3), _frame([[1, 1]] * 3))
    with pytest.raises(RecordError, match=message):
        simulate(scores, closes)
