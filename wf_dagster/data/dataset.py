"""The dataset of a task: segments of a panel, processed for learning or for inference."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.data.panel import Panel, feature_panel
from wf_dagster.data.processors import make_processors
from wf_dagster.data.sources import price_source
from wf_dagster.errors import DataError

_KEYS = ("raw", "infer", "learn")


class PanelDataset:
    """Prices as features and labels, cut into segments.

    Speaks the dataset protocol of Qlib's models: ``prepare``, ``config``, ``setup_data``,
    ``segments``. Features are computed once for all datasets that share their definition;
    processors are fitted on this dataset's train segment only. A pickled dataset holds its
    configuration and the fitted processors, no data.

    Args:
        segments: ``{"train": (start, end), ...}``; both ends included, ``None`` is open.
        features: Dotted path of a function ``prices -> features``, ``{"func", "kwargs"}``, or
            a list of them.
        label: The same for ``prices -> label``.
        infer_processors: Configurations of processors for all data.
        learn_processors: Further processors for learning, after those.
        instruments: The universe; default all of the source.
        prices: Price source (see :func:`price_source`); default that of the settings.
        train_key: The segment that processors are fitted on.
    """

    def __init__(
        self,
        segments: Mapping[str, Any],
        features: Any = "wf_dagster.data.features.price_features",
        label: Any = "wf_dagster.data.labels.forward_return",
        infer_processors: Sequence[Any] = (),
        learn_processors: Sequence[Any] = (),
        instruments: Sequence[str] | None = None,
        prices: Any = None,
        train_key: str = "train",
    ) -> None:
        self.segments: dict[str, Any] = dict(segments)
        self.features = features
        self.label = label
        self.instruments = None if instruments is None else list(instruments)
        self.prices = prices
        self.train_key = train_key
        self._infer = make_processors(infer_processors, "dataset.kwargs.infer_processors")
        self._learn = make_processors(learn_processors, "dataset.kwargs.learn_processors")
        self._fitted = False
        self._panel: Panel | None = None

    def warm(self) -> float:
        """Make sure the features are in the cache; returns the seconds it took."""
        started = time.perf_counter()
        _ = self._raw_panel()
        return time.perf_counter() - started

    def config(self, handler_kwargs: Any = None, **kwargs: Any) -> None:
        """Change the configuration, for example ``segments``; data are read anew.

        Raises:
            DataError: There is no such option.
        """
        for name, value in {**(handler_kwargs or {}), **kwargs}.items():
            if name not in {"segments", "instruments", "prices", "features", "label"}:
                raise DataError(f"{name} cannot be configured on a PanelDataset")
            setattr(self, name, dict(value) if name == "segments" else value)
        self._panel = None

    def setup_data(self, handler_kwargs: Any = None, **_: Any) -> None:
        """Read the prices as they are now; processors stay as they were fitted."""
        if handler_kwargs:
            self.config(handler_kwargs)
        self._panel = None

    def prepare(
        self, segments: Any, col_set: Any = "__all", data_key: str = "infer", **_: Any
    ) -> Any:
        """The data of one segment or several.

        Args:
            segments: Name of a segment, a list of names, or ``slice(start, end)``.
            col_set: ``"feature"`` or ``"label"`` gives flat columns; a list of them, or
                ``"__all"``, gives two levels.
            data_key: ``"raw"``, ``"infer"`` (infer processors applied) or ``"learn"`` (infer and
                learn processors applied).

        Returns:
            Rows ``(datetime, instrument)``, float64 columns; a list for a list of names.

        Raises:
            DataError: No such segment, or no rows in it.
        """
        if isinstance(segments, (list, tuple)):
            return [self.prepare(segment, col_set, data_key) for segment in segments]
        if data_key not in _KEYS:
            raise DataError(f"data_key {data_key!r} is unknown: use one of {', '.join(_KEYS)}")
        frame = self._rows(segments)
        if data_key != "raw":
            self._fit()
            for processor in self._infer:
                frame = processor(frame)
        if data_key == "learn":
            for processor in self._learn:
                frame = processor(frame)
        if isinstance(col_set, str) and col_set != "__all":
            return frame[col_set]
        return frame if col_set == "__all" else frame[list(col_set)]

    def _rows(self, segment: Any) -> pd.DataFrame:
        if isinstance(segment, slice):
            name, start, end = "slice", segment.start, segment.stop
        elif segment in self.segments:
            name, (start, end) = segment, self.segments[segment]
        else:
            raise DataError(
                f"segment {segment!r} is not there: the dataset has {', '.join(self.segments)}"
            )
        frame = self._raw_panel().slice(start, end)
        if frame.empty:
            first, last = self._raw_panel().days[[0, -1]]
            shown = " to ".join("open" if x is None else str(x)[:10] for x in (start, end))
            raise DataError(
                f"segment {name} ({shown}) has no rows: the prices run from {first} to {last}"
            )
        return frame

    def _raw_panel(self) -> Panel:
        if self._panel is None:
            self._panel = feature_panel(
                price_source(self.prices), self.features, self.label, self.instruments
            )
        return self._panel

    def _fit(self) -> None:
        if self._fitted:
            return
        frame = self._rows(self.train_key)
        if np.isnan(frame["feature"].to_numpy()).all():
            raise DataError(
                f"all features of the {self.train_key} segment are empty (NaN): the prices before "
                "it are too short for the feature windows, or have gaps"
            )
        for processor in [*self._infer, *self._learn]:
            processor.fit(frame)
            frame = processor(frame)
        self._fitted = True

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_panel": None}
