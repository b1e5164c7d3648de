"""Records with the defaults that Qlib's have, where this project's own are others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wf_dagster import records

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder


class SigAnaRecord(records.SigAnaRecord):
    """As :class:`wf_dagster.records.SigAnaRecord`, which analyses the spread and asks the market.

    Args:
        recorder: Holds ``pred.pkl`` and ``label.pkl``.
        ana_long_short: Also analyse the spread.
        ann_scaler: Sessions a year; ``None`` for those of the market.
        label_col: Position of the label's column; ``None`` for the one that the model predicts.
        skip_existing: Do nothing when all objects are there already.
        **kwargs: As for that class. Annual figures of a label that spans several sessions count
            each session once; ``label_horizon=1`` counts it as often as Qlib does.

    Raises:
        RecordError: An argument is out of range.
    """

    def __init__(
        self,
        recorder: Recorder,
        ana_long_short: bool = False,
        ann_scaler: int | None = 252,
        label_col: int | None = 0,
        skip_existing: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(recorder, ana_long_short, ann_scaler, label_col, skip_existing, **kwargs)
