"""The same calls to Qlib's functions and to their counterparts here."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pandas as pd

SEGMENTS = {
    "train": ("2019-01-06", "2019-06-30"),
    "valid": ("2019-07-01", "2019-09-29"),
    "test": ("2019-10-05", "2019-12-31"),
}
NEAR_THE_END = ("2020-10-05", "2020-10-30")


def answers(package: str) -> dict[str, Any]:
    """What the modules of ``qlib``, or those of ``wf_dagster.compat.qlib``, say."""
    utils = importlib.import_module(f"{package}.workflow.task.utils")
    gen = importlib.import_module(f"{package}.workflow.task.gen")
    alpha = importlib.import_module(f"{package}.contrib.eva.alpha")
    return {
        **of_dates(utils.TimeAdjuster, gen.trunc_segments),
        **of_signals(alpha),
    }


def of_dates(adjuster: Any, trunc_segments: Any) -> dict[str, Any]:
    ta = adjuster()
    past = adjuster(future=False)
    until = adjuster(end_time="2019-12-29")
    aligned = ta.align_seg(SEGMENTS)
    cut = dict(aligned)
    trunc_segments(ta, cut, 5)
    reset = adjuster()
    reset.set_end_time("2020-02-02")
    return {
        "ends": [ta.max(), past.max(), until.max(), reset.max()],
        "counts": [len(ta.cals), len(past.cals), len(until.cals), len(reset.cals)],
        "get": [ta.get(0), ta.get(7), ta.get(10_000), ta.get(None)],
        "align_idx": [
            ta.align_idx(day, side)
            for day in ("2019-01-02", "2019-01-05", "2018-01-01", "2030-01-01", None)
            for side in ("start", "end")
        ],
        "align_time": [ta.align_time("2019-01-05", side) for side in ("start", "end")],
        "align_time of an open end": ta.align_time(None),
        "cal_interval": [
            ta.cal_interval("2019-03-04", "2019-01-05"),
            ta.cal_interval("2019-01-05", "2019-03-04"),
        ],
        "align_seg": aligned,
        "align_seg, open": ta.align_seg((None, "2019-06-30")),
        "truncate": [ta.truncate(aligned["valid"], "2019-10-05", days) for days in (0, 1, 30, 90)],
        "shift": [
            ta.shift(aligned["valid"], step, rtype)
            for step in (1, 20, -5)
            for rtype in (adjuster.SHIFT_SD, adjuster.SHIFT_EX)
        ],
        "shift, its end past the calendar": ta.shift(NEAR_THE_END, 10),
        "shift, open": ta.shift((None, "2019-06-28"), 3),
        "shift, past the calendar": is_key_error(ta, NEAR_THE_END),
        "trunc_segments": cut,
    }


def is_key_error(ta: Any, segment: Any) -> bool:
    try:
        ta.shift(segment, 1000)
    except KeyError:
        return True
    return False


def signals() -> tuple[pd.Series, pd.Series]:
    """Predictions and labels of 30 names, with gaps in both, ties, and rows that one lacks."""
    random = np.random.default_rng(5)
    days = pd.bdate_range("2020-01-01", periods=25)
    rows = pd.MultiIndex.from_product(
        [days, [f"S{n:02}" for n in range(30)]], names=["datetime", "instrument"]
    )
    label = pd.Series(random.normal(0, 0.02, len(rows)), rows)
    pred = (0.2 * label + random.normal(0, 0.02, len(rows))).round(3)  # some are the same
    label.iloc[random.integers(0, len(rows), 40)] = np.nan
    label.loc[days[20:22]] = np.nan  # no label is known yet
    return pred.drop(pred.index[100:105]), label.drop(label.index[300:310])


def of_signals(alpha: Any) -> dict[str, Any]:
    pred, label = signals()
    other = pred.swaplevel().sort_index()
    named = {"a": pred, "b": -pred}
    quarter = {"quantile": 0.25}
    whole = pred[pred.index.isin(label.index)]
    return {
        "calc_ic": alpha.calc_ic(pred, label),
        "calc_ic without days": alpha.calc_ic(pred, label, dropna=True),
        "calc_ic of other rows": alpha.calc_ic(
            pred.rename_axis(["day", "name"]), label.rename_axis(["day", "name"]), date_col="day"
        ),
        "calc_all_ic": alpha.calc_all_ic(named, label, n_jobs=1),
        "calc_long_short_prec": alpha.calc_long_short_prec(whole, label),
        "calc_long_short_prec of pairs": alpha.calc_long_short_prec(
            pred, label, dropna=True, **quarter
        ),
        "calc_long_short_prec of alpha": alpha.calc_long_short_prec(whole, label, is_alpha=True),
        "calc_long_short_return": alpha.calc_long_short_return(pred, label),
        "calc_long_short_return of pairs": alpha.calc_long_short_return(
            pred, label, dropna=True, **quarter
        ),
        "pred_autocorr": alpha.pred_autocorr(other),
        "pred_autocorr, lag": alpha.pred_autocorr(pred, lag=3),
        "pred_autocorr_all": alpha.pred_autocorr_all(named, n_jobs=1, lag=2),
    }
