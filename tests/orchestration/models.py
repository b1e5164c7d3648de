from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from wf_dagster.models import SklearnModel


class FailsInMarch(SklearnModel):
    """Fails on the roll tested in March while a file is there."""

    def __init__(self, switch: str) -> None:
        super().__init__("sklearn.linear_model.Ridge", alpha=1.0)
        self.switch = switch

    def fit(self, dataset: Any) -> None:
        if Path(self.switch).exists() and str(dataset.segments["test"][0]).startswith("2019-03"):
            raise ValueError("March fails")
        super().fit(dataset)


class FailsOn(SklearnModel):
    """Fails on rolls whose first test session stands in a file."""

    def __init__(self, switch: str) -> None:
        super().__init__("sklearn.linear_model.Ridge", alpha=1.0)
        self.switch = switch

    def fit(self, dataset: Any) -> None:
        path, start = Path(self.switch), pd.Timestamp(dataset.segments["test"][0])
        if path.exists() and f"{start:%Y-%m-%d}" in path.read_text():
            raise ValueError("this roll fails")
        super().fit(dataset)
