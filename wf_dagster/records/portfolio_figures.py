"""Figures of a portfolio's returns: pure functions of a series."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wf_dagster.extras import optional_import
from wf_dagster.records.analysis import SESSIONS_A_YEAR
from wf_dagster.records.rounding import is_nothing, varies


def risk_analysis(returns: pd.Series, ann_scaler: int = SESSIONS_A_YEAR) -> dict[str, float]:
    """Figures of daily returns that are summed, not compounded, as Qlib does for excess returns.

    ``mean``; ``std`` (ddof 1); ``annualized_return = mean * N``; ``information_ratio = mean / std
    * sqrt(N)``; ``max_drawdown``, the lowest of ``c - max(c so far)`` with ``c`` the running sum;
    ``volatility = std * sqrt(N)``.

    Returns that are 0 up to rounding count as 0, as those of a portfolio that holds its benchmark.
    Where returns vary by rounding alone there is no information ratio.

    Args:
        returns: Fractions, one a day; NaN is left out.
        ann_scaler: Sessions a year, ``N`` (Qlib has 238).

    Returns:
        The figures by name; NaN where one is not defined.

    Raises:
        MissingExtraError: empyrical is not installed.
    """
    with optional_import("portfolio", "the analysis of a portfolio"):
        import empyrical  # slow to import

    values = returns.dropna().to_numpy(dtype="float64")
    if is_nothing(values):
        values = np.zeros_like(values)
    known = pd.Series(values)
    summed = np.cumsum(values)
    ratio = empyrical.sharpe_ratio(values, annualization=ann_scaler) if varies(values) else np.nan
    return {
        "mean": float(known.mean()),
        "std": float(known.std(ddof=1)),
        "annualized_return": float(known.mean() * ann_scaler),
        "information_ratio": float(ratio),
        # empyrical compounds here, Qlib sums
        "max_drawdown": float((summed - np.maximum.accumulate(summed)).min(initial=0.0)),
        "volatility": float(empyrical.annual_volatility(values, annualization=ann_scaler)),
    }


def performance(returns: pd.Series, ann_scaler: int = SESSIONS_A_YEAR) -> dict[str, float]:
    """Figures of daily returns that are compounded, as empyrical defines them.

    ``annual_return = prod(1 + r) ** (N / n) - 1``; ``volatility = std * sqrt(N)``; ``sharpe =
    mean / std * sqrt(N)`` over a riskless rate of zero, where returns vary by more than rounding;
    ``max_drawdown``, the lowest of ``v / max(v so far) - 1`` with ``v`` the compounded value, the
    start included.

    Args:
        returns: Fractions, one a day.
        ann_scaler: Sessions a year, ``N``.

    Raises:
        MissingExtraError: empyrical is not installed.
    """
    with optional_import("portfolio", "the analysis of a portfolio"):
        import empyrical  # slow to import

    values = returns.to_numpy(dtype="float64")
    sharpe = empyrical.sharpe_ratio(values, annualization=ann_scaler) if varies(values) else np.nan
    return {
        "annual_return": float(empyrical.annual_return(values, annualization=ann_scaler)),
        "volatility": float(empyrical.annual_volatility(values, annualization=ann_scaler)),
        "sharpe": float(sharpe),
        "max_drawdown": float(empyrical.max_drawdown(values)),
    }
