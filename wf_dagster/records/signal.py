"""Predictions of the test segment, and the labels that go with them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from wf_dagster.data.adapters import adapter_of
from wf_dagster.errors import RecordError, TaskError
from wf_dagster.market import Market
from wf_dagster.records.predictions import ROWS, check_pred, check_rows
from wf_dagster.records.record_template import RecordTemplate
from wf_dagster.records.recorded_label import LABEL_TAG
from wf_dagster.records.recorder_market import note_market
from wf_dagster.tasks import find_label, label_horizon, predicted_label

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder

_log = logging.getLogger(__name__)

__all__ = ["HORIZON_TAG", "ROWS", "SignalRecord", "check_pred"]

HORIZON_TAG = "label_horizon"


class SignalRecord(RecordTemplate):
    """Keeps ``pred.pkl`` and ``label.pkl``.

    * ``pred.pkl``: rows ``(datetime, instrument)``, sorted; column ``score`` (no unit).
    * ``label.pkl``: raw labels of the test segment, the same kind of rows, one column or more;
      NaN where a label is not known yet.

    The tag ``label_horizon`` is the sessions that a label spans, where the dataset says so; of
    several labels the tag ``label_column`` is the one that the model is told to predict.

    Both are kept without rows while the test segment lies after the last session with prices.

    Args:
        model: Fitted; ``predict(dataset)`` gives the scores of the test segment.
        dataset: ``prepare("test", col_set="label", data_key="raw")`` gives the labels.
        recorder: Where both are kept.

    Raises:
        RecordError: Model, dataset or recorder is missing.
    """

    def __init__(
        self, model: Any = None, dataset: Any = None, recorder: Recorder | None = None
    ) -> None:
        super().__init__(recorder)  # type: ignore[arg-type]  # refused there, with the message
        self.model = model
        self.dataset = dataset
        if type(self).generate is SignalRecord.generate:  # else it may need neither
            self._check_parts()

    def _check_parts(self) -> None:
        for name, value in (("model", self.model), ("dataset", self.dataset)):
            if value is None:
                raise RecordError(
                    f"{type(self).__name__} has no {name}: give {name}='<{name.upper()}>' in the "
                    "kwargs of the task's record"
                )

    def generate(self, **kwargs: Any) -> None:
        """Predict and keep predictions and labels.

        Raises:
            RecordError: The predictions are empty, all NaN, not a frame of the right rows, or
                reach beyond the test segment.
        """
        self._check_parts()
        note_market(self.recorder, self.dataset)
        labels = _awaited_labels(self.dataset)
        if labels is not None:
            self._note_label(labels)
            empty = pd.DataFrame({"score": pd.Series(index=labels.index, dtype="float64")})
            self.save(**{"pred.pkl": empty, "label.pkl": labels})
            _log.info("SignalRecord: the test segment has not begun, nothing to predict yet")
            return
        name = type(self.model).__name__
        pred = check_pred(self.model.predict(self.dataset), name)
        labels = self.generate_label(self.dataset, pred.index)
        self._note_label(labels)
        check_rows(pred, labels.index, self.dataset, name)
        self.save(**{"pred.pkl": pred, "label.pkl": labels})
        _log.info("SignalRecord: %d predictions kept in %s", len(pred), self.recorder.id)

    def _note_label(self, labels: pd.DataFrame) -> None:
        parts = {"model": self.model, "dataset": self.dataset}
        columns = list(labels.columns)
        try:
            horizon = label_horizon(parts, columns)
            wanted = predicted_label(parts)
            position = find_label(columns, wanted)
        except (TaskError, TypeError, ValueError):  # a dataset whose `label` is something else
            return
        if horizon is not None:
            self.recorder.set_tags(**{HORIZON_TAG: horizon})
        if wanted is not None and len(columns) > 1:
            self.recorder.set_tags(**{LABEL_TAG: str(columns[position])})

    @staticmethod
    def generate_label(dataset: Any, rows: pd.Index | None = None) -> pd.DataFrame:
        """Raw labels of the test segment.

        Args:
            dataset: As in the constructor.
            rows: Rows of the frame of NaN that stands for labels a dataset cannot give.
        """
        try:
            with adapter_of({"dataset": dataset}, Market()).as_frames(dataset):
                try:
                    label = dataset.prepare("test", col_set="label", data_key="raw")
                except TypeError:  # a handler of Qlib's that knows no data_key
                    label = dataset.prepare("test", col_set="label")
        except AttributeError as error:  # one that dropped its raw data
            _log.warning("SignalRecord: no raw labels (%s); they are kept as NaN", error)
            label = pd.DataFrame({"label": np.nan}, index=rows, dtype="float64")
        return label.to_frame("label") if isinstance(label, pd.Series) else label

    def list(self) -> list[str]:
        """``pred.pkl`` and ``label.pkl``."""
        return ["pred.pkl", "label.pkl"]


def _awaited_labels(dataset: Any) -> pd.DataFrame | None:
    """The test labels without rows, if the test segment has not begun and the dataset can tell."""
    awaited = getattr(dataset, "awaited", None)
    labels: pd.DataFrame | None = awaited("test") if callable(awaited) else None
    return labels
