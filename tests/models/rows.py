"""A dataset of given features and labels, so that what is learnt can be computed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def rows_of(days: int = 60, instruments: int = 5, start: str = "2020-01-01") -> pd.MultiIndex:
    """Rows ``(datetime, instrument)``, every day with every instrument."""
    return pd.MultiIndex.from_product(
        [
            pd.date_range(start, periods=days, freq="D"),
            [f"I{n}" for n in range(instruments)],
        ],
        names=["datetime", "instrument"],
    )


class Rows:
    """Speaks the protocol of datasets; each segment has rows of its own.

    Args:
        label: Makes the labels of a segment from its features: an array, or a frame.
        **segments: Rows by the name of the segment; default ``train`` and ``test``.
    """

    def __init__(self, label: Any, **segments: pd.MultiIndex) -> None:
        rows = segments or {"train": rows_of(), "test": rows_of(4, start="2020-06-01")}
        self.segments = dict.fromkeys(rows)
        self._frames = {}
        for seed, (name, index) in enumerate(rows.items()):
            random = np.random.default_rng(seed)
            feature = pd.DataFrame(random.normal(size=(len(index), 3)), index, ["a", "b", "c"])
            labels = label(feature)
            if not isinstance(labels, pd.DataFrame):
                labels = pd.DataFrame({"label": labels}, index)
            self._frames[name] = pd.concat({"feature": feature, "label": labels}, axis=1)

    def prepare(self, segment: str, col_set: Any = "feature", data_key: str = "infer") -> Any:
        """As datasets do."""
        return self._frames[segment][col_set]

    def learned(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Features and labels of ``train``."""
        frame = self._frames["train"]
        return frame["feature"].to_numpy(), frame["label"].to_numpy()

    def asked(self) -> np.ndarray[Any, Any]:
        """Features of ``test``."""
        return self._frames["test"]["feature"].to_numpy()
