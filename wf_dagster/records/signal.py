"""Predictions of the test segment, and the labels that go with them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from wf_dagster.data.adapters import adapter_of
from wf_dagster.errors import RecordError, TaskError
from wf_dagster.market import Market
from wf_dagster.records.record_template import RecordTemplate
from wf_dagster.tasks import label_horizon

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder

_log = logging.getLogger(__name__)

HORIZON_TAG = "label_horizon"
ROWS = ["datetime", "instrument"]


class SignalRecord(RecordTemplate):
    """Keeps ``pred.pkl`` and ``label.pkl``.

    * ``pred.pkl``: rows ``(datetime, instrument)``, sorted; column ``score`` (no unit).
    * ``label.pkl``: raw labels of the test segment, the same kind of rows, one column or more;
      NaN where a label is not known yet.

    The tag ``label_horizon`` is the sessions that a label spans, where the dataset says so.

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
        for name, value in (("model", model), ("dataset", dataset)):
            if value is None:
                raise RecordError(
                    f"SignalRecord has no {name}: give {name}='<{name.upper()}>' in the kwargs of "
                    "the task's record"
                )
        self.model = model
        self.dataset = dataset

    def generate(self, **kwargs: Any) -> None:
        """Predict and keep predictions and labels.

        Raises:
            RecordError: The predictions are empty, all NaN, or not a frame of the right rows.
        """
        self._note_horizon()
        labels = _awaited_labels(self.dataset)
        if labels is not None:
            empty = pd.DataFrame({"score": pd.Series(index=labels.index, dtype="float64")})
            self.save(**{"pred.pkl": empty, "label.pkl": labels})
            _log.info("SignalRecord: the test segment has not begun, nothing to predict yet")
            return
        pred = check_pred(self.model.predict(self.dataset), type(self.model).__name__)
        self.save(**{"pred.pkl": pred, "label.pkl": self.generate_label(self.dataset, pred.index)})
        _log.info("SignalRecord: %d predictions kept in %s", len(pred), self.recorder.id)

    def _note_horizon(self) -> None:
        try:
            horizon = label_horizon({"dataset": self.dataset})
        except (TaskError, TypeError, ValueError):  # a dataset whose `label` is something else
            return
        if horizon is not None:
            self.recorder.set_tags(**{HORIZON_TAG: horizon})

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


def check_pred(pred: Any, model: str) -> pd.DataFrame:
    """Predictions as a sorted frame with the column ``score``.

    Args:
        pred: What a model's ``predict`` gave: a series, or a frame with ``score`` or one column.
        model: Name of the model, for messages.

    Raises:
        RecordError: They cannot be used; the message says why.
    """
    if isinstance(pred, pd.Series):
        pred = pred.to_frame("score")
    if not isinstance(pred, pd.DataFrame):
        raise RecordError(
            f"{model}.predict gave a {type(pred).__name__}: it must give a pandas Series with "
            "rows (datetime, instrument)"
        )
    if "score" not in pred.columns:
        if pred.shape[1] != 1:
            raise RecordError(
                f"{model}.predict gave the columns {list(pred.columns)[:5]}: call one of them "
                "'score'"
            )
        pred = pred.set_axis(["score"], axis=1)
    if pred.empty:
        raise RecordError(
            f"{model}.predict gave no predictions: has the test segment any session with prices?"
        )
    if list(pred.index.names) != ROWS:
        raise RecordError(
            f"{model}.predict gave rows named {list(pred.index.names)}: they must be {ROWS}, as "
            "in the features it was given"
        )
    if not np.isfinite(pred["score"].to_numpy(dtype="float64", na_value=np.nan)).any():
        raise RecordError(
            f"all {len(pred)} predictions of {model} are NaN or infinite: look at the features of "
            "the test segment for gaps"
        )
    if not pred.index.is_unique:
        day, instrument = pred.index[pred.index.duplicated()][0]
        raise RecordError(f"{model}.predict gave the row {day:%Y-%m-%d} {instrument} twice")
    in_order: pd.DataFrame = pred if pred.index.is_monotonic_increasing else pred.sort_index()
    return in_order
