"""What has to be said of a signal: why figures of it are not defined, or would be of noise."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wf_dagster.records.analysis import ic_series, long_short
from wf_dagster.records.day_blocks import find_day_blocks, flat_blocks, sort_by_day
from wf_dagster.records.rounding import varies

NO_HORIZON = (
    "no annual figures, as it is not known how many sessions a label spans: say so beside the "
    "label function, with @looks_ahead of wf_dagster.data.labels, or give SigAnaRecord "
    "label_horizon"
)


def _note_scores(pred: pd.Series, quantile: float | None) -> list[str]:
    """Sessions that have one instrument alone, or one score for all, in sentences."""
    score, _, days, index = sort_by_day(pred, pred)
    known = ~np.isnan(score)
    score, days = score[known], days[known]
    if not len(days):
        return []
    starts, counts = find_day_blocks(days)
    if counts.max() == 1:
        return [
            "each session has one instrument alone: nothing can be compared across instruments (no "
            "IC, no long-short), and a processor that does so, such as CSZScoreNorm, leaves "
            "nothing of the features"
        ]
    notes = []
    flat = flat_blocks(score, starts) & (counts > 1)
    if flat.any():
        where = "each session" if flat.all() else f"{flat.sum()} of {len(starts)} sessions"
        notes.append(
            f"all instruments have one score on {where}, first on "
            f"{index[days[starts[flat][0]]]:%Y-%m-%d}: they have no IC and no long-short then"
        )
    if quantile is not None and int(counts.max() * quantile) == 0:
        notes.append(
            f"no session has enough instruments for a long-short spread: {quantile:g} of "
            f"{counts.max()} is less than one"
        )
    return notes


def note_signal(
    pred: pd.Series, label: pd.Series, quantile: float | None = 0.2, horizon: int | None = 1
) -> list[str]:
    """Why figures of a signal are left out, in sentences.

    Args:
        pred: Scores, rows ``(datetime, instrument)``.
        label: Labels, the same kind of rows.
        quantile: Share of the instruments on each side of the spread; ``None`` for no spread.
        horizon: Sessions that a label spans; ``None`` where it is not known.
    """
    notes = _note_scores(pred, quantile)
    constant = [
        str(series.name)
        for series in ic_series(pred, label)
        if series.notna().sum() > 1 and not varies(series)
    ]
    if constant:
        notes.append(f"{' and '.join(constant)} do not vary from day to day: no ratio of them")
    if quantile is None:
        return notes
    if horizon is None:
        return [*notes, NO_HORIZON]
    sides = long_short(pred, label, quantile)
    spread = sides["long"] - sides["short"]
    if spread.notna().sum() > 1 and not varies(spread):
        notes.append("the long-short spread does not vary from day to day: no Sharpe ratio")
    return notes
