from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.models import SklearnModel


class Spoilt(SklearnModel):
    """Gives scores that a check should find."""

    def __init__(self, how: str) -> None:
        super().__init__("sklearn.linear_model.Ridge", alpha=1.0)
        self.how = how

    def predict(self, dataset: Any, segment: Any = "test") -> pd.Series:
        scores = super().predict(dataset, segment)
        names = scores.index.get_level_values("instrument")
        if self.how == "lacks an instrument":
            return scores[names != names[0]]
        if self.how == "has a NaN":
            return scores.where(names != names[0], np.nan)
        return scores * 0
