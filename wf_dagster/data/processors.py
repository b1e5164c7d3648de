"""Processors: fitted on the train segment, applied to every segment."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.errors import TaskError
from wf_dagster.tasks import init_instance


class Processor(abc.ABC):
    """One step between raw columns and what a model sees.

    Frames have rows ``(datetime, instrument)`` and columns ``("feature", name)`` and
    ``("label", name)``.

    Args:
        fields_group: ``"feature"``, ``"label"``, or ``None`` for all columns.
    """

    def __init__(self, fields_group: str | None = None) -> None:
        if fields_group not in (None, "feature", "label"):
            raise TaskError(
                f"{type(self).__name__}: fields_group {fields_group!r} is unknown: use 'feature' "
                "or 'label'"
            )
        self.fields_group = fields_group

    def fit(self, frame: pd.DataFrame) -> None:  # noqa: B027  # most need nothing
        """Learn what the processor needs from the train segment."""

    @abc.abstractmethod
    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The processed frame; the given one may be changed."""

    def is_for_infer(self) -> bool:
        """Whether it can be used when labels are not known."""
        return True

    def _place(self, frame: pd.DataFrame) -> Any:
        """The positions of the group's columns; a slice where it can be, which copies less."""
        if self.fields_group is None:
            return slice(None)
        places = np.flatnonzero(frame.columns.get_level_values(0) == self.fields_group)
        if len(places) and places[-1] - places[0] + 1 == len(places):
            return slice(places[0], places[-1] + 1)
        return places

    def _replace(self, frame: pd.DataFrame, values: np.ndarray[Any, Any]) -> pd.DataFrame:
        whole = frame.to_numpy(copy=True)
        whole[:, self._place(frame)] = values
        return pd.DataFrame(whole, index=frame.index, columns=frame.columns)

    def _values(self, frame: pd.DataFrame) -> np.ndarray[Any, Any]:
        return frame.to_numpy()[:, self._place(frame)]


class CSZScoreNorm(Processor):
    """Each day: minus the mean of that day, over its standard deviation (``ddof=1``)."""

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Normalise each day on its own; a day without spread becomes 0."""
        values = self._values(frame)
        day, counts = _days(frame)
        has_value = ~np.isnan(values)
        count = _sum(has_value.astype(float), counts)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = _sum(np.where(has_value, values, 0.0), counts) / count
            centred = values - mean[day]
            square = _sum(np.where(has_value, centred**2, 0.0), counts)
            spread = np.sqrt(square / (count - 1))
            # a spread that is rounding noise of a constant day is none
            flat = ~(spread > 1e-12 * np.maximum(np.abs(mean), 1e-300))
            scaled = centred / np.where(flat, 1.0, spread)[day]
        scaled = np.where(flat[day] & has_value, 0.0, scaled)
        return self._replace(frame, scaled)


class CSRankNorm(Processor):
    """Each day: percentile ranks, centred and scaled to a spread of about one."""

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rank each day on its own; ``(rank / n - 0.5) * 3.46``, ties share their mean rank."""
        from scipy.stats import rankdata  # slow to import

        values = self._values(frame).copy()
        _, counts = _days(frame)
        ends = np.cumsum(counts)
        for start, end in zip(ends - counts, ends, strict=True):
            block = values[start:end]
            ranks = rankdata(block, axis=0, nan_policy="omit")
            count = (~np.isnan(block)).sum(axis=0)
            values[start:end] = (ranks / np.maximum(count, 1) - 0.5) * 3.46
        return self._replace(frame, values)


