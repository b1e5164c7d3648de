"""Seeded frames, made the same way in this project's environment and in one with pyqlib."""

from __future__ import annotations

import numpy as np
import pandas as pd

NAMES = [f"S{i:02d}" for i in range(12)]


def panel(seed: int, first: str, days: int, names: list[str] | None = None) -> pd.DataFrame:
    """Standard normal scores, rows ``(datetime, instrument)``."""
    rows = pd.MultiIndex.from_product(
        [pd.bdate_range(first, periods=days), names or NAMES], names=["datetime", "instrument"]
    )
    values = np.random.default_rng(seed).standard_normal(len(rows))
    return pd.DataFrame({"score": values.round(6)}, rows)


def signal() -> tuple[pd.Series, pd.Series]:
    """Scores without gaps; labels with ties, unknown ones and a whole unknown day."""
    score = panel(1, "2021-03-01", 15)["score"]
    label = (0.2 * score + panel(2, "2021-03-01", 15)["score"]).round(2).rename("label") / 100
    label[np.random.default_rng(3).random(len(label)) < 0.08] = np.nan
    label.loc[label.index.get_level_values("datetime")[-1]] = np.nan
    return score, label


def returns() -> pd.Series:
    """Daily returns."""
    values = np.random.default_rng(4).normal(0.0004, 0.011, 300).round(8)
    return pd.Series(values, pd.bdate_range("2019-01-01", periods=300, name="datetime"))


def rolls() -> dict[tuple[str, str], pd.DataFrame]:
    """Rolls of two models, not in order; those of each overlap by three days."""
    made = {}
    for number, model in enumerate(("ridge", "lgbm")):
        for place in (2, 0, 1):
            first = pd.bdate_range("2021-01-04", periods=40)[place * 5]
            names = NAMES[: 10 + number + place % 2]
            made[model, f"roll{place}"] = panel(
                10 * number + place, first.strftime("%Y-%m-%d"), 8, names
            )
    return made


def scores_with_gaps() -> pd.DataFrame:
    """Sessions times instruments; a name leaves for good, another for some days."""
    wide = panel(6, "2022-01-03", 40)["score"].unstack("instrument")
    wide.loc[wide.index[15] :, "S03"] = np.nan
    wide.loc[wide.index[5:12], "S07"] = np.nan
    return wide


def closes(start: str = "2021-02-22", days: int = 40) -> pd.DataFrame:
    """Closes of the seeded signal's instruments, from a week before its first day on."""
    moves = np.random.default_rng(8).normal(0, 0.01, (days, len(NAMES)))
    index = pd.bdate_range(start, periods=days, name="datetime")
    return pd.DataFrame(100 * np.exp(moves.cumsum(0)), index, NAMES)
