"""A price source of one's own, as a user would write it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from wf_dagster.prices import OwnPrices


class JsonPrices(OwnPrices):
    """Closes of a JSON file ``{"AAPL": {"2020-01-02": 75.1, ...}, ...}``."""

    readings = 0

    def __init__(self, path: str, *, factor: float = 1.0) -> None:
        self.path = Path(path)
        self.factor = factor

    def read(self) -> pd.DataFrame:
        type(self).readings += 1
        closes = pd.DataFrame(json.loads(self.path.read_text()))
        closes.index = pd.DatetimeIndex(closes.index, name="datetime")
        table = closes.stack().rename("close").rename_axis(["datetime", "instrument"])
        return (table * self.factor).to_frame().sort_index()

    def revision(self) -> str:
        return str(self.path.stat().st_mtime_ns)