class ZScoreNorm(Processor):
    """Minus the mean over the standard deviation of the train segment."""

    def __init__(self, fields_group: str | None = "feature") -> None:
        super().__init__(fields_group)
        self.mean: np.ndarray[Any, Any] | None = None
        self.scale: np.ndarray[Any, Any] | None = None

    def fit(self, frame: pd.DataFrame) -> None:
        """Take mean and standard deviation of each column."""
        values = pd.DataFrame(self._values(frame))
        self.mean = values.mean().to_numpy()
        self.scale = values.std(ddof=0).to_numpy()

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Scale with what was fitted; a constant column becomes 0."""
        assert self.mean is not None, "fit comes first"
        assert self.scale is not None
        scale = np.where(self.scale > 0, self.scale, 1.0)
        return self._replace(frame, (self._values(frame) - self.mean) / scale)


class RobustZScoreNorm(Processor):
    """Minus the median over 1.4826 times the median absolute deviation of the train segment.

    Args:
        fields_group: As in :class:`Processor`.
        clip_outlier: Limit the result to the range from -3 to 3.
    """

    def __init__(self, fields_group: str | None = "feature", clip_outlier: bool = True) -> None:
        super().__init__(fields_group)
        self.clip_outlier = clip_outlier
        self.median: np.ndarray[Any, Any] | None = None
        self.scale: np.ndarray[Any, Any] | None = None

    def fit(self, frame: pd.DataFrame) -> None:
        """Take median and median absolute deviation of each column."""
        values = pd.DataFrame(self._values(frame))
        self.median = values.median().to_numpy()
        self.scale = (values - self.median).abs().median().to_numpy() * 1.4826 + 1e-12

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Scale with what was fitted."""
        assert self.median is not None, "fit comes first"
        scaled = (self._values(frame) - self.median) / self.scale
        return self._replace(frame, np.clip(scaled, -3, 3) if self.clip_outlier else scaled)


class Fillna(Processor):
    """Put a value where there is none.

    Args:
        fields_group: As in :class:`Processor`; default the features.
        fill_value: The value.
    """

    def __init__(self, fields_group: str | None = "feature", fill_value: float = 0.0) -> None:
        super().__init__(fields_group)
        self.fill_value = fill_value

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Fill."""
        values = self._values(frame)
        return self._replace(frame, np.where(np.isnan(values), self.fill_value, values))


class DropnaProcessor(Processor):
    """Drop the rows in which any column of the group has no value."""

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Drop."""
        complete: pd.DataFrame = frame[~np.isnan(self._values(frame)).any(axis=1)]
        return complete


class DropnaLabel(DropnaProcessor):
    """Drop the rows without a label; for learning only."""

    def __init__(self, fields_group: str | None = "label") -> None:
        super().__init__(fields_group)

    def is_for_infer(self) -> bool:
        """A prediction does not wait for its label."""
        return False


def make_processors(configs: Any, where: str, *, for_infer: bool = False) -> list[Any]:
    """Processors of their configurations; a bare class name is one of this module.

    Args:
        configs: A list of configurations or of ready processors.
        where: Path of the list in the task, for messages.
        for_infer: They are applied when labels are not known.

    Raises:
        TaskError: One cannot be made, is no processor, or needs labels and is for inference.
    """
    if isinstance(configs, (str, Mapping)):
        raise TaskError(f"{where} is {configs!r}: use a list of processors")
    processors = []
    for position, config in enumerate(configs or []):
        place = f"{where}.{position}"
        if isinstance(config, str) and "." not in config:
            config = {"class": config}
        if isinstance(config, Mapping) and isinstance(config.get("class"), str):
            kind = globals().get(config["class"])
            if "module_path" not in config and isinstance(kind, type):
                config = {**config, "class": kind}
        processor = init_instance(config, where=place)
        if not all(callable(getattr(processor, name, None)) for name in ("fit", "__call__")):
            raise TaskError(f"{place} is {processor!r}, not a processor: it needs fit and __call__")
        if for_infer and not processor.is_for_infer():
            raise TaskError(
                f"{place}: {type(processor).__name__} needs labels, which are not known when a "
                "prediction is made: move it to learn_processors"
            )
        processors.append(processor)
    return processors


def _days(frame: pd.DataFrame) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The day of each row as a number from 0 on, and the number of rows of each day."""
    days = frame.index.get_level_values("datetime").to_numpy()
    starts = np.r_[True, days[1:] != days[:-1]] if len(days) else np.zeros(0, dtype=bool)
    day = np.cumsum(starts) - 1
    return day, np.bincount(day) if len(days) else np.zeros(0, dtype=int)


def _sum(values: np.ndarray[Any, Any], counts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if len(counts) == 0:
        return np.zeros((0, values.shape[1]))
    sums: np.ndarray[Any, Any] = np.add.reduceat(values, np.cumsum(counts) - counts, axis=0)
    return sums
