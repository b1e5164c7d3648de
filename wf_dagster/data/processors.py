"""Processors: fitted on the train segment, applied to every segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.data.neutralize import CSNeutralize
from wf_dagster.data.outliers import ProcessInf, Winsorize
from wf_dagster.data.processor import Processor, days_of, sum_by_day
from wf_dagster.errors import TaskError
from wf_dagster.tasks import init_instance

__all__ = [
    "CSNeutralize",
    "CSRankNorm",
    "CSZScoreNorm",
    "DropnaLabel",
    "DropnaProcessor",
    "Fillna",
    "ProcessInf",
    "Processor",
    "RobustZScoreNorm",
    "Winsorize",
    "ZScoreNorm",
    "infinite_groups",
    "make_processors",
]


class CSZScoreNorm(Processor):
    """Each day: minus the mean of that day, over its standard deviation (``ddof=1``)."""

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Normalise each day on its own; a day without spread becomes 0."""
        values = self._values(frame)
        day, counts = days_of(frame)
        has_value = ~np.isnan(values)
        count = sum_by_day(has_value.astype(float), counts)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = sum_by_day(np.where(has_value, values, 0.0), counts) / count
            centred = values - mean[day]
            square = sum_by_day(np.where(has_value, centred**2, 0.0), counts)
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
        _, counts = days_of(frame)
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

    One of the user's own needs ``__call__(frame)``, which gives the processed frame, and where it
    learns from the train segment ``fit(frame)``; a function of a frame is one too.

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
        if isinstance(processor, type) or not callable(processor):
            raise TaskError(f"{place} is {processor!r}, not a processor: it needs __call__")
        if for_infer and not getattr(processor, "is_for_infer", lambda: True)():
            raise TaskError(
                f"{place}: {type(processor).__name__} needs labels, which are not known when a "
                "prediction is made: move it to learn_processors"
            )
        if isinstance(processor, ProcessInf) and not (for_infer and position == 0):
            raise TaskError(
                f"{place}: ProcessInf finds nothing here, as infinite values are missing from the "
                "start: put it first in infer_processors, which keeps them for it"
            )
        processors.append(processor)
    return processors


def infinite_groups(infer_processors: Sequence[Any]) -> tuple[str, ...]:
    """The groups of columns whose infinite values the first processor takes.

    Args:
        infer_processors: As :func:`make_processors` gives them.
    """
    first = infer_processors[0] if infer_processors else None
    if not getattr(first, "takes_infinite", False):
        return ()
    group = getattr(first, "fields_group", None)
    return ("feature", "label") if group is None else (group,)
