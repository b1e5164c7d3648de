"""Figures of a signal, against plain pandas a day and against Qlib's recorded ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import figures, frames
from wf_dagster.errors import RecordError
from wf_dagster.records import ic_series, long_short, signal_summary
from wf_dagster.records.analysis import annualise, ic_metrics

QLIB = figures.load()


def _naive_ic(score, label, method):
    table = pd.DataFrame({"score": score, "label": label})
    by_day = {}
    for day, rows in table.groupby(level="datetime"):
        both = rows.dropna()
        flat = both["score"].nunique() < 2 or both["label"].nunique() < 2
        by_day[day] = np.nan if flat else both["score"].corr(both["label"], method=method)
    return pd.Series(by_day, dtype="float64")


def _naive_sides(score, label, quantile):
    table = pd.DataFrame({"score": score, "label": label})
    by_day = {}
    for day, rows in table[table["score"].notna()].groupby(level="datetime"):
        is_flat = rows["score"].nunique() == 1
        count = 0 if is_flat else int(len(rows) * quantile)
        by_day[day] = {
            "long": rows.nlargest(count, "score")["label"].mean(),
            "short": rows.nsmallest(count, "score")["label"].mean(),
            "average": rows["label"].mean(),
        }
    columns = ["long", "short", "average"]
    return pd.DataFrame.from_dict(by_day, "index", columns=columns).astype("float64")


@st.composite
def _signals(draw):
    """Ties, gaps, constant days, days of one instrument and rows in any order."""
    value = st.sampled_from([-1.5, -0.25, 0.0, 0.1, 0.1 + 1e-9, 2.0, 1e6, float("nan")])
    rows = draw(
        st.lists(
            st.tuples(st.integers(0, 4), st.integers(0, 7), value, value),
            min_size=1,
            max_size=30,
            unique_by=lambda row: row[:2],
        )
    )
    index = pd.MultiIndex.from_tuples(
        [(pd.Timestamp("2021-03-01") + pd.Timedelta(days=d), f"S{i}") for d, i, *_ in rows],
        names=["datetime", "instrument"],
    )
    return pd.Series([r[2] for r in rows], index), pd.Series([r[3] for r in rows], index)


@settings(deadline=None, max_examples=150)
@given(_signals())
def test_information_coefficients_are_those_of_pandas_day_by_day(signal):
    score, label = signal
    for series, method in zip(ic_series(score, label), ("pearson", "spearman"), strict=True):
        wanted = _naive_ic(score, label, method)
        pd.testing.assert_series_equal(
            series, wanted, check_names=False, check_freq=False, rtol=1e-6, atol=1e-6
        )
        assert series.index.name == "datetime"


@settings(deadline=None, max_examples=150)
@given(_signals(), st.sampled_from([0.1, 0.2, 0.34, 0.5]))
def test_both_sides_are_those_of_pandas_day_by_day(signal, quantile):
    score, label = signal
    sides = long_short(score, label, quantile)
    wanted = _naive_sides(score, label, quantile).reindex(sides.index)
    pd.testing.assert_frame_equal(sides, wanted, check_names=False, check_freq=False, rtol=1e-9)
    assert sides.index.equals(pd.DatetimeIndex(sorted({day for day, _ in score.index})))


@settings(deadline=None, max_examples=50)
@given(_signals(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_coefficient(signal, random):
    score, label = signal
    order = random.sample(range(len(score)), len(score))
    for series, wanted in zip(
        ic_series(score.iloc[order], label), ic_series(score, label), strict=True
    ):
        pd.testing.assert_series_equal(series, wanted, rtol=1e-9)


def test_coefficients_and_spread_are_qlibs():
    score, label = frames.signal()
    ic, ric = ic_series(score, label)
    sides = long_short(score, label)
    for series, name in (
        (ic, "ic"),
        (ric, "ric"),
        ((sides["long"] - sides["short"]) / 2, "long_short"),
        (sides["average"], "long_avg"),
    ):
        wanted = figures.series(QLIB[name])
        assert wanted.notna().sum() >= 13
        pd.testing.assert_series_equal(
            series, wanted, check_names=False, check_freq=False, rtol=1e-12, atol=1e-14
        )


def test_a_side_is_chosen_before_anyone_knows_which_labels_will_be_missing():
    score, label = _day([5.0, 4.0, 3.0, 2.0, 1.0], [np.nan, 0.04, 0.03, 0.02, 0.01])
    sides = long_short(score, label, 0.4)
    # of the two best, one label is known: the third best does not take the other's place
    assert sides["long"].item() == 0.04
    assert sides["short"].item() == pytest.approx(0.015)
    assert np.isnan(long_short(score, label, 0.2)["long"].item())


def test_ties_are_cut_in_the_order_of_the_rows():
    score, label = _day([1.0, 1.0, 1.0, 0.0, 0.0], [0.5, 0.4, 0.3, 0.2, 0.1])
    sides = long_short(score, label, 0.25)
    assert (sides["long"].item(), sides["short"].item()) == (0.5, 0.2)


@pytest.mark.parametrize("scores", [[0.3] * 4, [0.1 + 0.2, 0.3, 0.3, 0.3]])
def test_equal_scores_have_no_sides_and_no_coefficient(scores):
    """``0.1 + 0.2`` is above ``0.3`` by 5e-17."""
    score, label = _day(scores, [0.4, 0.3, 0.2, 0.1])
    sides = long_short(score, label, 0.25)
    assert sides[["long", "short"]].isna().all(axis=None)
    assert sides["average"].item() == pytest.approx(0.25)
    assert all(series.isna().all() for series in ic_series(score, label))


def test_ratios_of_what_varies_by_rounding_alone_are_not_given():
    """Two instruments, always in the right order: each IC is 1, but for its last digit."""
    rounded = pd.Series([1.0, 1.0 - 1.1e-16, 1.0, 1.0 - 2.2e-16])
    assert np.isnan(ic_metrics(rounded, rounded)["ICIR"])
    spread = pd.Series([0.1 + 0.2, 0.3, 0.3])
    annual, sharpe = annualise(spread)
    assert annual == pytest.approx(0.3 * 252)
    assert np.isnan(sharpe)
    assert annualise(pd.Series([0.3 + 1e-9, 0.3, 0.3]))[1] > 1e6  # small, and no rounding


def test_equal_values_have_no_correlation_even_when_their_mean_rounds():
    score, label = _day([0.1] * 3, [0.1, 0.2, 0.3])
    ic, ric = ic_series(score, label)
    assert ic.isna().all()
    assert ric.isna().all()


def test_large_levels_cost_no_digits():
    score, label = _day([1e9 + 1, 1e9 + 2, 1e9 + 4], [1.0, 2.0, 4.0])
    assert ic_series(score, label)[0].item() == pytest.approx(1.0, abs=1e-12)


def test_no_rows_give_empty_series():
    score, label = _day([], [])
    ic, ric = ic_series(score, label)
    assert len(ic) == len(ric) == len(long_short(score, label)) == 0
    assert isinstance(ic.index, pd.DatetimeIndex)


def test_annual_figures_of_one_session_labels_are_the_plain_ones():
    returns = frames.returns()
    year, sharpe = annualise(returns)
    assert year == pytest.approx(returns.mean() * 252)
    assert sharpe == pytest.approx(returns.mean() / returns.std() * 252**0.5)


def test_overlapping_labels_do_not_count_a_session_twice():
    """Summed returns of 5 sessions, seen every day, earn in a year what the sessions earn."""
    daily = pd.Series(np.random.default_rng(0).normal(0.0005, 0.01, 20_000))
    five = daily.rolling(5).sum()
    plain, overlapping = annualise(daily), annualise(five, horizon=5)
    assert overlapping == pytest.approx(plain, rel=0.03)


def test_figures_that_are_not_defined_are_nan():
    assert all(np.isnan(annualise(pd.Series([np.nan]))))
    year, sharpe = annualise(pd.Series([0.01]))
    assert year == pytest.approx(2.52)
    assert np.isnan(sharpe)
    one_day = ic_metrics(pd.Series([0.3]), pd.Series([np.nan]))
    assert one_day["IC"] == 0.3
    assert np.isnan([one_day["ICIR"], one_day["Rank IC"], one_day["Rank ICIR"]]).all()


def test_the_summary_says_what_its_names_say():
    score, label = frames.signal()
    summary = signal_summary(score.to_frame("score"), label.to_frame("label"), horizon=5)
    ic, _ = ic_series(score, label)
    sides = long_short(score, label)
    assert summary["rows"] == len(score)
    assert (summary["first"], summary["last"]) == ("2021-03-01", "2021-03-19")
    assert summary["ICIR"] == pytest.approx(ic.mean() / ic.std())
    spread = (sides["long"] - sides["short"]).mean()
    assert summary["Top-Bottom Ann Return"] == pytest.approx(spread / 5 * 252)
    assert summary["Long-Short Ann Return"] == pytest.approx(spread / 2 / 5 * 252)


def test_the_summary_of_unknown_labels_counts_and_does_not_invent():
    score, label = frames.signal()
    summary = signal_summary(score, label * np.nan)
    assert summary["rows"] == len(score)
    assert all(np.isnan(summary[n]) for n in summary if n not in ("rows", "first", "last"))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s, y: (pd.concat([s, s.iloc[:1]]), y), "predictions have the row .*S00.* twice"),
        (lambda s, y: (s, pd.concat([y, y.iloc[:1]])), "labels have the row .*S00.* twice"),
        (lambda s, y: (s.droplevel("datetime"), y), "must be 'datetime'"),
        (lambda s, y: (s, y.swaplevel()), r"they must be the same"),
        (lambda s, y: (s, y.droplevel("instrument").iloc[::12]), "they must be the same"),
        (lambda s, y: (_without_date(s), _without_date(y)), "without a date"),
    ],
)
def test_rows_that_cannot_be_paired_are_refused(spoil, message):
    score, label = spoil(*frames.signal())
    with pytest.raises(RecordError, match=message):
        ic_series(score, label)


@pytest.mark.parametrize("quantile", [0, -0.1, 0.51, float("nan"), "0.2", None])
def test_a_quantile_that_is_no_side_is_refused(quantile):
    with pytest.raises(RecordError, match="quantile="):
        long_short(*frames.signal(), quantile)


@pytest.mark.parametrize("horizon", [0, -1, 2.5, "5", True])
def test_a_horizon_that_is_no_number_of_sessions_is_refused(horizon):
    with pytest.raises(RecordError, match="label horizon="):
        signal_summary(*frames.signal(), horizon=horizon)


def _day(scores, labels):
    index = pd.MultiIndex.from_product(
        [pd.DatetimeIndex(["2021-03-01"]), [f"S{i}" for i in range(len(scores))]],
        names=["datetime", "instrument"],
    )
    return pd.Series(scores, index, dtype="float64"), pd.Series(labels, index, dtype="float64")


def _without_date(values):
    rows = values.reset_index()
    rows.loc[0, "datetime"] = pd.NaT
    return rows.set_index(["datetime", "instrument"]).iloc[:, 0]
