"""Models that fail when a file says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wf_dagster.models import SklearnModel


class Unlucky(SklearnModel):
    """Cannot be fitted while a file is there.

    Args:
        unless: The file.
        alpha: Of the ridge regression.
    """

    def __init__(self, unless: str, alpha: float = 1.0) -> None:
        super().__init__("sklearn.linear_model.Ridge", alpha=alpha)
        self.unless = unless

    def fit(self, dataset: Any) -> None:
        if Path(self.unless).exists():
            raise ValueError("no luck today")
        super().fit(dataset)
