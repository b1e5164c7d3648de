"""A model of the tests' own that looks at a window of time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from qlib.model.base import Model


class Window(Model):
    """Predicts the last value of a feature less its mean over the window."""

    def fit(self, dataset: Any) -> None:
        sampler = dataset.prepare("train", data_key="learn")
        self.mean_ = float(np.nanmean(sampler[list(range(50))]))

    def predict(self, dataset: Any, segment: str = "test") -> pd.Series:
        sampler = dataset.prepare(segment, data_key="infer")
        windows = [sampler[n][:, 0] for n in range(len(sampler))]
        values = [window[-1] - np.nanmean(window) - self.mean_ for window in windows]
        return pd.Series(values, index=sampler.get_index(), name="score")
