"""The dataset of a task: segments of a panel, processed for learning or for inference."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import numpy as np
import pandas as pd

from wf_dagster.calendars import split_segment
from wf_dagster.data.feature_check import FeatureCheck, check_features
from wf_dagster.data.label_check import find_late_labels
from wf_dagster.data.missing import check_limit, check_shares
from wf_dagster.data.panel import Panel, feature_panel
from wf_dagster.data.processor import GroupProcessor
from wf_dagster.data.processors import Processor, infinite_groups, make_processors
from wf_dagster.data.times_of_day import check_times
from wf_dagster.data.universe import to_instruments
from wf_dagster.dates import check_range
from wf_dagster.errors import DataError
from wf_dagster.market import Market
from wf_dagster.moments import format_moment, to_stamp
from wf_dagster.tasks.late_labels import LateLabels

_KEYS = ("raw", "infer", "learn")
_GROUPS = ("feature", "label")
_OPTIONS = ("segments", "instruments", "prices", "features", "label", "market")


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
        instruments: The universe; default all of the source. Names; or, for one that changes
            over time, the path of Qlib's instrument file, of a CSV or Parquet file, a frame, or
            a function of a day (see :class:`wf_dagster.data.universe.Universe`). Features are
            computed from all prices of an instrument; rows are those of members of their day.
        prices: Price source (see :func:`price_source`); default that of the market.
        train_key: The segment that processors are fitted on.
        market: What the dataset stands on; default that of the settings. A pickled dataset holds
            it where it was given, without its replay date.
        max_missing: The share of missing values, beyond what windows need, up to which a
            feature of the train segment is taken, else it is refused. By default none is; the
            log names what lacks more than 0.9.
    """

    # what its arguments name, for checks that do not import it
    named_functions: ClassVar[tuple[str, ...]] = ("features", "label")
    named_classes: ClassVar[dict[str, str]] = dict.fromkeys(
        ("infer_processors", "learn_processors"), "wf_dagster.data.processors"
    )

    def __init__(
        self,
        segments: Mapping[str, Any],
        features: Any = "wf_dagster.data.features.price_features",
        label: Any = "wf_dagster.data.labels.forward_return",
        infer_processors: Sequence[Any] = (),
        learn_processors: Sequence[Any] = (),
        instruments: Any = None,
        prices: Any = None,
        train_key: str = "train",
        market: Market | None = None,
        max_missing: float | None = None,
    ) -> None:
        self.segments: dict[str, Any] = dict(segments)
        self.features = features
        self.label = label
        self.instruments = to_instruments(instruments)
        self.prices = prices
        self.train_key = train_key
        self._infer = make_processors(
            infer_processors, "dataset.kwargs.infer_processors", for_infer=True
        )
        self._learn = make_processors(learn_processors, "dataset.kwargs.learn_processors")
        self.market = Market.of(market)
        self.max_missing = check_limit(max_missing)
        self._fitted = False
        self._panel: Panel | None = None

    def warm(self) -> float:
        """Make sure the features are in the cache; returns the seconds it took."""
        started = time.perf_counter()
        _ = self._raw_panel()
        return time.perf_counter() - started

    def check_features(self) -> FeatureCheck:
        """Whether features look ahead, measured at a few dates once for all who share them."""
        market = self.market.with_prices(self.prices)
        folder = market.tables.folder
        return check_features(self._raw_panel(), self.features, folder)

    def find_late_labels(self) -> LateLabels | None:
        """Labels before the test segment that were not known when its first session had closed.

        Returns:
            ``None`` if there are none.
        """
        return find_late_labels(self._raw_panel(), self.label, self.segments)

    @property
    def panel(self) -> Panel:
        """The raw features and labels that segments are cut from."""
        return self._raw_panel()

    def on_panel(self, panel: Panel) -> PanelDataset:
        """The same dataset on other features and labels; processors stay as they were fitted."""
        other = copy.copy(self)
        other._infer, other._learn = copy.deepcopy((self._infer, self._learn))
        other._panel = panel
        return other

    def last_session(self) -> pd.Timestamp:
        """The last session that it has prices of."""
        return pd.Timestamp(self._raw_panel().days[-1])

    def config(self, handler_kwargs: Any = None, **kwargs: Any) -> None:
        """Change the configuration, for example ``segments``; processors stay as they were fitted.

        Raises:
            DataError: There is no such option.
        """
        for name, value in {**(handler_kwargs or {}), **kwargs}.items():
            if name not in _OPTIONS:
                raise DataError(
                    f"{name} cannot be configured on a PanelDataset: use {', '.join(_OPTIONS)}"
                )
            setattr(self, name, dict(value) if name == "segments" else value)
            if name != "segments":
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
            Rows ``(datetime, instrument)``, float64 columns; a list for a list of names. Raw
            data are shared with other datasets and cannot be changed in place: copy them.

        Raises:
            DataError: No such segment, columns or data key; no rows in the segment; or all
                features of the train segment are empty.
        """
        if isinstance(segments, (list, tuple)):
            return [self.prepare(segment, col_set, data_key) for segment in segments]
        groups = list(_GROUPS) if col_set == "__all" else col_set
        for group in groups if isinstance(groups, (list, tuple)) else [groups]:
            if group not in _GROUPS:
                raise DataError(f"col_set {group!r} is unknown: use 'feature', 'label' or '__all'")
        if data_key not in _KEYS:
            raise DataError(f"data_key {data_key!r} is unknown: use one of {', '.join(_KEYS)}")
        frame = self._rows(segments, () if data_key == "raw" else infinite_groups(self._infer))
        processors = {"raw": [], "infer": self._infer, "learn": [*self._infer, *self._learn]}
        if data_key != "raw":
            self._fit()
        frame = self._apply(processors[data_key], frame)
        if col_set == "__all":
            return frame
        return frame[groups if isinstance(groups, str) else list(groups)]

    def awaited(self, segment: str, col_set: str = "label") -> pd.DataFrame | None:
        """What a segment will hold that lies after the last session with prices.

        A model can be trained before its test segment begins.

        Args:
            segment: Name of a segment.
            col_set: ``"feature"`` or ``"label"``.

        Returns:
            No rows, the columns of ``col_set``; ``None`` once the segment has begun.
        """
        start = split_segment(self.segments[segment])[0] if segment in self.segments else None
        if start is None or self._raw_panel().moments.locate(start) <= self._raw_panel().days[-1]:
            return None
        frame = cast(pd.DataFrame, self._raw_panel().slice(start, None)[col_set])
        return frame.set_index(cast(pd.MultiIndex, frame.index).remove_unused_levels())

    def _rows(self, segment: Any, infinite: Sequence[str]) -> pd.DataFrame:
        if isinstance(segment, slice):
            check_range(segment.start, segment.stop)
            name, start, end = "slice", segment.start, segment.stop
        elif isinstance(segment, str) and segment in self.segments:
            name, (start, end) = segment, split_segment(self.segments[segment])
        else:
            raise DataError(
                f"segment {segment!r} is not there: the dataset has {', '.join(self.segments)}"
            )
        frame = self._raw_panel().slice(start, end, infinite)
        if frame.empty:
            first, last = map(format_moment, self._raw_panel().days[[0, -1]])
            dates = " to ".join(
                "open" if x is None else format_moment(to_stamp(x)) for x in (start, end)
            )
            raise DataError(
                f"segment {name} ({dates}) has no rows: the prices run from {first} to {last}"
            )
        return frame

    def _raw_panel(self) -> Panel:
        if self._panel is None:
            market = self.market.with_prices(self.prices)
            self._panel = feature_panel(market, self.features, self.label, self.instruments)
            check_times(self._panel.moments, self.segments, market)
        return self._panel

    def _fit(self) -> None:
        """Fit each processor on the train segment as those before it leave it."""
        if self._fitted:
            return
        processors = [*self._infer, *self._learn]
        fitted = [n for n, processor in enumerate(processors) if _needs_fit(processor)]
        if fitted or self.train_key in self.segments:
            frame = self._rows(self.train_key, infinite_groups(self._infer))
            self._check_missing()
            if np.isnan(frame["feature"].to_numpy()).all():
                raise DataError(
                    f"all features of the {self.train_key} segment are empty (NaN): the prices "
                    "before it are too short for the feature windows, or have gaps"
                )
            before = 0
            for n in fitted:  # what comes after the last of them need not be computed here
                frame = self._apply(processors[before:n], frame)
                processors[n].fit(frame)
                before = n
        self._fitted = True

    def _check_missing(self) -> None:
        panel = self._raw_panel()
        if panel.notes is not None:
            start, end = split_segment(self.segments[self.train_key])
            last = panel.days[-1]  # of a replay date the notes know later days
            end = last if end is None else min(to_stamp(end).normalize(), pd.Timestamp(last))
            check_shares(panel.notes, panel.columns, self.train_key, (start, end), self.max_missing)

    def _apply(self, processors: Sequence[Any], frame: pd.DataFrame) -> pd.DataFrame:
        if processors:
            frame = frame.copy()  # a processor may change what it is given; the panel is shared
        for processor in processors:
            if isinstance(processor, GroupProcessor):
                frame = processor(frame, self._groups(processor.group, frame.index))
            else:
                frame = processor(frame)
            if not isinstance(frame, pd.DataFrame):
                raise DataError(
                    f"the processor {type(processor).__name__} gave a {type(frame).__name__}: its "
                    "__call__ must give the processed frame, also where it changes it in place"
                )
        return frame

    def _groups(self, field: str, rows: pd.Index) -> pd.Series:
        """A field of the prices at rows ``(datetime, instrument)``."""
        source = self.market.with_prices(self.prices).prices
        days, names = (rows.get_level_values(n) for n in ("datetime", "instrument"))
        prices = source.load([field], list(names.unique()), days.min(), days.max())
        return prices[field].reindex(rows)

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "_panel": None, "market": self.market.without_as_of()}
        if self.max_missing is None:
            del state["max_missing"]
        if self.market.is_default:
            del state["market"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({"market": Market(), "max_missing": None, **state})


def _needs_fit(processor: Any) -> bool:
    fit = getattr(type(processor), "fit", None) or getattr(processor, "fit", None)
    return callable(fit) and fit is not Processor.fit
