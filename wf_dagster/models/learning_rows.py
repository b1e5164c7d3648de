"""What a model learns from: features, labels and weights of a segment's rows."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.errors import DataError
from wf_dagster.log_once import warn_once
from wf_dagster.tasks import find_label
from wf_dagster.tasks.reweighting import weigh

_log = logging.getLogger(__name__)
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class LearningRows:
    """Rows with a label.

    Attributes:
        features: Rows ``(datetime, instrument)``, a column a feature.
        labels: Of shape ``(rows,)``, or ``(rows, columns)`` where all columns are learnt.
        output: Position of the label column that is to be predicted.
        weights: A weight a row; ``None`` without a reweighter.
    """

    features: pd.DataFrame
    labels: Array
    output: int
    weights: Array | None

    @property
    def days(self) -> pd.Index:
        """The day of each row."""
        rows = self.features.index
        return rows.get_level_values("datetime" if "datetime" in rows.names else 0)

    def by_day(self) -> LearningRows:
        """The same rows, in the order of their days."""
        if self.days.is_monotonic_increasing:
            return self
        order = np.argsort(self.days.to_numpy(), kind="stable")
        return replace(
            self,
            features=self.features.iloc[order],
            labels=self.labels[order],
            weights=None if self.weights is None else self.weights[order],
        )


def read_learning_rows(
    dataset: Any,
    segment: str,
    *,
    label_column: str | int | None = None,
    all_labels: bool = False,
    reweighter: Any = None,
) -> LearningRows:
    """Features and labels of a segment for learning; rows without a label are left out.

    Args:
        dataset: ``prepare(segment, col_set=["feature", "label"], data_key="learn")`` gives both.
        segment: Name of the segment.
        label_column: Name or position of the label to predict; default the only one.
        all_labels: Learn all label columns at once.
        reweighter: Weighs the rows; see :func:`wf_dagster.tasks.reweighting.weigh`.

    Raises:
        DataError: No row is left, or a weight cannot be used.
        TaskError: There is no such label column.
    """
    frame = dataset.prepare(segment, col_set=["feature", "label"], data_key="learn")
    labels = frame["label"]
    labels = labels.to_frame() if isinstance(labels, pd.Series) else labels
    output = _find_column(list(labels.columns), label_column)
    values = labels.to_numpy() if all_labels else labels.to_numpy()[:, output]
    unknown = pd.isna(values)
    has_label = ~(unknown.any(axis=1) if all_labels else unknown)
    if not has_label.any():
        raise DataError(
            f"segment {segment} has no row with a label: it may be too close to the last session, "
            "or the processors drop every row"
        )
    if not has_label.all():
        frame, values = frame[has_label], values[has_label]
    weights = None if reweighter is None else weigh(reweighter, frame, segment).to_numpy()
    return LearningRows(frame["feature"], values, output, weights)


def _find_column(columns: list[Any], wanted: str | int | None) -> int:
    if wanted is None and len(columns) > 1:
        warn_once(
            _log,
            f"the labels are {columns}: the first of them is predicted; "
            "model.kwargs.label_column says which one is wanted",
        )
    return find_label(columns, wanted)
