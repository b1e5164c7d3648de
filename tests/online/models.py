"""Models that fail when a file says so, and datasets that look back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wf_dagster.data import PanelDataset
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


class StepDataset(PanelDataset):
    """One whose rows need the sessions before them."""

    step_len = 5


class Handled:
    """A dataset with a data handler, as Qlib's are; it notes what it is told to load."""

    handler = object()
    step_len = 4

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.segments = {"test": ("2020-04-14", None)}

    def config(self, **kwargs: Any) -> None:
        self.told.append(kwargs)

    def setup_data(self, **kwargs: Any) -> None:
        self.told.append(kwargs)
